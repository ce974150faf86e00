"""The auditor itself: a log that keeps every rule passes, and each rule that is broken once is found, by its name."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.rig.audit_facts import Report
from tests.rig.audit_log import read_writes
from tests.rig.auditor import Auditor

Json = dict[str, Any]

BEGAN_S = 1_790_000_000.0
PODS, OWN_PODS = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/powerplane-system/pods"


class Log:
    """A log that is written by hand, a tenth of a second a line."""

    def __init__(self) -> None:
        self.lines: list[Json] = []
        self.at_s = BEGAN_S
        self.version = 0

    def write(self, verb: str, ref: str, asked: Any = None, answered: Any = None, **more: Any) -> None:
        """One line; ``ref`` is ``namespace/resource/name/sub``."""
        namespace, resource, name, sub = (ref + "///").split("/")[:4]
        self.at_s += more.get("after_s", 0.1)
        self.lines.append(
            {
                "stage": "ResponseComplete",
                "verb": verb,
                "user": {"username": more.get("user", "a")},
                "objectRef": {"resource": resource, "namespace": namespace, "name": name, "subresource": sub},
                "responseStatus": {"code": more.get("code", 200)},
                "requestObject": asked,
                "responseObject": answered,
                "requestReceivedTimestamp": stamp(self.at_s),
                "stageTimestamp": stamp(self.at_s + 0.01),
            }
        )

    # -- what happens

    def cluster(self, replicas: int = 2) -> None:
        """A ReplicaSet with ready pods on n1, a disruption budget of one, a leader and a webhook."""
        self.write("update", "powerplane-system/leases/powerplane-webhook", *lease("w"), user="webhook")
        self.write("update", "powerplane-system/leases/powerplane-actuator", *lease("a", 1))
        self.scale(replicas)
        spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}
        self.write("create", "default/poddisruptionbudgets/web", None, {"kind": "PodDisruptionBudget", "spec": spec})
        for i in range(replicas):
            self.pod(f"p{i}", node="n1")

    def scale(self, replicas: int) -> None:
        meta = {"name": "web", "uid": "rs"}
        answered = {"kind": "ReplicaSet", "metadata": meta, "spec": {"replicas": replicas}}
        self.write("update", "default/replicasets/web", None, answered)

    def pod(self, name: str, node: str = "", *, ready: bool = True, gates: tuple[str, ...] = ()) -> None:
        """A pod of the ReplicaSet comes, is bound and gets ready."""
        self.write("create", "default/pods", None, pod(name, gates=gates), code=201)
        if node:
            self.write("create", f"default/pods/{name}/binding", {"target": {"name": node}}, {"kind": "Status"})
            self.write("patch", f"default/pods/{name}/status", None, pod(name, node, ready=ready))

    def plan(self, *names: str, lever: str = "migrate", plan: str = "plan") -> None:
        moves = [{"uid": f"u-{name}", "pod": name, "to": "n2", "lever": lever} for name in names]
        body = {"metadata": {"name": plan, "uid": f"u-{plan}"}, "spec": {"moves": moves}}
        self.write("create", f"/placementplans/{plan}", body, body, code=201)

    def hold(self, name: str, node: str = "n2", cpu: str = "1") -> None:
        """A placeholder comes for a pod, and is nominated."""
        made = pod(f"hold-{name}", cpu=cpu, owner="", holds_for=f"u-{name}", gates=("powerplane.dev/hold",))
        self.write("create", f"powerplane-system/pods/hold-{name}", None, made, code=201)
        nominated = {**made, "status": {"nominatedNodeName": node}}
        self.write("patch", f"powerplane-system/pods/hold-{name}/status", None, nominated)

    def let_go(self, name: str) -> None:
        self.write("delete", f"powerplane-system/pods/hold-{name}", None, {"kind": "Status"})

    def evict(self, name: str, uid: str | None = None, **more: Any) -> None:
        uid = f"u-{name}" if uid is None else uid
        options = {"preconditions": {"uid": uid}} if uid else {}
        self.write("create", f"default/pods/{name}/eviction", {"deleteOptions": options}, {"kind": "Status"}, **more)

    def progress(self, token: int, **more: Any) -> None:
        body = {"metadata": {"name": "plan"}, "status": {"token": token}}
        self.write("patch", "/placementplans/plan/status", body, body, **more)

    def stop(self, reason: str | None = "by hand") -> None:
        meta = {"name": "powerplane-system", "annotations": {"powerplane.dev/stop": reason} if reason else {}}
        self.write("patch", "powerplane-system/namespaces/powerplane-system", None, {"metadata": meta})

    def move(self, name: str, successor: str) -> None:
        """One whole move as it should be."""
        self.hold(name)
        self.evict(name)
        self.pod(successor, gates=("powerplane.dev/move",))
        self.let_go(name)
        self.write("patch", f"default/pods/{successor}", None, pod(successor))
        self.write("create", f"default/pods/{successor}/binding", {"target": {"name": "n2"}}, {"kind": "Status"})
        self.write("patch", f"default/pods/{successor}/status", None, pod(successor, "n2", ready=True))

    def judged(self, folder: Path, *, finished: bool = True) -> Report:
        """What the auditor says of it, read from a file."""
        file = folder / "audit.log"
        file.write_text("".join(json.dumps(line) + "\n" for line in self.lines) + '{"cut off')
        return Auditor(finished=finished).audit(read_writes(file))


def stamp(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def lease(holder: str, transitions: int = 0) -> tuple[Json, Json]:
    spec = {"holderIdentity": holder, "leaseTransitions": transitions, "renewTime": "now"}
    return {"spec": spec}, {"spec": spec}


def pod(name: str, node: str = "", *, ready: bool = False, cpu: str = "1", **more: Any) -> Json:
    holds_for = more.get("holds_for")
    owner = [{"uid": more.get("owner", "rs"), "controller": True}] if more.get("owner", "rs") else []
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "powerplane-system" if holds_for else "default",
            "uid": f"u-{name}",
            "labels": {} if holds_for else {"app": "web"},
            "annotations": {"powerplane.dev/hold-for": holds_for} if holds_for else {},
            "ownerReferences": owner,
        },
        "spec": {
            "containers": [{"resources": {"requests": {"cpu": cpu}}}],
            "schedulingGates": [{"name": gate} for gate in more.get("gates", ())],
            **({"nodeName": node} if node else {}),
        },
        "status": {"phase": "Running" if node else "Pending"}
        | ({"conditions": [{"type": "Ready", "status": "True"}]} if ready else {}),
    }


@pytest.fixture
def log() -> Log:
    """A cluster with two pods, and a plan for one of them."""
    made = Log()
    made.cluster()
    made.plan("p0")
    made.progress(1)
    return made


def test_moves_as_they_should_be_break_no_rule_and_are_counted(log: Log, tmp_path: Path) -> None:
    log.move("p0", "q0")
    log.plan("p1", plan="next")
    log.evict("p1", code=429)
    log.move("p1", "q1")
    report = log.judged(tmp_path)
    assert report.findings == ()
    assert (report.evictions, report.plans, report.placeholders, report.tokens) == (2, 2, 2, 1)
    assert dict(report.refused) == {429: 1}
    assert report.last_eviction_s > BEGAN_S


def test_an_eviction_without_a_placeholder_is_found(log: Log, tmp_path: Path) -> None:
    log.evict("p0")
    log.pod("q0", "n2")
    assert log.judged(tmp_path).broken() == {"place"}


def test_a_placeholder_that_comes_after_the_eviction_is_none(log: Log, tmp_path: Path) -> None:
    log.evict("p0")
    log.hold("p0")
    log.pod("q0", "n2")
    log.let_go("p0")
    assert log.judged(tmp_path).broken() == {"place"}


def test_a_placeholder_that_was_not_nominated_holds_nothing(log: Log, tmp_path: Path) -> None:
    log.hold("p0", node="")
    log.evict("p0")
    log.pod("q0", "n2")
    log.let_go("p0")
    assert log.judged(tmp_path).broken() == {"place"}


def test_a_placeholder_that_went_before_the_eviction_holds_nothing(log: Log, tmp_path: Path) -> None:
    log.hold("p0")
    log.let_go("p0")
    log.evict("p0")
    log.pod("q0", "n2")
    assert log.judged(tmp_path).broken() == {"place"}


@pytest.mark.parametrize("wrong", [{"node": "n7"}, {"cpu": "500m"}], ids=["another node", "less than the pod asks"])
def test_a_placeholder_that_holds_something_else_is_found(log: Log, tmp_path: Path, wrong: dict[str, str]) -> None:
    log.hold("p0", **wrong)
    log.evict("p0")
    log.pod("q0", "n2")
    log.let_go("p0")
    assert log.judged(tmp_path).broken() == {"place"}


def test_a_successor_that_runs_before_the_eviction_is_as_good_as_a_placeholder(log: Log, tmp_path: Path) -> None:
    log.pod("q0", "n2")
    log.evict("p0")
    assert log.judged(tmp_path).findings == ()


def test_a_pod_that_is_ended_rather_than_moved_needs_no_place(tmp_path: Path) -> None:
    log = Log()
    log.cluster()
    log.plan("p0", lever="evict")
    log.evict("p0")
    log.pod("q0", "n3")
    assert log.judged(tmp_path).findings == ()


def test_an_eviction_that_names_no_uid_is_found(log: Log, tmp_path: Path) -> None:
    log.hold("p0")
    log.evict("p0", uid="")
    log.pod("q0", "n2")
    log.let_go("p0")
    assert log.judged(tmp_path).broken() == {"precondition"}


def test_an_eviction_that_no_plan_asks_for_is_found(log: Log, tmp_path: Path) -> None:
    log.hold("p1")
    log.evict("p1")
    log.pod("q1", "n2")
    log.let_go("p1")
    assert log.judged(tmp_path).broken() == {"plan"}


def test_an_eviction_after_the_plan_was_deleted_is_found(log: Log, tmp_path: Path) -> None:
    log.hold("p0")
    log.write("delete", "/placementplans/plan", None, {"kind": "Status"})
    log.evict("p0")
    log.pod("q0", "n2")
    log.let_go("p0")
    assert log.judged(tmp_path).broken() == {"plan"}


def test_an_eviction_that_is_done_twice_is_found(log: Log, tmp_path: Path) -> None:
    log.hold("p0")
    log.evict("p0")
    log.evict("p0")
    log.pod("q0", "n2")
    log.let_go("p0")
    assert log.judged(tmp_path).broken() == {"once"}


def test_a_pod_whose_owner_makes_no_other_is_found_lost(log: Log, tmp_path: Path) -> None:
    log.hold("p0")
    log.evict("p0")
    log.let_go("p0")
    assert log.judged(tmp_path).broken() == {"lost"}
    assert log.judged(tmp_path, finished=False).findings == ()


def test_a_successor_that_never_comes_to_a_node_is_a_pod_lost(log: Log, tmp_path: Path) -> None:
    log.hold("p0")
    log.evict("p0")
    log.let_go("p0")
    log.pod("q0")
    assert log.judged(tmp_path).broken() == {"lost"}


def test_an_owner_that_is_scaled_down_meanwhile_has_lost_nobody(log: Log, tmp_path: Path) -> None:
    log.hold("p0")
    log.scale(0)
    log.evict("p0")
    log.let_go("p0")
    log.write("delete", "default/pods/p1", None, {"kind": "Status"})
    assert log.judged(tmp_path).findings == ()


def test_an_eviction_past_a_disruption_budget_is_found(log: Log, tmp_path: Path) -> None:
    log.write("patch", "default/pods/p1/status", None, pod("p1", "n1", ready=False))
    log.move("p0", "q0")
    assert log.judged(tmp_path).broken() == {"budget"}


def test_a_budget_in_per_cent_is_rounded_up_as_the_server_does(tmp_path: Path) -> None:
    log = Log()
    log.cluster(3)
    spec = {"minAvailable": "50%", "selector": {"matchLabels": {"app": "web"}}}
    log.write("update", "default/poddisruptionbudgets/web", None, {"kind": "PodDisruptionBudget", "spec": spec})
    log.plan("p0", "p1")
    log.hold("p0")
    log.hold("p1")
    log.evict("p0")
    assert log.judged(tmp_path, finished=False).findings == ()
    log.evict("p1")
    assert log.judged(tmp_path, finished=False).broken() == {"budget"}


def test_a_smaller_token_after_a_greater_one_is_found(log: Log, tmp_path: Path) -> None:
    log.write("update", "powerplane-system/leases/powerplane-actuator", *lease("b", 2), user="b")
    log.progress(2, user="b")
    assert log.judged(tmp_path).findings == ()
    log.progress(1)
    assert log.judged(tmp_path).broken() == {"tokens"}


def test_a_lease_that_was_deleted_may_count_anew_above_what_is_on_plans(log: Log, tmp_path: Path) -> None:
    log.plan("p0")
    log.progress(1)
    log.write("delete", "powerplane-system/leases/powerplane-actuator", None, {"kind": "Status"})
    log.write("create", "powerplane-system/leases/powerplane-actuator", *lease("b", 1), user="b")
    # Whoever makes it leads a while later only.
    log.progress(1)
    log.progress(2, user="b")
    assert log.judged(tmp_path).broken() == set()
    assert log.judged(tmp_path).tokens == 2
    log.progress(1)
    assert log.judged(tmp_path).broken() == {"tokens"}


def test_a_token_that_somebody_else_holds_is_found(log: Log, tmp_path: Path) -> None:
    log.progress(1, user="b")
    assert log.judged(tmp_path).broken() == {"tokens"}


def test_an_eviction_by_one_that_leads_no_more_is_found(log: Log, tmp_path: Path) -> None:
    log.hold("p0")
    log.write("update", "powerplane-system/leases/powerplane-actuator", *lease("b", 2), user="b")
    log.evict("p0")
    log.pod("q0", "n2")
    log.let_go("p0")
    assert log.judged(tmp_path).broken() == {"tokens"}


@pytest.mark.parametrize("act", ["evict", "hold", "plan"])
def test_whatever_is_begun_after_a_stop_is_found(log: Log, tmp_path: Path, act: str) -> None:
    log.hold("p0")
    log.stop()
    log.at_s += 2.0
    if act == "evict":
        log.evict("p0")
        log.pod("q0", "n2")
    elif act == "hold":
        log.hold("p1")
        log.let_go("p1")
    else:
        log.plan("p1", plan="next")
    log.let_go("p0")
    assert log.judged(tmp_path).broken() == {"stop"}


def test_what_was_under_way_at_a_stop_and_what_comes_after_its_end_are_fine(log: Log, tmp_path: Path) -> None:
    log.hold("p0")
    log.stop()
    log.evict("p0")
    log.pod("q0", "n2")
    log.let_go("p0")
    log.at_s += 20.0
    log.stop(None)
    log.plan("p1", plan="next")
    log.move("p1", "q1")
    assert log.judged(tmp_path).findings == ()


def test_an_eviction_while_the_webhook_is_silent_is_found(log: Log, tmp_path: Path) -> None:
    log.at_s += 70.0
    log.move("p0", "q0")
    assert log.judged(tmp_path).broken() == {"webhook"}


@pytest.mark.parametrize("gate", ["powerplane.dev/move", "powerplane.dev/hold"])
def test_a_pod_that_stays_behind_a_gate_of_moves_is_found_at_the_end(log: Log, tmp_path: Path, gate: str) -> None:
    log.pod("q9", gates=(gate,))
    assert log.judged(tmp_path).broken() == {"left"}
    assert log.judged(tmp_path, finished=False).findings == ()


def test_a_job_that_has_finished_some_pods_wants_only_the_others(tmp_path: Path) -> None:
    log = Log()
    log.cluster(0)
    job = {"kind": "Job", "metadata": {"name": "j", "uid": "rs"}, "spec": {"parallelism": 2, "completions": 2}}
    log.write("create", "default/jobs/j", None, job)
    log.write("delete", "default/poddisruptionbudgets/web", None, {"kind": "Status"})
    log.pod("p0", "n1")
    log.pod("p1", "n1")
    log.plan("p0")
    done = pod("p1", "n1")
    log.write("patch", "default/pods/p1/status", None, done | {"status": {"phase": "Succeeded"}})
    log.hold("p0")
    log.evict("p0")
    log.let_go("p0")
    assert log.judged(tmp_path).broken() == {"lost"}
    log.pod("q0", "n2")
    assert log.judged(tmp_path).findings == ()
