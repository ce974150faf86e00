"""Trees, pods and claims to try power claims on."""

from typing import Any

import msgspec

from powerplane.adapters.watch import Batch
from powerplane.admission.claims.facts import SeenClaim
from powerplane.admission.gates.facts import SeenPod
from powerplane.models.power_tree import NodeFigures, PowerTree, compile_tree
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import SHARED, PowerDomain, PowerTopology

MW = 1000
RACKS = {"r1": ("a1", "a2", "a3"), "r2": ("b1", "b2"), "r3": ("c1",)}
NODES = tuple(name for members in RACKS.values() for name in members)


def domain(name: str, kind: str, watts: int | None, *, parents: tuple[str, ...] = (), **more: Any) -> PowerDomain:
    budget = NO_BUDGET if watts is None else watts * MW
    return PowerDomain(name=name, kind=kind, budget_mw=budget, parents=parents, **more)


def tree(
    *, feed_w: int | None = 2000, row_w: int | None = 1800, single: tuple[str, ...] = (), idle_w: int = 0, **node: Any
) -> PowerTree:
    """Three racks in a row on two feeds; ``single`` names racks that hang on feed a alone."""
    feeds = ("fa", "fb")
    domains = [domain(name, "feed", feed_w) for name in feeds]
    domains.append(domain("row", "row", row_w))
    for name, members in RACKS.items():
        parents = ("row", "fa") if name in single else ("row", *feeds)
        domains.append(domain(name, "rack", 900, parents=parents, nodes=members, feed_load=SHARED))
    figures = [NodeFigures(name, base_mw=idle_w * MW, **node) for name in NODES]
    return compile_tree(PowerTopology(tuple(domains)), figures)


def pod(name: str, *, node: str = "", watts: int | None = None, template: str = "", phase: str = "") -> SeenPod:
    notes = {} if watts is None else {"powerplane.dev/predicted-watts": str(watts)}
    claims = [{"name": "powerplane-watts", "resourceClaimTemplateName": template}] if template else None
    made = {
        "metadata": {"name": name, "namespace": "n", "uid": f"uid-{name}", "annotations": notes},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}],
            "resourceClaims": claims,
        },
        "status": {"phase": phase},
    }
    return msgspec.convert(made, SeenPod)


def claim(name: str, *pods: str, **held: int) -> SeenClaim:
    """A claim that holds watts of pools; their names with ``_`` for ``/``."""
    results = [
        {
            "driver": "power.powerplane.dev",
            "pool": pool.replace("_", "/"),
            "device": "budget",
            "consumedCapacity": {"watts": str(watts)},
        }
        for pool, watts in held.items()
    ]
    made = {
        "metadata": {"name": name, "namespace": "n"},
        "status": {
            "allocation": {"devices": {"results": results}},
            "reservedFor": [{"resource": "pods", "name": each, "uid": f"uid-{each}"} for each in pods],
        },
    }
    return msgspec.convert(made, SeenClaim)


def batch(*objects: Any, what: str = "ADDED", replace: bool = False) -> Batch[Any]:
    return Batch(replace, tuple((what, each) for each in objects))
