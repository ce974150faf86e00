"""Events on a thread of their own."""

import logging

import pytest
from tests.adapters.api_server import kubeconfig
from tests.adapters.test_cluster_writes import Recorder

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.cluster_events import ClusterEvent
from powerplane.adapters.cluster_writes import Writer
from powerplane.adapters.event_teller import EventTeller

REGARDING = {"apiVersion": "v1", "kind": "Pod", "namespace": "d", "name": "p", "uid": "u"}


def event(suffix="1", count=1):
    return ClusterEvent("p", suffix, REGARDING, "powerplane.dev/x", "Wait", "Waits", "n", True, 1.8e9, count)


class Told:
    def __init__(self, tmp_path, answers=(), most=256):
        self.server = Recorder()
        self.server.answers.extend(answers)
        self.counts = []
        writer = Writer(open_cluster(kubeconfig(tmp_path / "config", self.server.address), None), sleep=lambda _: None)
        self.teller = EventTeller(writer, "me", self.counts.append, most)

    def run(self, *events):
        for each in events:
            self.teller.tell(each)
        for each in events[: len(events) - self.counts.count("dropped")]:
            assert each is not None
            self.teller._write(self.teller._line.get_nowait())
        self.server.close()
        return [(verb, path.rpartition("/")[2]) for verb, path, *_ in self.server.requests]


def test_an_event_that_stands_is_left_and_a_repeated_one_counts_up_its_series(tmp_path):
    told = Told(tmp_path, [409, 409, 200])
    assert told.run(event(), event(count=3)) == [("POST", "events"), ("POST", "events"), ("PATCH", "p.1")]
    assert told.server.requests[-1][-1]["series"]["count"] == 3
    assert told.counts == ["ok", "ok"]


def test_a_lost_answer_is_asked_for_again_and_a_refusal_is_said_once(tmp_path, caplog):
    told = Told(tmp_path, ["cut", 200, 403, 403])
    with caplog.at_level(logging.WARNING):
        told.run(event("1"), event("2"), event("3"))
    assert told.counts == ["ok", "refused", "refused"]
    assert len([each for each in caplog.records if "was not written" in each.message]) == 1


def test_a_flood_is_cut_and_counted(tmp_path):
    told = Told(tmp_path, most=2)
    told.run(event("1"), event("2"), event("3"), event("4"))
    assert sorted(told.counts) == ["dropped", "dropped", "ok", "ok"]


@pytest.mark.parametrize("most", [1, 8])
def test_it_ends_though_events_stand_in_line(tmp_path, most):
    told = Told(tmp_path, most=most)
    told.teller.start()
    for suffix in "1234":
        told.teller.tell(event(suffix))
    told.teller.stop()
    told.teller._thread.join(5)
    told.server.close()
    assert not told.teller._thread.is_alive()
