"""Planned moves land where they were planned, with the real scheduler, evictions and controllers."""

from collections import Counter, defaultdict

import pytest
from tests.rig.cluster import WATTS
from tests.rig.extender import extender, install_objects, make_domains, power_domain
from tests.rig.oracle import running_oracle
from tests.rig.planned_cluster import IDLE_W, NODES_IN_RACK, RACKS, PlannedCluster
from tests.rig.rig import scheduler_config

pytestmark = [pytest.mark.rig, pytest.mark.slow]

IDLE_RACK_W = NODES_IN_RACK * IDLE_W
BUDGETS = {"r1": IDLE_RACK_W + 60}


def far(app, key):
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def spread(app, key, skew):
    one = {"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "nodeTaintsPolicy": "Honor"}
    return {"topologySpreadConstraints": [one | {"labelSelector": {"matchLabels": {"app": app}}}]}


@pytest.fixture
def passing(rig):
    """An extender that lets everything pass. No node offers watts: by its entry the scheduler passes over them."""
    with running_oracle(lambda _, names: names) as oracle:
        watts = {"managedResources": [{"name": WATTS, "ignoredByScheduler": True}]}
        rig.restart_scheduler(scheduler_config(oracle.extender(**watts)))
        yield oracle


@pytest.fixture
def crowded(rig, passing):
    """Seventeen pods on two racks of three: r1 draws far more than its budget once that is set."""
    cluster = PlannedCluster(rig, BUDGETS)
    cluster.make_nodes(closed=["r3"])
    cluster.deploy("web", 8)
    cluster.deploy("api", 6, **spread("api", "rack", 2))
    cluster.deploy("db", 3, kind="StatefulSet", **far("db", "kubernetes.io/hostname"))
    cluster.wait_placed()
    cluster.close(["r3"], False)
    cluster.protect("web", 2)
    cluster.protect("db", 1)
    assert cluster.draw_watts("r1") > BUDGETS["r1"]
    return cluster


def carried_out(cluster, plan):
    """Carry the plan out, and hold the end against what the plan says of it."""
    assert plan["moves"], "nothing to carry out"
    before = cluster.spread()
    apps = {each["metadata"]["uid"]: each["metadata"]["labels"]["app"] for each in cluster.pods()}
    gone = Counter((apps[move["uid"]], move["from"]) for move in plan["moves"])
    come = Counter((apps[move["uid"]], move["to"]) for move in plan["moves"])
    astray = cluster.carry_out(plan)
    assert not astray, astray
    assert cluster.spread() == before - gone + come
    for domain in plan["domains"]:
        assert cluster.draw_watts(domain["name"]) == domain["afterWatts"]
    assert cluster.draw_watts("r1") <= BUDGETS["r1"]


def test_the_scheduler_itself_finds_every_target_feasible_at_its_turn(crowded, passing):
    """With all other nodes taken away, a pod whose target the scheduler refuses would wait for ever."""
    plan = crowded.plan()
    owner_of = {each["metadata"]["uid"]: each["metadata"]["ownerReferences"][0]["uid"] for each in crowded.pods()}
    targets = defaultdict(list)
    for move in sorted(plan["moves"], key=lambda move: move["wave"]):
        targets[owner_of[move["uid"]]].append((move["pod"], move["to"]))
    given = {}

    def target_only(pod, names):
        meta = pod["metadata"]
        if meta["uid"] not in given:
            waiting = targets[meta["ownerReferences"][0]["uid"]]
            mine = next((one for one in waiting if one[0] == meta["name"]), waiting[0])
            waiting.remove(mine)
            given[meta["uid"]] = mine[1]
        return [name for name in names if name == given[meta["uid"]]]

    passing.choose = target_only
    carried_out(crowded, plan)
    assert not any(targets.values())


def test_the_extender_steers_every_move_to_its_target(crowded, rig):
    plan = crowded.plan()
    install_objects(rig)
    budgets = {rack: {"budget": f"{watts}W"} for rack, watts in BUDGETS.items()}
    member = {"node": {"idle": f"{IDLE_W}W"}}
    domains = [
        power_domain(rack, nodeNames=[f"{rack}-n{i}" for i in range(NODES_IN_RACK)], **member, **budgets.get(rack, {}))
        for rack in RACKS
    ]
    make_domains(rig, domains)
    rig.api.post("/apis/powerplane.dev/v1alpha1/placementplans", crowded.placement_plan("moves", plan))
    with extender(rig) as replica:
        rig.restart_scheduler(scheduler_config(replica.entry(), percentageOfNodesToScore=100))
        carried_out(crowded, plan)


def test_without_steering_the_same_moves_go_astray(crowded):
    """What the two tests above hold is no accident of the scheduler's own choice."""
    plan = crowded.plan()
    assert crowded.carry_out(plan)
