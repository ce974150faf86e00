"""Books and rules behind the releaser: what the watches bring, however they bring it."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.admission.gates.gate_world import WATTS, World

from powerplane.adapters.watch import Batch
from powerplane.admission.gates.books import GateBooks, Held
from powerplane.admission.gates.facts import SeenPod
from powerplane.admission.gates.rules import GateRules, Quota
from powerplane.models.api.capping_policy import (
    AdmissionChoice,
    ClusterPowerCappingPolicyObject,
    ClusterPowerCappingPolicySpec,
    PowerCap,
)
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.objects import Node, ObjectMeta

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def node(name, **labels):
    return msgspec.convert(
        {"metadata": {"name": name, "labels": labels}, "status": {"allocatable": {"cpu": "8", "pods": "10"}}}, Node
    )


def pod(name, *, node="", watts=None, cpu="1", phase="", gate=False, granted="", noted=""):
    requests = {"cpu": cpu} | ({WATTS: str(watts)} if watts is not None else {})
    annotations = {"powerplane.dev/granted": granted, "powerplane.dev/predicted-watts": noted}
    made = {
        "metadata": {
            "name": name,
            "namespace": "n",
            "uid": name,
            "annotations": {key: value for key, value in annotations.items() if value},
            "creationTimestamp": "2026-05-01T12:00:00Z",
        },
        "spec": {
            "nodeName": node,
            "containers": [{"name": "c", "resources": {"requests": requests}}],
            "schedulingGates": [{"name": "powerplane.dev/power"}] * gate,
        },
        "status": {"phase": phase},
    }
    return msgspec.convert(made, SeenPod)


def batch(*objects, what="ADDED", replace=False):
    return Batch(replace, tuple((what, each) for each in objects))


def test_bound_pods_count_by_their_request_their_note_or_their_cores_and_finished_ones_not_at_all():
    books = GateBooks()
    books.nodes(batch(node("a")))
    books.pods(
        batch(
            pod("asks", node="a", watts=100),
            pod("noted", node="a", noted="40"),
            pod("both", node="a", watts=10, noted="30"),
            pod("silent", node="a", cpu="2"),
            pod("done", node="a", watts=500, phase="Succeeded"),
            pod("pending", watts=500),
        )
    )
    moment = books.moment()
    assert moment.sums == {"a": Held(4, 170_000, 2000, (5000, 0, 4))}
    assert moment.namespace_mw == {"n": 170_000}
    assert (moment.waiting, moment.on_their_way) == ((), ())


def test_a_pod_that_states_too_few_watts_to_be_believed_is_charged_by_its_cores_too():
    world = World(peak_w=640)
    books = GateBooks()
    books.nodes(Batch(True, tuple(("ADDED", msgspec.convert(each, Node)) for each in world.nodes())))
    rules = GateRules()
    for shelf in ("domains", "policies"):
        rules.sink(shelf)
    rules.sink("domains")(Batch(True, tuple(("ADDED", msgspec.convert(e, PowerDomainObject)) for e in world.domains())))
    books.pods(batch(pod("none", node="a1", watts=0, cpu="8"), pod("few", node="a2", watts=1, cpu="8")))
    moment = books.moment()
    ground = rules.ground(moment, NOW)
    used = dict(zip([node.name for node in ground.tree.nodes], ground.bound_mw(moment).tolist(), strict=True))
    assert (used["a1"], used["a2"], used["a3"]) == (80_000, 81_000, 0)


def test_a_pod_goes_from_waiting_to_its_way_to_its_node_and_that_is_told_once():
    told = []
    books = GateBooks(bound=told.append)
    books.nodes(batch(node("a")))
    books.pods(batch(pod("p", watts=5, gate=True)))
    assert [each.name for each in books.moment().waiting] == ["p"]
    books.pods(batch(pod("p", watts=5, granted="headroom"), what="MODIFIED"))
    assert [each.name for each in books.moment().on_their_way] == ["p"]
    books.pods(batch(pod("p", node="a", watts=5, granted="headroom"), what="MODIFIED"))
    books.pods(batch(pod("p", node="a", watts=5, granted="headroom"), what="MODIFIED"))
    assert [each.name for each in told] == ["p"]
    assert (books.moment().waiting, books.moment().on_their_way) == ((), ())


def test_a_node_that_is_gone_is_kept_with_its_labels_while_pods_are_bound_to_it_and_takes_nobody():
    books = GateBooks()
    books.nodes(batch(node("a", rack="r1"), node("b", rack="r1")))
    books.pods(batch(pod("p", node="a", watts=5)))
    shape = books.moment().shape
    books.nodes(batch(node("a"), node("b"), what="DELETED"))
    moment = books.moment()
    assert set(moment.nodes) == {"a"} == set(moment.gone)
    assert moment.nodes["a"].node.metadata.labels == {"rack": "r1"}
    assert moment.shape != shape
    books.pods(batch(pod("p", node="a"), what="DELETED"))
    assert books.moment().nodes == {}


CHANGES = st.lists(
    st.tuples(st.sampled_from("pqr"), st.sampled_from(("", "a", "b")), st.integers(0, 9), st.booleans(), st.booleans()),
    max_size=25,
)


@given(CHANGES)
def test_books_kept_step_by_step_equal_books_made_from_the_end(changes):
    books, kept = GateBooks(), {}
    for name, where, watts, gone, whole in changes:
        made = pod(name, node=where, watts=watts, gate=not where)
        kept.pop(name, None)
        if not gone:
            kept[name] = made
        if whole:
            books.pods(batch(*kept.values(), replace=True))
        else:
            books.pods(batch(made, what="DELETED" if gone else "MODIFIED"))
    fresh = GateBooks()
    fresh.pods(batch(*kept.values()))
    one, other = books.moment(), fresh.moment()
    assert one.sums == other.sums
    assert {k: v for k, v in one.namespace_mw.items() if v} == {k: v for k, v in other.namespace_mw.items() if v}
    assert {each.uid: each for each in one.waiting} == {each.uid: each for each in other.waiting}


def rules(**kept):
    made = GateRules()
    for shelf in ("namespaces", "domains", "policies", "own", "quotas"):
        made.sink(shelf)(batch(*kept.get(shelf, ())))
    return made


def test_a_namespaces_weight_is_the_smallest_of_its_quotas_of_watts():
    quotas = [
        {"metadata": {"name": name, "namespace": space}, "spec": {"hard": hard}}
        for name, space, hard in (
            ("one", "a", {f"requests.{WATTS}": "5k"}),
            ("two", "a", {f"requests.{WATTS}": "3000"}),
            ("cpu", "b", {"requests.cpu": "4"}),
            ("zero", "c", {f"requests.{WATTS}": "0"}),
            ("junk", "d", {f"requests.{WATTS}": "x"}),
        )
    ]
    assert rules(quotas=[msgspec.convert(each, Quota) for each in quotas]).weights() == {"a": 3000}


def test_a_pod_may_be_held_as_long_as_its_policy_says_and_not_at_all_without_one():
    spec = ClusterPowerCappingPolicySpec(
        cap=PowerCap(watts="1kW"), mode="Initial", admission=AdmissionChoice(lock="Gate", max_gate_seconds=77)
    )
    policy = ClusterPowerCappingPolicyObject(ObjectMeta(name="p"), spec)
    books = GateBooks()
    books.pods(batch(pod("p", gate=True)))
    (waiting,) = books.moment().waiting
    assert rules(policies=[policy]).gated_for()(waiting) == 77
    assert rules().gated_for()(waiting) is None
    passive = ClusterPowerCappingPolicyObject(ObjectMeta(name="p"), msgspec.structs.replace(spec, mode="Observe"))
    assert rules(policies=[passive]).gated_for()(waiting) is None


def test_the_last_domains_that_made_a_tree_stay_in_force():
    world = World()
    good = [msgspec.convert(each, PowerDomainObject) for each in world.domains()]
    books, made = GateBooks(), rules(domains=good)
    books.nodes(batch(*(msgspec.convert(each, Node) for each in world.nodes())))
    before = made.ground(books.moment(), NOW).tree.row_budget_mw.tolist()
    bad = {"metadata": {"name": "row"}, "spec": {"kind": "row", "budget": "1W", "parents": ["r1"]}}
    made.sink("domains")(batch(msgspec.convert(bad, PowerDomainObject)))
    ground = made.ground(books.moment(), NOW)
    assert ground.holds
    assert ground.tree.row_budget_mw.tolist() == before
