"""Where nodes stand, told by several who may not agree: a file, nodes' labels, tags of their chassis.

The order in which they are believed is stated by whoever asks; a file that a person wrote goes before all. Who is not
believed is not forgotten: every disagreement is told.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.telemetry.node_names import NodeNames
from powerplane.models.telemetry.readings import SourceReading
from powerplane.models.topology import PowerDomain, PowerTopology

LEVELS = ("rack", "row", "feed")
"""From the node up."""

FILE, LABELS, TAGS = "file", "labels", "tags"

Levels = Mapping[str, str]
"""Kind to name, of those levels that are told."""


@dataclass(frozen=True, slots=True)
class Located:
    """Nodes in their domains.

    Parameters
    ----------
    topology : PowerTopology
        Domains of the file as they are there; others without a budget.
    origin : dict of str to str
        Who placed each node: "file", "labels", "tags".
    homeless : tuple of str
        Nodes that nobody places.
    disagreements : tuple of str
        A sentence each.
    """

    topology: PowerTopology
    origin: dict[str, str]
    homeless: tuple[str, ...] = ()
    disagreements: tuple[str, ...] = ()


@dataclass(slots=True)
class _Growing:
    """Domains as they are found."""

    kinds: dict[str, str] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, list[str]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)


def tagged_places(
    readings: Sequence[SourceReading], names: NodeNames, *, rack: str = "rack", row: str = "row"
) -> dict[str, dict[str, str]]:
    """Racks and rows by the tags that chassis bring: Redfish's placement, directly or through Telegraf.

    A rack whose name stands in two rows, or is a row's name as well, is called ``ROW/RACK``: many rooms count their
    racks from 1.

    Returns
    -------
    dict of str to dict
        Levels by node; nodes whose chassis names no rack are left out.
    """
    found: dict[str, tuple[str, str]] = {}
    for reading in readings:
        for block in reading.blocks:
            if {rack, row} <= set(block.meaning.kept):
                at_rack, at_row = block.meaning.kept.index(rack), block.meaning.kept.index(row)
                for entity, kept in zip(block.entities, block.kept, strict=True):
                    if kept[at_rack] and (node := names.match(entity.node)):
                        found.setdefault(node, (kept[at_rack], kept[at_row]))
    rows_of = Counter(name for name, _ in {*found.values()})
    rows = {name for _, name in found.values()}
    return {
        node: _levels(*place, whole=rows_of[place[0]] == 1 and place[0] not in rows) for node, place in found.items()
    }


def locate(
    nodes: Sequence[str], told: Mapping[str, Mapping[str, Levels]], file: PowerTopology | None = None
) -> Located:
    """Place nodes by the first who tells their rack.

    Parameters
    ----------
    nodes : sequence of str
        The cluster's nodes.
    told : mapping of str to mapping
        Levels by node, by who tells them, the first to be believed first.
    file : PowerTopology, optional
        Goes before all.
    """
    growing = _Growing()
    domains = file.domains if file else ()
    origin = {node: FILE for domain in domains for node in domain.nodes}
    racks = {node: domain.name for domain in domains for node in domain.nodes}
    growing.kinds.update((domain.name, domain.kind) for domain in domains)
    growing.parents.update((domain.name, domain.parents[0]) for domain in domains if domain.parents)
    known = set(growing.kinds)
    homeless = []
    for node in nodes:
        accounts = [(who, places[node]) for who, places in told.items() if places.get(node, {}).get("rack")]
        _disagree(growing, node, racks.get(node), accounts)
        if node in origin:
            continue
        if not accounts or not _hang(growing, node, _agreed(accounts), known):
            homeless.append(node)
            continue
        origin[node] = accounts[0][0]
    topology = PowerTopology((*_widened(domains, growing), *_made(domains, growing)))
    placed = {node: origin[node] for node in nodes if node in origin}
    return Located(topology, placed, tuple(homeless), tuple(growing.told))


def _levels(rack: str, row: str, *, whole: bool) -> dict[str, str]:
    named = {"rack": rack if whole or not row else f"{row}/{rack}"}
    return named | ({"row": row} if row else {})


def _agreed(accounts: Sequence[tuple[str, Levels]]) -> dict[str, str]:
    """The first account, and of others of the same rack the levels that it leaves out."""
    agreed: dict[str, str] = {}
    for _, levels in accounts:
        if levels["rack"] == accounts[0][1]["rack"]:
            agreed = dict(levels) | agreed
    return agreed


def _disagree(growing: _Growing, node: str, by_file: str | None, accounts: Sequence[tuple[str, Levels]]) -> None:
    said = [(FILE, by_file)] if by_file else []
    said += [(who, levels["rack"]) for who, levels in accounts]
    others = [f"{rack} by its {who}" for who, rack in said[1:] if rack != said[0][1]]
    if others:
        growing.told.append(f"node {node} hangs in {said[0][1]} by its {said[0][0]}, in {', in '.join(others)}")


def _hang(growing: _Growing, node: str, levels: dict[str, str], known: set[str]) -> bool:
    """Put a node into its rack, and the rack below what is above it; False where a name is of another kind already."""
    chain = [(kind, levels[kind]) for kind in LEVELS if levels.get(kind)]
    for kind, name in chain:
        if growing.kinds.get(name, kind) != kind:
            growing.told.append(f"node {node} names a {kind} {name}, which is a {growing.kinds[name]}")
            return False
    growing.kinds.update((name, kind) for kind, name in chain)
    for (_, below), (_, above) in pairwise(chain):
        first = growing.parents.get(below) if below in known else growing.parents.setdefault(below, above)
        if first != above and below not in known:
            growing.told.append(f"{below} hangs in {first}, by node {node} in {above}")
    growing.nodes.setdefault(chain[0][1], []).append(node)
    return True


def _widened(domains: Sequence[PowerDomain], growing: _Growing) -> list[PowerDomain]:
    """The file's domains, with the nodes that others place in them."""
    return [
        PowerDomain(
            domain.name,
            domain.kind,
            domain.budget_mw,
            domain.parents,
            (*domain.nodes, *growing.nodes.get(domain.name, ())),
            domain.breaker,
            domain.feed_load,
        )
        for domain in domains
    ]


def _made(domains: Sequence[PowerDomain], growing: _Growing) -> list[PowerDomain]:
    """Domains that the file does not have, feeds before rows before racks."""
    of_file = {domain.name for domain in domains}
    # A level whose nodes others place elsewhere has none left, and is no domain.
    names = [name for name in _occupied(growing) if name not in of_file]
    names.sort(key=lambda name: (-LEVELS.index(growing.kinds[name]), name))
    return [
        PowerDomain(
            name,
            growing.kinds[name],
            NO_BUDGET,
            (growing.parents[name],) if name in growing.parents else (),
            tuple(growing.nodes.get(name, ())),
        )
        for name in names
    ]


def _occupied(growing: _Growing) -> set[str]:
    """Names with nodes below them."""
    found: set[str] = set()
    for name in growing.nodes:
        above: str | None = name
        while above is not None and above not in found:
            found.add(above)
            above = growing.parents.get(above)
    return found
