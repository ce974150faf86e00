"""topology.yaml: the power domains of a cluster, as a person writes them."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from powerplane.adapters.reading import MAX_FILE_BYTES, convert, read_file
from powerplane.adapters.yaml_text import parse_yaml
from powerplane.models.breakers import Breaker
from powerplane.models.errors import InputError
from powerplane.models.objects import Node
from powerplane.models.quantities import parse_decimal, parse_milliwatts
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerDomain, PowerTopology

EXAMPLE = """\
domains:
- {name: feed-a, kind: feed, budget: 20kW}
- {name: rack-1, kind: rack, parents: [feed-a], budget: 12kW, nodes: [node-1, node-2]}
"""

NUMBER = r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)"
POWER = rf"^\s*{NUMBER}\s*(mW|W|kW|MW)\s*$"
"""What a schema can say of a power; the parser says the rest."""

Power = Annotated[
    str,
    msgspec.Meta(
        description="Watts with their unit: mW, W, kW or MW.",
        examples=["12kW", "450W"],
        extra_json_schema={"pattern": POWER},
    ),
]
Figure = Annotated[str | int | float, msgspec.Meta(description="A decimal number.")]


class FileStruct(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Base of what people write: an unknown key is a mistake, not an extension."""


class BreakerEntry(FileStruct, frozen=True):
    """A domain's breaker.

    Attributes
    ----------
    curve : list of [times over the rating, seconds until it trips]
        Loads rise from above 1, seconds fall.
    """

    rating: Power
    curve: tuple[tuple[Figure, Figure], ...]


class DomainEntry(FileStruct, frozen=True):
    """A domain.

    Attributes
    ----------
    parents : list of str
        Domains that it draws through.
    budget : str or None
        What it may draw; anything where it is left out.
    nodes, node_selector : list of names, or labels
        Nodes that draw through it directly; one of the two, or neither.
    feed_load : str
        "shared" where two parents of one kind each carry their part.
    """

    name: str
    kind: str
    parents: tuple[str, ...] | None = None
    budget: Power | None = None
    breaker: BreakerEntry | None = None
    nodes: tuple[str, ...] | None = None
    node_selector: dict[str, str] | None = None
    feed_load: Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["", "shared"]})] | None = None


class TopologyFile(FileStruct, frozen=True):
    """The whole file."""

    domains: tuple[DomainEntry, ...]


KEYS: dict[str, type[msgspec.Struct]] = {"$": TopologyFile, "$.domains": DomainEntry, "$.domains.breaker": BreakerEntry}

LabelIndex = dict[tuple[str, str], list[Node]]
"""Nodes by each of their labels, so that a thousand selectors do not each walk all nodes."""


def read_topology(path: Path | str, nodes: Sequence[Node], *, max_file_bytes: int = MAX_FILE_BYTES) -> PowerTopology:
    """Read a topology file.

    Parameters
    ----------
    path : Path or str
    nodes : sequence of Node
        The cluster's nodes, for the selectors.

    Raises
    ------
    InputError
        For a missing or unusable file, and for a topology that is none.
    """
    path = Path(path)
    return parse_topology(read_file(path, example=EXAMPLE, max_file_bytes=max_file_bytes), nodes, path.name)


def parse_topology(data: bytes, nodes: Sequence[Node], source: str = "topology.yaml") -> PowerTopology:
    """Read a topology from the file's bytes; see ``read_topology``."""
    file = convert(parse_yaml(data, source), TopologyFile, source, KEYS)
    index = _by_label(nodes)
    domains = []
    for entry in file.domains:
        try:
            domains.append(_domain(entry, index))
        except InputError as error:
            raise InputError(f"{source}: domain {entry.name!r}: {error.problem}", error.next_step) from error
    return PowerTopology(tuple(domains))


def _domain(entry: DomainEntry, index: LabelIndex) -> PowerDomain:
    return PowerDomain(
        name=entry.name,
        kind=entry.kind,
        budget_mw=NO_BUDGET if entry.budget is None else parse_milliwatts(entry.budget),
        parents=entry.parents or (),
        nodes=_nodes(entry, index),
        breaker=_breaker(entry.breaker) if entry.breaker else None,
        feed_load=entry.feed_load or "",
    )


def _nodes(entry: DomainEntry, index: LabelIndex) -> tuple[str, ...]:
    if entry.nodes is not None and entry.node_selector is not None:
        raise InputError("it has both nodes and nodeSelector", "leave one of them")
    if entry.node_selector is None:
        return entry.nodes or ()
    if not entry.node_selector:
        raise InputError("its nodeSelector is empty", "name a label, for example {rack: rack-1}")
    wanted = entry.node_selector.items()
    candidates = index.get(next(iter(wanted)), [])
    found = tuple(node.metadata.name for node in candidates if wanted <= (node.metadata.labels or {}).items())
    if not found:
        raise InputError(f"its nodeSelector {entry.node_selector} matches no node", "correct it, or label the nodes")
    return found


def _by_label(nodes: Sequence[Node]) -> LabelIndex:
    index: LabelIndex = defaultdict(list)
    for node in nodes:
        for label in (node.metadata.labels or {}).items():
            index[label].append(node)
    return index


def _breaker(entry: BreakerEntry) -> Breaker:
    points = tuple((float(parse_decimal(str(load))), float(parse_decimal(str(s)))) for load, s in entry.curve)
    return Breaker(parse_milliwatts(entry.rating), points)
