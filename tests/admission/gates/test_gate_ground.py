"""From domains and nodes to what bound pods leave: pods that state no watts count by their cores and their cards."""

from datetime import UTC, datetime

import msgspec
import pytest
from tests.admission.gates.test_gate_books import batch

from powerplane.admission.gates.books import GateBooks
from powerplane.admission.gates.facts import SeenPod, pod_fact
from powerplane.admission.gates.ground import budgets_now, ground_of, lie_of
from powerplane.admission.gates.headroom import draw_mw, drawn_mw
from powerplane.models.api.power_domain import MemberNode, PowerDomainObject, PowerDomainSpec
from powerplane.models.objects import Node, ObjectMeta

GPU = "nvidia.com/gpu"
CARD_MW = 630_000
PER_CORE_MW = (6_000_000 - 8 * CARD_MW) // 100
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def pod(name, cpu, cards, node="g"):
    resources = {"requests": {"cpu": cpu, GPU: str(cards)}, "limits": {GPU: str(cards)}}
    meta = {"name": name, "namespace": "n", "uid": name, "creationTimestamp": "2026-05-01T12:00:00Z"}
    gates = [] if node else [{"name": "powerplane.dev/power"}]
    spec = {"nodeName": node, "containers": [{"name": "c", "resources": resources}], "schedulingGates": gates}
    return msgspec.convert({"metadata": meta, "spec": spec}, SeenPod)


def books():
    made = GateBooks()
    labels = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    offers = {"cpu": "100", "pods": "110", GPU: "8"}
    made.nodes(
        batch(msgspec.convert({"metadata": {"name": "g", "labels": labels}, "status": {"allocatable": offers}}, Node))
    )
    return made


def ground(moment):
    member = MemberNode(idle="1kW", peak="7kW")
    domain = PowerDomainObject(
        ObjectMeta(name="r"), PowerDomainSpec("rack", budget="7kW", node_names=("g",), node=member)
    )
    lie = lie_of([domain], moment.nodes, {})
    return ground_of(lie, budgets_now(lie.reading, [domain], [], NOW))


def test_a_bound_pod_of_cards_that_states_no_watts_counts_by_its_cards_and_its_cores():
    kept = books()
    kept.pods(batch(pod("trains", "8", 8), pod("serves", "4", 1), pod("batch", "2", 0)))
    moment = kept.moment()
    assert ground(moment).bound_mw(moment).tolist() == [9 * CARD_MW + 14 * PER_CORE_MW]


def test_a_pod_that_is_gone_takes_its_cards_along():
    kept = books()
    kept.pods(batch(pod("trains", "8", 8)))
    kept.pods(batch(pod("trains", "8", 8), what="DELETED"))
    kept.pods(batch(pod("serves", "4", 1)))
    moment = kept.moment()
    assert ground(moment).bound_mw(moment).tolist() == [CARD_MW + 4 * PER_CORE_MW]


@pytest.mark.parametrize("cards", [0, 1, 8])
def test_a_waiting_pod_is_charged_what_it_will_count_once_it_is_bound(cards):
    tree = ground(books().moment()).tree
    draw = pod_fact(pod("new", "8", cards, node="")).draw
    assert draw_mw(tree, draw).tolist() == [drawn_mw(tree, draw, 0)] == [cards * CARD_MW + 8 * PER_CORE_MW]
