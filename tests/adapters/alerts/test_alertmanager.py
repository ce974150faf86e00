"""Against a real Alertmanager: it takes what we send, ends what has ended, and gets over being killed."""

import json
import random
import sys
import time
from pathlib import Path

import pytest
from tests.adapters.alerts.alertmanager_process import AlertmanagerProcess
from tests.adapters.alerts.receiver import received
from tests.adapters.alerts.test_killed import lines
from tests.models.alerts.findings import finding, notice
from tests.rig import processes
from tests.rig.processes import wait_for

from powerplane.adapters.alerts.alertmanager import PATH, Alertmanager
from powerplane.adapters.alerts.delivering import Delivery, DeliveryTerms
from powerplane.adapters.alerts.outbox import Outbox
from powerplane.adapters.alerts.posting import Poster, Target
from powerplane.adapters.alerts.secret import Secret
from powerplane.models.alerts.alert import AlertKey
from powerplane.models.alerts.grouping import bundled
from powerplane.models.alerts.tracking import Terms, step

pytestmark = [pytest.mark.alertmanager, pytest.mark.slow]

HERE = Path(__file__).parent
SOON_S = 15.0


@pytest.fixture
def receiver(tmp_path):
    (port,) = processes.free_ports(1)
    command = [sys.executable, str(HERE / "receiver.py"), str(port), str(tmp_path / "notified")]
    pid = processes.spawn(command, tmp_path / "receiver.log", outlive=False)
    yield f"http://127.0.0.1:{port}/"
    processes.stop(pid)


@pytest.fixture
def server(alertmanager, tmp_path, receiver):
    made = AlertmanagerProcess(alertmanager, tmp_path / "alertmanager", receiver)
    made.start()
    yield made
    made.close()


def sink_of(server, **more):
    target = Target(Secret(server.url + PATH), frozenset(("127.0.0.1",)), timeout_s=2.0)
    return Alertmanager(Poster(target), **more)


def notified(tmp_path, status):
    """Domains that Alertmanager has told its receiver of, with that status."""
    return {
        alert["labels"].get("domain", "")
        for one in received(tmp_path / "notified")
        for alert in json.loads(one["body"])["alerts"]
        if alert["status"] == status
    }


def is_quiet(path, seconds):
    """Whether nothing comes for so long."""
    before = len(received(path))
    time.sleep(seconds)
    return len(received(path)) == before


def told(number, what="fired", sequence=1):
    return bundled([notice(number, what, f"episode-{number}", sequence, at_s=time.time())])[0]


def test_what_fires_is_active_and_told_and_what_resolves_is_neither(server, tmp_path):
    sink = sink_of(server)
    assert sink.send(told(1)).outcome == sink.send(told(2)).outcome == "ok"
    assert wait_for(lambda: notified(tmp_path, "firing") == {"rack-1", "rack-2"}, SOON_S)
    assert server.active() == {"rack-1", "rack-2"}
    (one,) = [each for each in server.alerts() if each["labels"]["domain"] == "rack-1"]
    assert one["labels"]["alertname"] == "PowerPlaneDomainOverBudget"
    assert "200 W over 1 kW of cluster policy watch" in one["annotations"]["summary"]
    assert sink.send(told(1, "resolved", 2)).outcome == "ok"
    assert wait_for(lambda: server.active() == {"rack-2"}, SOON_S)
    assert wait_for(lambda: notified(tmp_path, "resolved") == {"rack-1"}, SOON_S)


def test_what_worsens_takes_the_place_of_what_it_was(server):
    sink = sink_of(server)
    sink.send(told(1))
    worse = notice(1, "worsened", "episode-1", 2, at_s=time.time())
    worse = type(worse)(worse.episode, 2, "worsened", worse.at_s, worse.began_s, finding(severity="critical"))
    assert sink.send(bundled([worse])[0]).outcome == "ok"
    assert wait_for(lambda: [each["labels"]["severity"] for each in server.alerts()] == ["critical"], SOON_S)


def test_what_is_renewed_stays_and_what_is_not_ends_by_itself(server, tmp_path):
    sink = sink_of(server, hold_s=1.0)
    firing = (notice(1, episode="a", at_s=time.time()),)
    sink.send(told(2))
    began_s = time.monotonic()
    while time.monotonic() - began_s < 3.0:
        assert sink.renew(firing).outcome == "ok"
        time.sleep(0.2)
    assert server.active() == {"rack-1"}
    assert wait_for(lambda: "rack-1" in notified(tmp_path, "resolved"), SOON_S)


def test_what_it_refuses_is_given_up_and_what_it_cannot_take_now_is_not(server):
    sink = sink_of(server)
    empty = bundled([notice(1, at_s=-1e9)])[0]
    assert sink.send(empty).outcome in ("ok", "refused")
    server.kill()
    sent = sink.send(told(1))
    assert (sent.outcome, "refused" in sent.told) == ("failed", True)


def test_an_alertmanager_that_is_killed_or_loses_its_memory_ends_up_with_what_fires(server, tmp_path):
    outbox = Outbox(tmp_path / "outbox", ["alertmanager"])
    terms = DeliveryTerms(first_pause_s=0.05, longest_pause_s=0.3, renew_s=0.5)
    delivery = Delivery(sink_of(server, hold_s=60.0), outbox, terms)
    delivery.start()
    keys = [AlertKey("DomainOverBudget", f"rack-{number}", "/watch") for number in (1, 2, 3)]
    tracks = {}

    def look(*over):
        nonlocal tracks
        found = {key: finding("over" if key in over else "under", key=key) for key in keys}
        after = step(tracks, found, time.time(), Terms(0, 0))
        outbox.commit(after.tracks, bundled(after.notices), time.time())
        tracks = after.tracks
        delivery.wake()

    try:
        look(keys[0], keys[1])
        assert wait_for(lambda: server.active() == {"rack-1", "rack-2"}, SOON_S)
        server.kill()
        look(keys[1], keys[2])
        time.sleep(0.5)
        assert outbox.pending("alertmanager")
        server.start()
        assert wait_for(lambda: server.active() == {"rack-2", "rack-3"}, SOON_S)
        assert wait_for(lambda: not outbox.pending("alertmanager"), SOON_S)
        server.kill()
        # Nothing new is told: it has it from the renewals alone.
        server.start()
        assert wait_for(lambda: server.active() == {"rack-2", "rack-3"}, SOON_S)
        look()
        assert wait_for(lambda: server.active() == set(), SOON_S)
    finally:
        delivery.stop()
        outbox.close()


def test_sender_and_alertmanager_killed_in_turn_agree_in_the_end(server, tmp_path):
    chance = random.Random(3)

    def sender(seed):
        where = [server.url + PATH, *(str(tmp_path / name) for name in ("outbox", "truth", "stop"))]
        command = [sys.executable, str(HERE / "sender.py"), *where, str(seed), "alertmanager"]
        return processes.spawn(command, tmp_path / "sender.log", outlive=False)

    pid = sender(0)
    try:
        for turn in range(4):
            before = len(lines(tmp_path / "truth"))
            assert wait_for(lambda n=before: len(lines(tmp_path / "truth")) > n, 30)
            time.sleep(chance.uniform(0.2, 0.6))
            if turn % 2:
                server.kill()
                time.sleep(0.2)
                server.start()
            else:
                processes.stop(pid, within_s=0.0)
                pid = sender(turn + 1)
        (tmp_path / "stop").touch()
        assert wait_for(lambda: not processes.alive(pid), 30), (tmp_path / "sender.log").read_text()[-2000:]
    finally:
        processes.stop(pid)
    assert wait_for(lambda: server.active() == set(), SOON_S)
    # One that was killed has forgotten whom it told of what fires, and tells nobody of its end: its own to mend.
    assert notified(tmp_path, "resolved") <= notified(tmp_path, "firing")
    assert wait_for(lambda: is_quiet(tmp_path / "notified", 2.0), SOON_S, 0.0)
