"""topology.yaml and power.yaml for a live cluster without files: from its labels, and from the catalogue."""

from collections.abc import Sequence
from typing import Any

import yaml

from powerplane.models.catalogue import gpu, nearest_server
from powerplane.models.envelopes import GpuEnvelope
from powerplane.models.errors import InputError
from powerplane.models.objects import Node
from powerplane.models.quantities import parse_quantity

RACK = ("powerplane.dev/rack", "topology.kubernetes.io/rack")
ROW = ("powerplane.dev/row",)
FEED = ("powerplane.dev/feed",)
GPU_PRODUCT = ("nvidia.com/gpu.product", "amd.com/gpu.product-name")
GPU_COUNT = ("nvidia.com/gpu.count",)
GPU_RESOURCES = ("nvidia.com/gpu", "amd.com/gpu")
GIB = 1 << 30

TOPOLOGY_EXAMPLE = """\
      domains:
      - {name: rack-1, kind: rack, budget: 12kW, nodes: [NODE, …]}"""


def labelled_topology(nodes: Sequence[Node]) -> str:
    """Return a topology.yaml by the nodes' labels: racks, and the rows and feeds that they name.

    The domains have no budgets, which labels cannot carry: a plan shows their draw, and nothing forces a move.

    Raises
    ------
    InputError
        When a node has no rack, two nodes of a rack disagree on their row or feed, or two levels share a name.
    """
    racks: dict[str, list[str]] = {}
    parent: dict[tuple[str, str], tuple[str, tuple[str, str] | None]] = {}
    for node in nodes:
        chain = _chain(node)
        if not chain or chain[0][0] != "rack":
            raise _homeless(node, nodes)
        racks.setdefault(chain[0][1], []).append(node.metadata.name)
        for child, above in zip(chain, (*chain[1:], None), strict=True):
            first, known = parent.setdefault(child, (node.metadata.name, above))
            if known != above:
                raise _divided(child, first, known, node.metadata.name, above)
    return _yaml({"domains": [_domain(child, above, racks) for child, (_, above) in _sorted(parent)]})


def catalogue_power(nodes: Sequence[Node]) -> str:
    """Return a power.yaml by the nodes' sizes: the catalogue's nearest server, raised by the idle draw of its cards.

    Raises
    ------
    InputError
        For a node without CPU or memory, or with cards that the catalogue does not know.
    """
    curves: dict[str, Any] = {}
    peaks: dict[str, str] = {}
    by_name: dict[str, dict[str, str]] = {}
    for node in nodes:
        name, knots, peak = _power(node)
        curves[name] = knots
        if peak:
            peaks[name] = peak
        by_name[node.metadata.name] = {"curve": name} | ({"acceleratorPeak": peak} if peak else {})
    head = (
        "# Assumed by size from the catalogue of published servers, not measured. Put measured curves in their place.\n"
    )
    return head + _yaml({"curves": curves, "nodes": {"byName": by_name}})


def _chain(node: Node) -> list[tuple[str, str]]:
    """Rack, row and feed of a node, as (kind, name), without the levels that it does not name."""
    labels = node.metadata.labels or {}
    levels = (("rack", RACK), ("row", ROW), ("feed", FEED))
    found = ((kind, next((labels[key] for key in keys if labels.get(key)), "")) for kind, keys in levels)
    return [(kind, name) for kind, name in found if name]


def _sorted(
    parent: dict[tuple[str, str], tuple[str, tuple[str, str] | None]],
) -> list[tuple[tuple[str, str], tuple[str, tuple[str, str] | None]]]:
    """Feeds, rows, racks, each by name; a name may stand once only."""
    order = ("feed", "row", "rack")
    kinds: dict[str, str] = {}
    for kind, name in parent:
        if kinds.setdefault(name, kind) != kind:
            raise InputError(
                f"the labels name both a {kinds[name]} and a {kind} {name!r}",
                f"relabel one of them: kubectl label node NODE powerplane.dev/{kind}=OTHER --overwrite",
            )
    return sorted(parent.items(), key=lambda item: (order.index(item[0][0]), item[0][1]))


def _domain(child: tuple[str, str], above: tuple[str, str] | None, racks: dict[str, list[str]]) -> dict[str, Any]:
    kind, name = child
    domain: dict[str, Any] = {"name": name, "kind": kind}
    if above:
        domain["parents"] = [above[1]]
    return domain | ({"nodes": racks[name]} if kind == "rack" else {})


def _homeless(node: Node, nodes: Sequence[Node]) -> InputError:
    count = sum(not any((each.metadata.labels or {}).get(key) for key in RACK) for each in nodes)
    name = node.metadata.name
    return InputError(
        f"there is no topology, and node {name!r} has no label that names its rack ({count} of {len(nodes)} nodes)",
        f"label the nodes: `kubectl label node {name} {RACK[0]}=rack-1`, or pass `--topology topology.yaml`:\n"
        f"{TOPOLOGY_EXAMPLE}",
    )


def _divided(
    child: tuple[str, str], first: str, known: tuple[str, str] | None, second: str, above: tuple[str, str] | None
) -> InputError:
    here, there = (" ".join(each) if each else "nothing" for each in (known, above))
    return InputError(
        f"{' '.join(child)!r} hangs in {here} by the labels of node {first!r}, in {there} by those of {second!r}",
        f"correct them: kubectl label node {second} powerplane.dev/row=NAME --overwrite, or pass `--topology FILE`",
    )


def _power(node: Node) -> tuple[str, list[list[float]], str]:
    """A node's curve by name and knots, and the peak of one of its cards ("" without any)."""
    offered = node.status.allocatable or {}
    cpu, memory = (parse_quantity(offered.get(resource, 0)) for resource in ("cpu", "memory"))
    if not cpu or not memory:
        raise InputError(
            f"node {node.metadata.name!r} offers no CPU or no memory, so that it has no size",
            "wait until it is ready, or pass `--power power.yaml`",
        )
    server = nearest_server(float(cpu), float(memory) / GIB)
    card, count = _cards(node)
    idle_watts = card.idle_watts * count if card else 0.0
    knots = zip(server.curve.utilisation, server.curve.milliwatts, strict=True)
    name = f"{server.name}+{count}x{card.model}" if card else server.name
    peak = f"{card.max_watts - card.idle_watts:g}W" if card else ""
    return name, [[float(share), milliwatts / 1000 + idle_watts] for share, milliwatts in knots], peak


def _cards(node: Node) -> tuple[GpuEnvelope | None, int]:
    """A node's cards; the count by its label, since a shared or sliced card is offered several times."""
    labels, offered = node.metadata.labels or {}, node.status.allocatable or {}
    stated = [labels[key] for key in GPU_COUNT if labels.get(key)] + [
        offered[key] for key in GPU_RESOURCES if key in offered
    ]
    count = int(parse_quantity(stated[0])) if stated else 0
    if not count:
        return None, 0
    product = next((labels[key] for key in GPU_PRODUCT if labels.get(key)), "")
    card = gpu(product)
    if card is None:
        raise InputError(
            f"node {node.metadata.name!r} has {count} accelerators of product {product!r}, "
            "which the catalogue does not know",
            "pass `--power power.yaml` with a curve for it (docs/reference/catalogue.md lists what is known)",
        )
    return card, count


def _yaml(content: dict[str, Any]) -> str:
    return yaml.dump(content, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False, width=120)
