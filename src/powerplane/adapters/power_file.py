"""power.yaml: what each node draws over its utilisation, and what it may draw."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import msgspec

from powerplane.adapters.reading import MAX_FILE_BYTES, convert, read_file
from powerplane.adapters.topology_file import NUMBER, Figure, FileStruct, Power
from powerplane.adapters.yaml_text import parse_yaml
from powerplane.models.build import NodePower, PowerAssignment
from powerplane.models.curves import PowerCurve
from powerplane.models.errors import InputError
from powerplane.models.objects import Node
from powerplane.models.quantities import LARGEST_MW, MILLI, ceil_scaled, parse_decimal, parse_milliwatts, parse_share
from powerplane.models.snapshot import NO_BUDGET

EXAMPLE = """\
curves:
  server: [[0, 90], [0.1, 140], [0.5, 230], [1, 350]]
nodes:
  default: {curve: server, budget: 90%}
"""

Budget = Annotated[
    str,
    msgspec.Meta(
        description="Watts with their unit, or a share of the curve's peak.",
        examples=["450W", "90%"],
        extra_json_schema={"pattern": rf"^\s*{NUMBER}(\s*(mW|W|kW|MW)|([eE][+-]?[0-9]{{1,3}})?\s*%)\s*$"},
    ),
]


class PowerEntry(FileStruct, frozen=True):
    """What is stated for some nodes; every field may be left to a more general entry.

    Attributes
    ----------
    curve : str or None
        Name of a curve.
    budget : str or None
        What a node may draw.
    accelerator_peak : str or None
        What one accelerator draws at full load.
    """

    curve: str | None = None
    budget: Budget | None = None
    accelerator_peak: Power | None = None


class LabelEntry(PowerEntry, frozen=True, kw_only=True):
    """What is stated for nodes that carry all of these labels."""

    label: dict[str, str]


class NodesEntry(FileStruct, frozen=True):
    """What is stated for whom, from the general to the particular."""

    default: PowerEntry | None = None
    by_label: tuple[LabelEntry, ...] | None = None
    by_name: dict[str, PowerEntry] | None = None


class PowerFile(FileStruct, frozen=True):
    """The whole file.

    Attributes
    ----------
    curves : dict of list of [utilisation, watts]
        Utilisation from 0 to 1.
    """

    curves: dict[str, tuple[tuple[Figure, Figure], ...]]
    nodes: NodesEntry


KEYS: dict[str, type[msgspec.Struct]] = {
    "$": PowerFile,
    "$.nodes": NodesEntry,
    "$.nodes.default": PowerEntry,
    "$.nodes.byLabel": LabelEntry,
    "$.nodes.byName": PowerEntry,
}


def read_power(path: Path | str, nodes: Sequence[Node], *, max_file_bytes: int = MAX_FILE_BYTES) -> PowerAssignment:
    """Read a power file.

    Parameters
    ----------
    path : Path or str
    nodes : sequence of Node
        The cluster's nodes.

    Returns
    -------
    PowerAssignment
        Of the nodes for which the file states a curve.

    Raises
    ------
    InputError
        For a missing or unusable file, unknown curves and unknown nodes.
    """
    path = Path(path)
    return parse_power(read_file(path, example=EXAMPLE, max_file_bytes=max_file_bytes), nodes, path.name)


def parse_power(data: bytes, nodes: Sequence[Node], source: str = "power.yaml") -> PowerAssignment:
    """Read powers from the file's bytes; see ``read_power``."""
    file = convert(parse_yaml(data, source), PowerFile, source, KEYS)
    try:
        curves = {name: _curve(name, knots) for name, knots in file.curves.items()}
        _check_names(file.nodes, nodes)
        stated = ((node.metadata.name, _stated(node, file.nodes)) for node in nodes)
        powers: dict[PowerEntry, NodePower | None] = {}
        return PowerAssignment({name: power for name, entry in stated if (power := _power(entry, curves, powers))})
    except InputError as error:
        raise InputError(f"{source}: {error.problem}", error.next_step) from error


def _stated(node: Node, entries: NodesEntry) -> PowerEntry:
    """Take each field from the most particular entry that states it."""
    found = tuple(_entries(node, entries))
    return PowerEntry(
        curve=next((entry.curve for entry in found if entry.curve is not None), None),
        budget=next((entry.budget for entry in found if entry.budget is not None), None),
        accelerator_peak=next((entry.accelerator_peak for entry in found if entry.accelerator_peak is not None), None),
    )


def _entries(node: Node, entries: NodesEntry) -> Iterator[PowerEntry]:
    """By name, by label in the file's order, default."""
    if by_name := (entries.by_name or {}).get(node.metadata.name):
        yield by_name
    labels = (node.metadata.labels or {}).items()
    yield from (entry for entry in entries.by_label or () if entry.label.items() <= labels)
    if entries.default:
        yield entries.default


def _power(
    entry: PowerEntry, curves: Mapping[str, PowerCurve], known: dict[PowerEntry, NodePower | None]
) -> NodePower | None:
    """Power of an entry, worked out once; None where it states no curve."""
    if entry not in known:
        known[entry] = _worked_out(entry, curves) if entry.curve is not None else None
    return known[entry]


def _worked_out(entry: PowerEntry, curves: Mapping[str, PowerCurve]) -> NodePower:
    curve = curves.get(entry.curve or "")
    if curve is None:
        known = ", ".join(sorted(curves)) or "none"
        raise InputError(f"there is no curve {entry.curve!r}", f"add it under `curves:`, or use one of these: {known}")
    peak = parse_milliwatts(entry.accelerator_peak) if entry.accelerator_peak is not None else None
    return NodePower(curve, _budget_mw(entry.budget, curve), peak)


def _budget_mw(budget: str | None, curve: PowerCurve) -> int:
    if budget is None:
        return NO_BUDGET
    if not budget.rstrip().endswith("%"):
        return parse_milliwatts(budget)
    budget_mw = parse_share(budget) * curve.peak_mw
    if not 1 <= budget_mw <= LARGEST_MW:
        raise InputError(f"a budget of {budget} is no power that a node can have", "write a share such as 90%")
    return int(budget_mw)


def _curve(name: str, knots: tuple[tuple[Figure, Figure], ...]) -> PowerCurve:
    figures = [(_figure(name, share), _figure(name, watts)) for share, watts in knots]
    milliwatts = tuple(ceil_scaled(watts, MILLI) for _, watts in figures)
    if milliwatts and max(milliwatts) > LARGEST_MW:
        raise InputError(f"power curve {name!r} goes beyond any node", "write its watts, [[0, idle], …, [1, peak]]")
    return PowerCurve(name, tuple(share for share, _ in figures), milliwatts)


def _figure(name: str, text: Figure) -> Fraction:
    try:
        return parse_decimal(str(text))
    except InputError as error:
        raise InputError(f"power curve {name!r}: {error.problem}", error.next_step) from error


def _check_names(entries: NodesEntry, nodes: Sequence[Node]) -> None:
    unknown = sorted(set(entries.by_name or ()) - {node.metadata.name for node in nodes})
    if unknown:
        raise InputError(f"byName names node {unknown[0]!r}, which the cluster does not have", "correct or remove it")
    for entry in entries.by_label or ():
        if not entry.label:
            raise InputError("an entry of byLabel has no label", "name one, for example {type: big}, or use `default`")
