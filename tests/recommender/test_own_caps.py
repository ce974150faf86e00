import itertools

import msgspec
from tests.recommender.world import Cluster, Watching

from powerplane.models.api.placement_plan import PlacementPlanSpec

SELECTS = {"selector": {"matchLabels": {"team": "batch"}}, "rackConstraints": ()}
TEAM = {"labels": {"team": "batch"}}
PATH = "/apis/powerplane.dev/v1alpha1/clusterpowercappingpolicies/cap"


def batch(**more) -> Cluster:
    """A rack with no budget: eight pods of a team draw 160 W, those of low priority half of it, and others 200 W."""
    cluster = Cluster({"r1": None}, **more)
    cluster.run("low", "r1-n0", 4, **TEAM, spec={"priority": 10})
    cluster.run("high", "r1-n1", 4, **TEAM, spec={"priority": 500})
    cluster.run("other", "r1-n1", 10)
    return cluster


def capped(cap: dict, mode: str = "Enforce", levers: tuple[str, ...] = ("evict",), **more) -> Watching:
    cluster = batch()
    cluster.enforce("cap", mode, levers, cap=cap, **{**SELECTS, **more})
    return Watching(cluster)


def spec_of(watching: Watching, place: int = -1) -> PlacementPlanSpec:
    return msgspec.convert(watching.outside.published[place]["spec"], PlacementPlanSpec)


def evicted(watching: Watching, place: int = -1) -> list[str]:
    return [move.pod for move in spec_of(watching, place).moves]


def carry_out(watching: Watching) -> None:
    """Evict whoever the open plan names; nobody comes in their place."""
    name, plan = list(watching.cluster.plans.items())[-1]
    for move in plan.spec.moves:
        watching.cluster.pods.pop(move.pod)
    watching.carry_out_nothing(name)


def figures(watching: Watching) -> dict:
    told: dict = {}
    for path, status in watching.outside.statuses:
        if path == PATH:
            told |= status
    return told


def conditions(watching: Watching, path: str = PATH) -> dict[str, tuple[str, str]]:
    told: dict[str, tuple[str, str]] = {}
    for where, status in watching.outside.statuses:
        if where == path and "conditions" in status:
            told |= {each["type"]: (each["status"], each.get("reason", "")) for each in status["conditions"]}
    return told


def test_pods_above_their_cap_are_evicted_the_least_important_first_and_no_more_than_needed():
    watching = capped({"watts": "105W"})
    watching.look()
    spec = spec_of(watching)
    assert sorted(move.pod[:3] for move in spec.moves) == ["low"] * 3
    assert {(move.lever, move.to, move.policy) for move in spec.moves} == {
        ("evict", "", "ClusterPowerCappingPolicy cap")
    }
    assert {move.because for move in spec.moves} == {("ClusterPowerCappingPolicy cap",)}
    assert {move.priority for move in spec.moves} == {10}
    assert watching.outside.published[0]["metadata"]["ownerReferences"][0]["name"] == "cap"
    assert spec.trees == ("r1",)


def test_higher_priorities_go_only_once_the_lower_do_not_suffice():
    watching = capped({"watts": "65W"})
    watching.look()
    assert sorted(move[:3] for move in evicted(watching)) == ["hig", "low", "low", "low", "low"]


def test_nothing_more_is_planned_while_a_plan_is_open_or_once_the_cap_holds():
    watching = capped({"watts": "105W"})
    watching.look()
    for _ in range(10):
        watching.look(5)
    assert len(watching.outside.published) == 1
    carry_out(watching)
    for _ in range(60):
        watching.look(5)
    assert len(watching.outside.published) == 1
    assert conditions(watching)["Held"] == ("True", "WithinCap")


def test_the_status_tells_cap_draw_pods_headroom_and_conditions():
    watching = capped({"watts": "105W"})
    watching.look()
    told = figures(watching)
    assert (told["capWatts"], told["drawWatts"], told["pods"], told["headroomWatts"]) == (105, 160, 8, -55)
    assert told["measuredAt"]
    assert told["sourceAgeSeconds"] >= 0
    assert conditions(watching)["Held"] == ("False", "AboveCap")
    assert conditions(watching)["Enforcing"] == ("True", "Enforced")


def test_a_share_of_the_peak_is_a_cap():
    watching = capped({"percentOfPeak": 50})
    watching.look()
    # Each pod requests one core of sixteen that draw 320 W.
    assert figures(watching)["capWatts"] == 80
    assert len(evicted(watching)) == 4


def test_a_share_of_the_average_is_not_held_until_the_average_is_known():
    watching = capped({"percentOfAverage": 70, "window": "10m"})
    watching.look()
    assert watching.outside.published == []
    assert conditions(watching)["Held"] == ("Unknown", "CapUnknown")
    assert conditions(watching)["Enforcing"] == ("False", "CapUnknown")
    for _ in range(60):
        watching.look(15)
    assert figures(watching)["capWatts"] == 111
    assert len(evicted(watching, 0)) == 3


def test_policies_that_do_not_enforce_or_name_no_eviction_evict_nobody_and_say_so():
    for mode, levers in (("Observe", ("evict",)), ("Recommend", ("evict",)), ("Enforce", ("migrate",))):
        watching = capped({"watts": "105W"}, mode, levers)
        for _ in range(5):
            watching.look(15)
        assert watching.outside.published == []
        assert figures(watching)["headroomWatts"] == -55
        assert conditions(watching)["Held"] == ("False", "AboveCap")
    assert conditions(watching)["Enforcing"] == ("False", "NoLever")


def test_noise_is_not_acted_on_unless_it_lasts():
    watching = capped({"watts": "159W"})
    watching.look()
    assert watching.outside.published == []
    watching.look(5)
    watching.look(5)
    assert len(evicted(watching)) == 1


def test_disruption_budgets_are_kept_to_and_what_they_allow_is_done():
    watching = capped({"watts": "105W"})
    watching.cluster.disruption_budgets = [budget("low", 1)]
    watching.look()
    # Two of higher priority go, since of the lower ones only one may.
    assert sorted(name[:3] for name in evicted(watching)) == ["hig", "hig", "low"]


def test_where_no_pod_may_go_people_are_told_and_nobody_goes():
    watching = capped({"watts": "105W"})
    watching.cluster.disruption_budgets = [budget("low", 0), budget("high", 0)]
    watching.look()
    assert watching.outside.published == []
    assert "NoPlanHelps" in watching.reasons


def test_pods_that_nobody_would_make_again_stay():
    watching = capped({"watts": "1W"})
    for name, pod in watching.cluster.pods.items():
        if not name.startswith("low"):
            pod["metadata"]["ownerReferences"] = []
    watching.look()
    assert all(name.startswith("low") for name in evicted(watching))


def test_pods_of_the_system_and_those_marked_stay():
    watching = capped({"watts": "1W"})
    for name, pod in watching.cluster.pods.items():
        if name.startswith("low"):
            pod["spec"]["priority"] = 2_000_000_000
        else:
            pod["metadata"]["annotations"] = {"powerplane.dev/do-not-disrupt": "true"}
    watching.look()
    assert watching.outside.published == []


def test_without_measurements_nothing_is_done_and_nothing_is_said_to_hold():
    watching = capped({"watts": "105W"})
    watching.cluster.cut = True
    watching.look()
    assert watching.outside.published == []
    assert conditions(watching)["Held"][0] == "Unknown"
    assert conditions(watching)["Enforcing"] == ("False", "NoTelemetry")


def test_nothing_is_evicted_while_everything_is_stopped():
    watching = capped({"watts": "105W"})
    watching.cluster.namespaces["powerplane-system"] = {"annotations": {"powerplane.dev/stop": "maintenance"}}
    watching.look()
    assert watching.outside.published == []
    assert conditions(watching)["Enforcing"] == ("False", "Stopped")


def test_a_plan_that_nobody_has_begun_is_kept_while_the_cap_is_broken_and_taken_back_once_it_holds():
    watching = capped({"watts": "105W"})
    watching.look()
    for _ in range(5):
        watching.look(5)
    assert watching.outside.deleted == []
    watching.cluster.enforce("cap", levers=("evict",), cap={"watts": "500W"}, **SELECTS)
    for _ in range(18):
        watching.look(5)
    assert len(watching.outside.deleted) == 1


def test_a_workload_that_comes_back_above_the_cap_is_evicted_less_and_less_often():
    watching = capped({"watts": "105W"})
    published, began_s = [], watching.cluster.now_s
    while watching.cluster.now_s < began_s + 2700:
        watching.look(30)
        if len(watching.outside.published) > len(published):
            published.append(watching.cluster.now_s)
            name = list(watching.cluster.plans)[-1]
            for move in watching.cluster.plans[name].spec.moves:
                pod = watching.cluster.pods.pop(move.pod)
                fresh = f"{move.pod.split('.')[0]}.{len(published)}"
                pod["metadata"] |= {"name": fresh, "uid": f"uid-{fresh}"}
                watching.cluster.pods[fresh] = pod
            watching.carry_out_nothing(name)
    gaps = [after - before for before, after in itertools.pairwise(published)]
    assert len(published) <= 8
    assert gaps[-1] >= 480


def test_a_cluster_policy_stands_before_a_namespaced_one():
    watching = capped({"watts": "105W"})
    own = {"selector": {"matchLabels": {"app": "low"}}, "mode": "Enforce", "levers": ["evict"], "cap": {"watts": "1W"}}
    watching.cluster.policies.append(
        {"metadata": {"name": "own", "namespace": "default", "uid": "uid-own"}, "spec": own}
    )
    watching.look()
    assert {move.policy for move in spec_of(watching).moves} == {"ClusterPowerCappingPolicy cap"}
    carry_out(watching)
    for _ in range(12):
        watching.look(5)
    assert {move.policy for move in spec_of(watching).moves} == {"PowerCappingPolicy default/own"}


def test_while_nothing_is_measured_the_last_figures_stand_with_their_time():
    watching = capped({"watts": "105W"})
    watching.look()
    before = figures(watching)
    watching.cluster.cut = True
    for _ in range(60):
        watching.look(15)
    after = figures(watching)
    kept = ("capWatts", "drawWatts", "pods", "headroomWatts", "measuredAt")
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    told = conditions(watching, "/apis/powerplane.dev/v1alpha1/powerdomains/r1")
    assert (told["Held"], told["Measured"]) == (("Unknown", "NotMeasured"), ("False", "NotMeasured"))


def test_in_mode_recommend_the_status_says_who_would_be_evicted():
    watching = capped({"watts": "105W"}, "Recommend")
    watching.look()
    told = figures(watching)["recommendation"]
    assert (told["moves"], told["watts"]) == (3, 59)
    assert "3 pods would be evicted" in told["summary"]
    first = told["at"]
    for _ in range(8):
        watching.look(15)
    assert figures(watching)["recommendation"]["at"] == first
    assert "PlanRecommended" in watching.reasons


def test_a_domain_says_whether_it_is_held_and_measured():
    watching = capped({"watts": "500W"})
    watching.cluster.racks = {"r1": 300.0}
    watching.look()
    told = conditions(watching, "/apis/powerplane.dev/v1alpha1/powerdomains/r1")
    assert told["Held"] == ("False", "AboveBudget")
    assert told["Measured"] == ("True", "Measured")


def budget(app: str, allowed: int) -> dict:
    return {
        "metadata": {"name": app, "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": app}}},
        "status": {"disruptionsAllowed": allowed},
    }
