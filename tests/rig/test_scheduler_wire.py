"""The real kube-scheduler, with the configuration that we print, asks the real server over TLS."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.rig.cluster import bound, make_nodes, make_pods, node, pod
from tests.rig.processes import wait_for
from tests.rig.rig import scheduler_config
from tests.scheduler_extender.answering import TableAnswers
from tests.scheduler_extender.certificates import LOOPBACK, Authority, write_pair
from tests.scheduler_extender.talking import Running, running

from powerplane.adapters.serving.tls import SCHEDULER_NAME, TlsFiles
from powerplane.models.scheduler_config import ExtenderEntry, patched
from powerplane.models.scheduler_config_check import check_configuration
from powerplane.scheduler_extender.server import ServerSettings

pytestmark = pytest.mark.rig

SECONDS = 30
HEADROOM = {"n1": 40, "n2": 400, "n3": 100}


class Party:
    """Both sides' certificates, on files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers, self.clients = Authority("servers"), Authority("clients")
        certificate, key = write_pair(folder, self.servers.issue("extender", LOOPBACK))
        (folder / "servers.crt").write_bytes(self.servers.pem)
        (folder / "clients.crt").write_bytes(self.clients.pem)
        files = TlsFiles(certificate, key, folder / "clients.crt")
        self.settings = ServerSettings(port=0, tls=files, certificate_poll_s=0.1)

    def configuration(self, port: int, name: str = SCHEDULER_NAME) -> dict[str, Any]:
        certificate, key = write_pair(self.folder, self.clients.issue(name), "scheduler")
        url = f"https://localhost:{port}/scheduler/v1"
        entry = ExtenderEntry(
            url=url, ca_file=f"{self.folder}/servers.crt", cert_file=str(certificate), key_file=str(key), timeout="2s"
        )
        document = patched(scheduler_config(), entry)
        assert check_configuration(document, "extender") == []
        return document


@pytest.fixture
def party(tmp_path) -> Party:
    return Party(tmp_path)


@pytest.fixture
def extender(rig, party) -> Iterator[Running]:
    make_nodes(rig, [node(name) for name in HEADROOM])
    with running(TableAnswers(dict(HEADROOM)), party.settings) as server:
        yield server


def lands(rig: Any, name: str, where: str, watts: int = 75) -> bool:
    make_pods(rig, [pod(name, watts=watts)])
    return wait_for(lambda: bound(rig).get(name) == where, SECONDS)


def test_a_pod_goes_where_the_extender_says_and_prefers(rig, party, extender):
    rig.restart_scheduler(party.configuration(extender.port))
    assert lands(rig, "a", "n2")  # n1 has no headroom, and n3 scores 2 of 10
    assert lands(rig, "b", "n2", watts=300)  # one node is left: kube-scheduler does not ask for scores
    assert extender.figure("answers_total", verb="filter", result="ok") == 2
    assert extender.figure("answers_total", verb="prioritize", result="ok") == 1
    assert extender.figure("clients_refused_total") == 0


def test_a_pod_that_no_node_has_watts_for_waits_with_the_reason(rig, party, extender):
    rig.restart_scheduler(party.configuration(extender.port))
    make_pods(rig, [pod("big", watts=5000)])

    def told() -> bool:
        status = rig.api.get("/api/v1/namespaces/default/pods/big")["status"]
        return any("3 no headroom" in each.get("message", "") for each in status.get("conditions", []))

    assert wait_for(told, SECONDS)


def test_a_pod_without_watts_is_not_asked_about(rig, party, extender):
    rig.restart_scheduler(party.configuration(extender.port))
    make_pods(rig, [pod("plain")])
    assert wait_for(lambda: "plain" in bound(rig), SECONDS)
    assert extender.figure("answers_total", verb="filter", result="ok") == 0


def test_new_certificates_while_it_schedules(rig, party, extender):
    rig.restart_scheduler(party.configuration(extender.port))
    assert lands(rig, "before", "n2")
    write_pair(party.folder, party.servers.issue("renewed", LOOPBACK))
    assert wait_for(lambda: extender.figure("tls_reloads_total", result="ok") >= 1, SECONDS)
    assert lands(rig, "on-the-old-connection", "n2")
    rig.restart_scheduler(party.configuration(extender.port))
    assert lands(rig, "on-a-new-connection", "n2")


def test_a_scheduler_with_another_name_gets_no_answer_and_places_nothing(rig, party, extender):
    rig.restart_scheduler(party.configuration(extender.port, "system:node:n1"))
    make_pods(rig, [pod("a", watts=75)])
    assert wait_for(lambda: extender.figure("clients_refused_total") >= 1, SECONDS)
    assert bound(rig) == {}
    rig.restart_scheduler(party.configuration(extender.port))
    assert wait_for(lambda: bound(rig) == {"a": "n2"}, SECONDS)


def test_a_restart_of_the_extender_costs_no_pod_and_breaks_no_budget(rig, party):
    make_nodes(rig, [node(name) for name in HEADROOM])
    with running(TableAnswers(dict(HEADROOM)), party.settings) as first:
        rig.restart_scheduler(party.configuration(first.port))
        assert lands(rig, "before", "n2")
        port = first.port
    make_pods(rig, [pod("during", watts=75)])
    assert not wait_for(lambda: "during" in bound(rig), 3)
    with running(TableAnswers(dict(HEADROOM)), dataclasses.replace(party.settings, port=port)):
        assert wait_for(lambda: bound(rig).get("during") == "n2", SECONDS)


def test_an_extender_that_is_not_ready_lets_nothing_in_until_it_is(rig, party):
    make_nodes(rig, [node(name) for name in HEADROOM])
    answers = TableAnswers(dict(HEADROOM))
    answers.missing = "nodes are not listed yet"
    with running(answers, party.settings) as server:
        rig.restart_scheduler(party.configuration(server.port))
        make_pods(rig, [pod("a", watts=75)])
        assert wait_for(lambda: server.figure("answers_total", verb="filter", result="not_ready") >= 1, SECONDS)
        assert bound(rig) == {}
        answers.missing = ""
        assert wait_for(lambda: bound(rig) == {"a": "n2"}, SECONDS)
