"""A small cluster one of whose racks is over its budget, and what was published for it."""

import msgspec
from tests.recommender.world import Cluster, Watching

from powerplane.models.api.placement_plan import PlacementPlanSpec


def crowded(budget: float = 500.0, **more) -> Cluster:
    """Rack r1 draws 600 W, of which two nodes' idle is 200; r2 draws 240 W, and has room."""
    cluster = Cluster({"r1": budget, "r2": 700.0}, **more)
    cluster.run("web", "r1-n0", 10)
    cluster.run("db", "r1-n1", 10)
    cluster.run("web", "r2-n0", 2)
    cluster.enforce()
    return cluster


def spec_of(watching: Watching) -> PlacementPlanSpec:
    (body,) = watching.outside.published
    return msgspec.convert(body["spec"], PlacementPlanSpec)
