from datetime import UTC, datetime

import msgspec
from tests.scheduler_extender.small import fact

from powerplane.adapters.node_rates import Draw
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.scheduler_extender.facts import NodeFact
from powerplane.scheduler_extender.ledger import Ledger
from powerplane.scheduler_extender.statuses import domain_writes, policy_writes
from powerplane.scheduler_extender.tree_keeper import Ground, stand

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
MOMENT = "2026-05-01T12:00:00Z"


def domain(name, **spec):
    spec = {"kind": "rack", **spec}
    return msgspec.convert({"metadata": {"name": name, "generation": 3}, "spec": spec}, PowerDomainObject)


def policy(name, mode, max_power, *domains):
    spec = {"mode": mode, "rackConstraints": [{"domainNames": list(domains), "maxPower": max_power}]}
    return msgspec.convert({"metadata": {"name": name}, "spec": spec}, ClusterPowerCappingPolicyObject)


def ground(domains, nodes=("a", "b"), policies=(), **more):
    return Ground(
        {name: NodeFact(name, (), 4000) for name in nodes},
        {each.metadata.name: each for each in domains},
        {each.metadata.name: each for each in policies},
        **more,
    )


def room_w(standing):
    ledger = Ledger(standing.tree)
    return {node.name: int(mw) // 1000 for node, mw in zip(standing.tree.nodes, ledger.room_mw, strict=True)}


def test_idle_watts_come_off_every_budget():
    rack = domain("r", budget="1kW", nodeNames=["a", "b"], node={"budget": "600W", "idle": "100W"})
    assert room_w(stand(ground([rack]), NOON)) == {"a": 500, "b": 500}


def test_a_pod_without_watts_is_estimated_by_the_cores_of_its_node():
    rack = domain("r", nodeNames=["a"], node={"idle": "100W", "peak": "500W"})
    assert stand(ground([rack]), NOON).tree.per_core_mw.tolist() == [100_000, 0]


def test_a_pod_of_cards_without_watts_is_estimated_by_its_cards_as_well():
    rack = domain("r", budget="9kW", nodeNames=["a"], node={"idle": "400W", "peak": "4kW"})
    gpu = "nvidia.com/gpu"
    whole = ground([rack])
    whole.nodes["a"] = NodeFact("a", (), 8000, ((gpu, "4"),))
    ledger = Ledger(stand(whole, NOON).tree)
    demand = Draw(None, 1000, ((gpu, 2),))
    assert ledger.demand_mw(demand).tolist() == [1_500_000, 0]
    assert ledger.drawn_mw(demand, 0) == 1_500_000
    ledger.place(fact("late", "a", demand=demand))
    assert ledger.used_mw.tolist() == [1_500_000, 0]
    ledger.use(stand(whole, NOON).tree)
    assert ledger.used_mw.tolist() == [1_500_000, 0]
    ledger.remove("late")
    assert ledger.used_mw.tolist() == [0, 0]


def test_a_policy_lowers_a_racks_budget_only_in_an_acting_mode():
    rack = domain("r", budget="1kW", nodeNames=["a"])
    assert room_w(stand(ground([rack], policies=[policy("p", "Observe", "700W", "r")]), NOON))["a"] == 1000
    assert room_w(stand(ground([rack], policies=[policy("p", "Initial", "700W", "r")]), NOON))["a"] == 700
    assert room_w(stand(ground([rack], policies=[policy("p", "Enforce", "3kW", "r")]), NOON))["a"] == 1000


def test_a_tree_with_a_cycle_leaves_the_last_accepted_one_in_force():
    good = [domain("r", budget="1kW", nodeNames=["a"], parents=["row"]), domain("row", kind="row")]
    before = stand(ground(good), NOON)
    bad = [good[0], domain("row", kind="row", parents=["r"])]
    after = stand(ground(bad, accepted=before.reading.specs), NOON)
    assert after.holds
    assert room_w(after)["a"] == 1000
    assert not stand(ground(bad), NOON).holds


def test_statuses_say_what_is_in_force_once():
    rack = domain("r", budget="1kW", nodeNames=["a", "b"], node={"idle": "100W"})
    standing = stand(ground([rack]), NOON)
    (write,) = domain_writes({"r": rack}, standing, {"r": ("rack", 1_000_000, 550_000)}, MOMENT)
    assert write.path.endswith("/powerdomains/r")
    status = write.status
    assert (status["nodes"], status["budgetWatts"], status["drawWatts"], status["headroomWatts"]) == (2, 1000, 450, 550)
    assert {each["type"]: each["status"] for each in status["conditions"]} == {"Accepted": "True", "Ready": "True"}
    said = msgspec.convert(msgspec.to_builtins(rack) | {"status": status}, PowerDomainObject)
    again = {"r": ("rack", 1_000_000, 549_000)}
    assert list(domain_writes({"r": said}, standing, again, MOMENT)) == []
    moved = {"r": ("rack", 1_000_000, 400_000)}
    assert len(list(domain_writes({"r": said}, standing, moved, MOMENT))) == 1
    assert list(domain_writes({"r": said}, standing, moved, MOMENT, figures=False)) == []
    over = {"r": ("rack", 1_000_000, -400_000)}
    assert len(list(domain_writes({"r": said}, standing, over, MOMENT, figures=False))) == 1


def test_policies_that_conflict_say_so_of_each_other():
    one, two = policy("one", "Enforce", "700W", "r"), policy("two", "Enforce", "800W", "r")
    rack = domain("r", budget="1kW", nodeNames=["a"])
    writes = {write.path.rpartition("/")[2]: write.status for write in policy_writes([one, two], {"r": rack}, MOMENT)}
    for name, other in (("one", "two"), ("two", "one")):
        conflicted = next(each for each in writes[name]["conditions"] if each["type"] == "Conflicted")
        assert conflicted["status"] == "True"
        assert other in conflicted["message"]


def test_a_domains_status_is_written_field_by_field_so_that_what_others_say_there_stays():
    rack = domain("r", budget="1kW", nodeNames=["a"])
    standing, left = stand(ground([rack]), NOON), {"r": ("rack", 1_000_000, 550_000)}
    (first,) = domain_writes({"r": rack}, standing, left, MOMENT)
    assert [each["path"] for each in first.operations] == ["/status"]
    said = first.status | {"measuredWatts": 440, "measuredAt": MOMENT}
    known = msgspec.convert(msgspec.to_builtins(rack) | {"status": said}, PowerDomainObject)
    assert list(domain_writes({"r": known}, standing, left, MOMENT)) == []
    (second,) = domain_writes({"r": known}, standing, {}, MOMENT)
    ops = {each["path"]: each["op"] for each in second.operations}
    assert ops["/status/budgetWatts"] == "remove"
    assert ops["/status/conditions"] == "add"
    assert "/status" not in ops
    assert not any("measured" in path for path in ops)
