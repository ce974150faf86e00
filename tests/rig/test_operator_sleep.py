"""Nodes are emptied for sleep on a real control plane, by accounts that may do nothing else, and wake at any time."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.rig.acts import ACTUATOR, RECOMMENDER
from tests.rig.audit_log import read_writes
from tests.rig.auditor import Auditor
from tests.rig.processes import wait_for
from tests.rig.rig import Rig, running_rig
from tests.rig.test_operator_rights import FROM, PODS, Parts, names, parts

from powerplane.cli.main import run
from powerplane.models.api.kinds import PLACEMENT_PLAN

__all__ = ["parts"]

pytestmark = [pytest.mark.rig, pytest.mark.prometheus]

Json = dict[str, Any]
SLEEP, READY, MARKS = (f"powerplane.dev/{name}" for name in ("sleep", "asleep-ready", "sleep-marks"))
TAINT = "powerplane.dev/asleep"
OTHERS = ("cluster-autoscaler.kubernetes.io/scale-down-disabled", "karpenter.sh/do-not-disrupt")


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with running_rig("sleep", audit=True) as made:
        yield made


def node_of(rig: Rig, name: str) -> Json:
    return dict(rig.api.get(f"/api/v1/nodes/{name}"))


def annotations(rig: Rig, name: str) -> Json:
    return dict(node_of(rig, name)["metadata"].get("annotations") or {})


def is_closed(rig: Rig, name: str) -> bool:
    return any(taint["key"] == TAINT for taint in node_of(rig, name)["spec"].get("taints") or ())


def on(parts: Parts, name: str) -> list[str]:
    return [each["metadata"]["name"] for each in parts.cluster.pods() if each["spec"].get("nodeName") == name]


def test_a_node_is_emptied_and_told_ready_and_wakes_while_all_is_stopped(
    parts: Parts, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = parts.rig
    do = lambda *words: run([*words, "--kubeconfig", str(rig.kubeconfig)])  # noqa: E731  # one line, used often
    first, second = names(FROM)[:2]
    theirs = {
        "metadata": {"annotations": {OTHERS[0]: "true"}},
        "spec": {"taints": [{"key": "team", "effect": "NoSchedule"}]},
    }
    rig.api.patch(f"/api/v1/nodes/{first}", theirs)
    before = node_of(rig, first)
    held = len(on(parts, first))
    assert held

    assert do("sleep", first) == 0
    said = capsys.readouterr()
    assert f"{first}: {held} move, 0 stay with it, 0 hold it awake" in said.out
    assert "nothing is changed" in said.err
    assert SLEEP not in annotations(rig, first)

    parts.start("recommender", RECOMMENDER, f"--prometheus={parts.url}", "--period=5s")
    parts.start("actuator", ACTUATOR)
    assert do("sleep", first, "--yes") == 0
    assert wait_for(lambda: READY in annotations(rig, first), 90, 0.3), parts.said()
    assert is_closed(rig, first)
    assert on(parts, first) == []
    assert annotations(rig, first)[MARKS] == OTHERS[1]
    parts.cluster.wait_placed()
    plans = rig.api.items(PLACEMENT_PLAN.list_path)
    assert {move["from"] for plan in plans for move in plan["spec"]["moves"]} == {first}
    assert {tuple(move["because"]) for plan in plans for move in plan["spec"]["moves"]} == {(f"sleep {first}",)}

    # What is made now goes elsewhere, and a sleeping node costs no pod.
    rig.api.patch("/apis/apps/v1/namespaces/default/deployments/web", {"spec": {"replicas": PODS + 4}})
    parts.cluster.workloads["web"] = PODS + 4
    parts.cluster.wait_placed()
    assert on(parts, first) == []

    assert do("stop") == 0
    assert do("sleep", second, "--yes") == 0
    assert not wait_for(lambda: is_closed(rig, second), 6, 0.3), "a node was closed after the stop"
    assert do("wake", first, second) == 0
    awake = node_of(rig, first)
    assert awake["spec"].get("taints") == before["spec"].get("taints")
    assert awake["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert do("resume") == 0
    assert not wait_for(lambda: is_closed(rig, first) or is_closed(rig, second), 6, 0.3), parts.said()

    # A wish that is set and taken off by hand counts as well.
    wish = lambda value: rig.api.patch(f"/api/v1/nodes/{first}", {"metadata": {"annotations": {SLEEP: value}}})  # noqa: E731  # one line, used twice
    wish("by hand")
    assert wait_for(lambda: is_closed(rig, first), 30, 0.2), parts.said()
    wish(None)
    assert wait_for(lambda: not is_closed(rig, first), 30, 0.2), parts.said()
    assert annotations(rig, first) == before["metadata"]["annotations"]
    assert node_of(rig, first)["spec"]["taints"] == before["spec"]["taints"]

    findings = Auditor().audit(read_writes(rig.audit_log)).findings
    assert not findings, "\n".join(map(str, findings[:20]))
    said_all = parts.said().lower()
    assert "forbidden" not in said_all, said_all
    assert "denied" not in said_all, said_all
    assert "traceback" not in said_all, said_all
