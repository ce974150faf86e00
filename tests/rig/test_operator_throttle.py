"""`powerplane operate` holds a budget by less CPU in place, evicts nobody for it, and gives the CPU back.

Kubelets that resize: ``kubelets.py``. Watts follow what containers have by their status, not what their specs ask for.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from tests.conftest import find_prometheus
from tests.rig.acts import ACTUATOR, RECOMMENDER
from tests.rig.audit_log import read_writes
from tests.rig.kubelets import Kubelets, given_cores
from tests.rig.kubelets import cores as cores_of
from tests.rig.objects import apply, written
from tests.rig.operator import HELD_S, PLANS, SIZES, WATTS_PER_CORE, Operated, OperatedCluster, operated
from tests.rig.processes import wait_for
from tests.rig.rig import running_rig
from tests.rig.security import applied, guards_are_up
from tests.rig.sizes import Size
from tests.rig.throttle_auditor import NOTE, ThrottleAuditor, Told

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

pytestmark = [pytest.mark.rig, pytest.mark.prometheus]

GROUPS = ("system:serviceaccounts", "system:serviceaccounts:powerplane-system")
FEW = Size(racks=3, per_rack=2, workloads=10, replicas=5)
BACK_S = 180.0
"""A Lease that runs out, a minute of room, and two rounds."""


def watts(pod: Mapping[str, Any]) -> float:
    """What a pod draws: as many cores as its workload would use, and no more than its kubelet lets it."""
    wanted = cores_of(SIZES[int(pod["metadata"]["labels"]["app"].rpartition("-")[2]) % len(SIZES)])
    return min(wanted, given_cores(dict(pod))) * WATTS_PER_CORE


@pytest.fixture(scope="module")
def held() -> Iterator[Operated]:
    """A cluster whose kubelets resize pods, under a policy that holds down first and moves then."""
    with running_rig("throttle", audit=True) as rig:
        program = find_prometheus()
        assert program is not None
        with operated(rig, program, FEW, ("--period=10s",)) as parts, Kubelets(rig) as kubelets:
            assert wait_for(kubelets.report, 60, 0.3)
            parts.cluster.witness.watts_of = lambda pod: watts(pod) if "app" in pod["metadata"]["labels"] else 0.0
            spec = {
                "cap": {"watts": "100kW"},
                "mode": "Enforce",
                "levers": ["throttle", "migrate"],
                "admission": {"lock": "Partition"},
            }
            apply(rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", spec))
            yield parts


def told(parts: Operated) -> Told:
    found = ThrottleAuditor().audit(read_writes(parts.cluster.rig.audit_log))
    assert found.findings == (), "\n".join([*map(str, found.findings[:20]), parts.said()])
    return found


def noted(cluster: OperatedCluster) -> int:
    """How many pods say that they are held down."""
    return sum(NOTE in (pod["metadata"].get("annotations") or {}) for pod in cluster.pods())


def levers(parts: Operated) -> set[str]:
    return {move["lever"] for plan in parts.cluster.rig.api.items(PLANS) for move in plan["spec"]["moves"]}


def test_a_rack_is_held_by_less_cpu_in_place_without_an_eviction_and_gets_it_back(
    held: Operated, figure: Callable[[str], None]
) -> None:
    cluster = held.cluster
    rack = max(cluster.budgets_w, key=cluster.draw_w)
    before_w, budget_w = cluster.draw_w(rack), cluster.budgets_w[rack]
    operator = held.operator()
    began_s = cluster.cut(rack, by=0.15)
    assert wait_for(cluster.held, HELD_S, 0.05), held.said()
    took_s = time.monotonic() - began_s
    held.wait_settled()
    assert held.sound().evictions == 0
    assert levers(held) == {"throttle"}
    down, held_w = noted(cluster), cluster.draw_w(rack)
    assert len(told(held).throttled) == down > 0
    cluster.budget(rack, budget_w)
    # Nothing is remembered but on the pods: another operator gives back what this one took.
    operator.kill()
    began_s = time.monotonic()
    held.operator()
    assert wait_for(lambda: noted(cluster) == 0, BACK_S, 0.3), held.said()
    back_s = time.monotonic() - began_s
    assert wait_for(lambda: abs(cluster.draw_w(rack) - before_w) < 0.1, 10, 0.2), held.said()
    assert held.sound().evictions == 0
    found = told(held)
    assert found.restored == found.throttled
    figure(
        f"{rack} from {before_w:g} to {held_w:g} W of {cluster.budgets_w[rack]:g} W: {down} of {FEW.pods} pods held "
        f"down after {took_s:.1f} s, {found.resizes} resizes, no eviction; given back after {back_s:.0f} s"
    )


def test_an_actuator_that_is_killed_while_it_holds_pods_down_goes_on_where_it_was_and_needs_no_more_than_its_rights(
    held: Operated,
) -> None:
    cluster, rig = held.cluster, held.cluster.rig
    held.end_operators()
    cluster.drop_plans()
    cluster.settle_budgets()
    rack = max(cluster.budgets_w, key=cluster.draw_w)
    with applied(rig, "rbac.yaml", "rbac-operator.yaml", "admission-policies.yaml"):
        assert wait_for(lambda: guards_are_up(rig), 30, 0.2)
        held.operator("--only=recommender", f"--kubeconfig={rig.kubeconfig_for(RECOMMENDER, *GROUPS)}")
        actuator = held.operator("--only=actuator", f"--kubeconfig={rig.kubeconfig_for(ACTUATOR, *GROUPS)}")
        cluster.cut(rack, by=0.15)
        held.wait_begun("Resizing", "Ready")
        actuator.kill()
        actuator.start()
        held.wait_settled()
        said = held.said().lower()
        held.end_operators()
    assert held.sound().evictions == 0
    assert told(held).throttled
    assert noted(cluster)
    assert "forbidden" not in said, said
    assert "denied" not in said, said
