"""What `fit` found, in the forms that it is shown and written in."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

import msgspec
import yaml
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from powerplane.cli.fit_heat_view import HeatRow, heat_lines, heat_row
from powerplane.cli.fit_histories import TypeHistory
from powerplane.cli.report import words
from powerplane.models.curves import PowerCurve
from powerplane.models.plain import printable
from powerplane.models.telemetry.precedence import WALL_SOURCES
from powerplane.models.watts.heat_fit import HeatFit
from powerplane.models.watts.node_fit import NodeFit

FEW_SAMPLES = 200
"""Fewer say little about a curve."""

POOR = 0.15
"""Error of a curve from which on it is said."""


@dataclass(frozen=True, slots=True, eq=False)
class TypeFit:
    """One node type, fitted.

    Parameters
    ----------
    history : TypeHistory
    fit : NodeFit
    curve : PowerCurve
        As it is written: of the typical load, or lifted to a quantile.
    heat : HeatFit or None
        What fans and temperature tell; None where they are not measured, or too seldom.
    """

    history: TypeHistory
    fit: NodeFit
    curve: PowerCurve
    heat: HeatFit | None = None


class FitRow(msgspec.Struct, frozen=True, rename="camel"):
    """One node type, as `-o json` shows it. Errors are shares; null without any sample.

    ``meter_ahead`` is how many intervals of samples the meter is ahead of the counters; below 0 it is late.
    """

    node_type: str
    nodes: tuple[str, ...]
    sources: tuple[str, ...]
    started_from: str
    samples: int
    refused: dict[str, int]
    idle_watts: float
    peak_watts: float
    highest_utilisation: float
    error: float | None
    curve_error: float | None
    bias_watts: float | None
    high_watts: float | None
    meter_ahead: float
    curve: tuple[tuple[float, float], ...]
    heat: HeatRow | None = None


class FitView(msgspec.Struct, frozen=True, rename="camel"):
    """All node types."""

    node_types: tuple[FitRow, ...]
    notes: tuple[str, ...] = ()


def build_fit_view(fits: Sequence[TypeFit]) -> FitView:
    """Return what was found, with what should be known of it."""
    return FitView(tuple(_row(each) for each in fits), tuple(note for each in fits for note in _notes(each)))


def power_file(fits: Sequence[TypeFit]) -> bytes:
    """Return a power.yaml: the curves, and the nodes that they are for.

    By label where a label tells a type apart, otherwise by name; a single type without either is the default.
    """
    curves = {each.history.name: _knots(each.curve) for each in fits}
    by_label = [
        {"label": dict([each.history.label]), "curve": each.history.name} for each in fits if each.history.label
    ]
    by_name = {
        node: {"curve": each.history.name} for each in fits if not each.history.label for node in each.history.nodes
    }
    nodes: dict[str, object] = {}
    if not by_label and not by_name:
        nodes["default"] = {"curve": fits[0].history.name}
    if by_label:
        nodes["byLabel"] = by_label
    if by_name:
        nodes["byName"] = by_name
    head = "# Fitted by `powerplane fit` from measured watts. Budgets are not in it: add them to the nodes' entries.\n"
    body = yaml.dump(
        {"curves": curves, "nodes": nodes}, Dumper=yaml.SafeDumper, sort_keys=False, default_flow_style=None
    )
    return (head + body).encode()


def print_fit_table(view: FitView, console: Console) -> None:
    """Print the node types, then what should be known of them."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("node type", "measured by", "started from"):
        table.add_column(heading, overflow="fold")
    for heading in ("samples", "refused", "idle", "peak", "knots", "seen up to", "error", "curve's", "bias", "95 %"):
        table.add_column(heading, justify="right")
    for row in view.node_types:
        table.add_row(*_cells(row))
    console.print(table)
    for row in view.node_types:
        if row.heat is not None:
            for line in heat_lines(printable(row.node_type), row.heat):
                console.print(Text(line))
    for note in view.notes:
        console.print(Text(note, style="yellow"))
    console.print(
        Text(
            "error: mean of |measured - predicted| / measured, predicted before it was seen; curve's: of the curve "
            "alone, by which plans count; bias: mean of measured - curve; 95 %: highest measured - curve but for "
            "one sample in twenty.",
            style="dim",
        )
    )


def _cells(row: FitRow) -> tuple[str | Text, ...]:
    return (
        Text(printable(row.node_type)),
        Text(", ".join(row.sources) or "the recording"),
        Text(row.started_from),
        f"{row.samples:,}",
        f"{sum(row.refused.values()):,}",
        words.watts(row.idle_watts),
        words.watts(row.peak_watts),
        str(len(row.curve)),
        f"{100 * row.highest_utilisation:.0f} %",
        _share(row.error),
        _share(row.curve_error),
        "-" if row.bias_watts is None else f"{row.bias_watts:+.1f} W",
        "-" if row.high_watts is None else f"{row.high_watts:+.1f} W",
    )


def _row(each: TypeFit) -> FitRow:
    error, memory = each.fit.error, each.fit.memory
    shares = memory.samples.now[:, 0] / each.fit.curve_model.scale[0]
    return FitRow(
        node_type=each.history.name,
        nodes=each.history.nodes,
        sources=each.history.sources,
        started_from=each.history.prior.name,
        samples=len(each.history.samples) - sum(each.fit.refused.values()),
        refused=dict(each.fit.refused),
        idle_watts=each.curve.idle_mw / 1000,
        peak_watts=each.curve.peak_mw / 1000,
        highest_utilisation=float(shares.max(initial=0.0)),
        error=_known(error.mape),
        curve_error=_known(error.curve_mape),
        bias_watts=_known(error.curve_bias_watts),
        high_watts=_known(error.high_watts),
        meter_ahead=each.fit.timing,
        curve=tuple((float(u), mw / 1000) for u, mw in zip(each.curve.utilisation, each.curve.milliwatts, strict=True)),
        heat=heat_row(each.heat) if each.heat else None,
    )


def _notes(each: TypeFit) -> list[str]:
    name, row = printable(each.history.name), _row(each)
    found = []
    if row.samples < FEW_SAMPLES:
        found.append(f"{name}: {row.samples} samples are few; the curve still leans on {row.started_from}")
    if row.samples and row.highest_utilisation < 0.5:
        found.append(
            f"{name}: never seen above {100 * row.highest_utilisation:.0f} %; beyond, the curve has the shape of "
            f"{row.started_from}"
        )
    if row.curve_error is not None and row.curve_error > POOR:
        found.append(
            f"{name}: its curve errs by {100 * row.curve_error:.0f} % on average; one utilisation stands for loads "
            "that differ. More counters (--counters) show how much they would tell"
        )
    counting = (printable(counter) for counter in each.history.counting)
    found += [f"{name}: {counter} hardly ever falls; if it counts up, ask for rate({counter})" for counter in counting]
    if left_out := each.history.left_out:
        found.append(
            f"{name}: {words.count(len(left_out), 'node')} not learned from, as only packages and memory are measured "
            f"there, and others' walls: {', '.join(printable(node) for node in left_out[:5])}"
        )
    if each.history.sources and not set(each.history.sources) & set(WALL_SOURCES):
        found.append(f"{name}: the curve is of packages and memory; fans, disks and losses come on top")
    for reason, count in row.refused.items():
        found.append(f"{name}: {words.count(count, 'sample')} not learned from: {reason}")
    return found


def _knots(curve: PowerCurve) -> list[list[float]]:
    return [
        [_plain(share), milliwatts / 1000]
        for share, milliwatts in zip(curve.utilisation, curve.milliwatts, strict=True)
    ]


def _plain(share: Fraction) -> float:
    return int(share) if share.denominator == 1 else float(share)


def _known(value: float) -> float | None:
    return value if isfinite(value) else None


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
