"""What a core and a card draw at the most: each node's watts are parted once, and nothing is worked out for nothing."""

import pytest

from powerplane.admission import rates
from powerplane.admission.predicting import Predictor
from powerplane.admission.rates import NodeMeta, NodeStatus, RateBook, RatedNode, rated_node, whereabouts_of
from powerplane.models.api.power_domain import MemberNode, PowerDomainObject, PowerDomainSpec, PowerDomainStatus
from powerplane.models.objects import ObjectMeta

H100 = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
CARD_W = 700 - 70


def node(name, labels=None, **offers):
    named = {key.replace("__", "/").replace("_", "."): value for key, value in offers.items()}
    return RatedNode(NodeMeta(name, labels), status=NodeStatus(named))


def domain(*nodes, idle="100W", peak="500W", left=None):
    member = MemberNode(idle=idle, peak=peak)
    status = PowerDomainStatus(headroom_watts=left) if left is not None else None
    return PowerDomainObject(ObjectMeta(name="r"), PowerDomainSpec("rack", node_names=nodes, node=member), status)


def rates_of(nodes, domains):
    return whereabouts_of([rated_node(each) for each in nodes], domains).everywhere


def test_the_hungriest_node_type_counts():
    found = rates_of([node("a", cpu="10"), node("b", cpu="40")], [domain("a", "b")])
    assert (found.per_core_mw, found.device_mw) == (40_000, {})


def test_a_pod_of_cores_alone_is_not_foretold_the_watts_of_cards():
    cards = node("g", H100, cpu="100", nvidia_com__gpu="8")
    found = rates_of([cards], [domain("g", idle="1kW", peak="7kW")])
    assert found.device_mw == {"nvidia.com/gpu": 1000 * CARD_W}
    assert found.per_core_mw == 10 * (6000 - 8 * CARD_W)


def test_what_all_cards_and_cores_draw_together_is_what_the_node_draws_between_idle_and_peak():
    cards = node("g", H100, cpu="100", nvidia_com__gpu="8")
    found = rates_of([cards], [domain("g", idle="1kW", peak="7kW")])
    whole = Predictor(found).predict("", {"cpu": 100, "nvidia.com/gpu": 8})
    assert whole.watts == 6000


def test_cards_never_draw_more_than_the_node_does():
    found = rates_of([node("g", cpu="100", nvidia_com__gpu="8")], [domain("g", idle="1kW", peak="2kW")])
    assert (found.per_core_mw, found.device_mw) == (0, {"nvidia.com/gpu": 125_000})


def test_a_shared_card_is_counted_once():
    shared = node("g", H100 | {"nvidia.com/gpu.count": "1"}, cpu="100", nvidia_com__gpu="10")
    assert rates_of([shared], [domain("g", idle="1kW", peak="7kW")]).device_mw == {"nvidia.com/gpu": 100 * CARD_W}


def test_a_card_that_is_asked_for_by_its_part_and_its_memory_draws_once():
    offers = {"cpu": "100", "a.com/gpu-milli": "1000", "a.com/gpu-mem": "80"}
    parts = RatedNode(NodeMeta("g", H100), status=NodeStatus(offers))
    found = rates_of([parts], [domain("g", idle="1kW", peak="7kW")])
    whole = Predictor(found).predict("", {"a.com/gpu-milli": 1000, "a.com/gpu-mem": 80})
    assert whole.watts == CARD_W


@pytest.mark.parametrize("cpu", ["x", "0", "-3", None])
def test_a_node_without_readable_cores_rates_no_core(cpu):
    assert rates_of([node("a", cpu=cpu)], [domain("a")]).per_core_mw == 0


def test_nodes_without_a_domain_or_a_peak_rate_nothing():
    assert rates_of([node("a", cpu="10")], []).per_core_mw == 0
    assert rates_of([node("a", cpu="10")], [domain("a", peak="")]).per_core_mw == 0


def test_headroom_that_changes_is_no_reason_to_work_rates_out_anew(monkeypatch):
    made = []
    monkeypatch.setattr(rates, "whereabouts_of", lambda *given: made.append(1) or whereabouts_of(*given))
    book = RateBook()
    first = book.whereabouts({"a": node("a", cpu="10")}, [domain("a", left=5)])
    assert book.whereabouts({"a": node("a", cpu="10")}, [domain("a", left=9)]) is first
    assert book.whereabouts({"a": node("a", cpu="10", powerplane_dev__watts="70")}, [domain("a", left=9)]) is first
    assert len(made) == 1
    assert book.whereabouts({"a": node("a", cpu="20")}, [domain("a")]).everywhere.per_core_mw == 20_000
    assert book.whereabouts({"a": node("a", cpu="20")}, [domain("a", peak="900W")]).everywhere.per_core_mw == 40_000
    assert book.whereabouts({}, [domain("a", peak="900W")]).everywhere.per_core_mw == 0
    assert len(made) == 4
