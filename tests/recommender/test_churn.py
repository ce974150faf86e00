"""Names that come and go leave nothing behind in the recommender, however many there were."""

from tests.holding import words_held
from tests.recommender.world import Cluster, Watching

from powerplane.recommender.rounds import Pace

DAY_S = 86_400.0
TIMES, EACH, PODS = 5, 15, 400
"""So many domains, policies, namespaces and pods with owners of their own at a time, each time under other names."""


def crowd(cluster: Cluster, time: int) -> None:
    """Everything that has a name, under names that nobody had before; of half of the domains the budget is broken."""
    names = [f"gone-{time}-{number}" for number in range(EACH)]
    cluster.racks = {"r1": 700.0, "r2": 700.0, **dict.fromkeys(names[::2], 210.0), **dict.fromkeys(names[1::2], 400.0)}
    for number, name in enumerate(names):
        cluster.run(name, f"{name}-n0", 6)
        cluster.enforce(name, mode="Enforce" if number % 3 else "Recommend", cap={"watts": "1MW"})
    for number in range(PODS):
        cluster.run(f"gone-{time}-app-{number}", f"{names[number % EACH]}-n0", 1, cpu=0.001)
    cluster.namespaces |= {name: {} for name in names}


def clear(cluster: Cluster) -> None:
    """All of it is deleted."""
    cluster.racks = {"r1": 700.0, "r2": 700.0}
    cluster.pods = {name: pod for name, pod in cluster.pods.items() if "gone-" not in name}
    cluster.policies = [each for each in cluster.policies if "gone-" not in each["metadata"]["name"]]
    cluster.namespaces = {name: meta for name, meta in cluster.namespaces.items() if "gone-" not in name}
    cluster.plans.clear()


def test_names_of_pods_domains_policies_and_plans_that_are_gone_are_forgotten():
    cluster = Cluster({"r1": 700.0, "r2": 700.0}, per_rack=1)
    cluster.run("web", "r1-n0", 4)
    cluster.enforce()
    watching = Watching(cluster, Pace(deadline_s=0.5))
    for time in range(TIMES):
        crowd(cluster, time)
        watching.look(61)
        watching.look(5)
        for name in list(cluster.plans):
            watching.carry_out(name, "Failed" if time % 2 else "Done")
        watching.look(5)
        clear(cluster)
        watching.look(61)
    for _ in range(12):
        watching.look(DAY_S)
    cluster.cut = True
    watching.look(61)
    assert watching.reasons[-1] == "NoTelemetry"
    assert "PlanPublished" in watching.reasons
    watching.rounds.last_proposal = None
    for kept in (watching.outside.published, watching.outside.statuses, watching.outside.deleted, watching.events):
        kept.clear()
    watching.solver.asked.clear()
    held = words_held((watching.rounds, watching.registry), "gone-")
    assert not held, list(held.items())[:5]
