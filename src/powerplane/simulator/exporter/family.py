"""Families of series, and their text: the exposition format 0.0.4 that exporters speak and Prometheus reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from prometheus_client.utils import floatToGoString

from powerplane.simulator.exporter.layout import Integers, Layout, Per
from powerplane.simulator.sensors.bank import Said
from powerplane.simulator.sensors.channels import Floats
from powerplane.simulator.sensors.meter import Spoken

Labels = Callable[[Layout, int], Mapping[str, str]]

REPLICA = ("replica", "b")
"""The label by which a second copy of a series differs."""

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


@dataclass(frozen=True, slots=True)
class Family:
    """Series of one metric, a row each of one universe.

    Parameters
    ----------
    name : str
        The metric.
    per : "node", "cpu", "gpu" or "pod"
    what : str
        Channel that says the values; "" for series that are always 1, whose labels are what is told.
    labels : callable
        Labels of a row; one with the value "" is written too, as exporters do.
    value : callable, optional
        Values from what is said, shape (R,), where they are not the channel's own.
    stamped : bool
        Whether the exporter writes the sample's own time beside it, as cAdvisor does.
    cluster : bool
        Whether it is told of dark nodes too.
    repeats : bool
        Whether it repeats, in more parts, what other families say: left out where all nodes are on one page.
    there : callable, optional
        Which rows there are at all, shape (R,); all of them where it is not given.
    """

    name: str
    per: Per
    what: str
    labels: Labels
    value: Callable[[Said, Layout], Floats] | None = None
    stamped: bool = False
    cluster: bool = False
    repeats: bool = False
    there: Callable[[Layout], NDArray[np.bool_]] | None = None


def head(name: str, labels: Mapping[str, str]) -> str:
    """``name{label="value"} ``: labels in order of their names, as Go's client writes them."""
    inside = ",".join(f'{key}="{value.translate(_ESCAPES)}"' for key, value in sorted(labels.items()))
    return f"{name}{{{inside}}} " if inside else f"{name} "


def lines(
    family: Family,
    source: str,
    said: Said,
    layout: Layout,
    *,
    heads: list[str],
    rows: Integers | None = None,
    value: Floats | None = None,
) -> str:
    """The family's samples, a line each.

    Parameters
    ----------
    family : Family
    source : str
        The exporter.
    said : Said
    layout : Layout
    heads : list of str
        ``name{labels} `` of every row.
    rows : int64 array or None
        Which rows to write; None for all.
    value : float64 array, shape (R,), or None
        Of all rows, where they are not the channel's own.
    """
    universe = layout.universes[family.per]
    rows = np.arange(len(heads)) if rows is None else rows
    rows = rows if family.there is None else rows[family.there(layout)[rows]]
    if not family.what:
        told = rows if family.cluster else rows[said.answers(source)[universe.node[rows]]]
        return "".join([f"{heads[row]}1\n" for row in told.tolist()])
    spoken = said.readings[source, family.what]
    rows = rows[spoken.there[universe.parent[rows]]]
    parent = universe.parent[rows]
    value = spoken.value[parent] if value is None else value[rows]
    if len(rows) < len(heads):
        heads = [heads[row] for row in rows.tolist()]
    tails = _tails(family, spoken, parent)
    text = _join(heads, value, tails)
    if spoken.doubled is not None:
        twice = np.flatnonzero(spoken.doubled[parent])
        again = [tails[i] for i in twice.tolist()] if tails else []
        text += _join([_second(heads[i]) for i in twice.tolist()], value[twice], again)
    return text


def _tails(family: Family, spoken: Spoken, parent: Integers) -> list[str]:
    """The samples' own times in milliseconds, "" where none is written; no list where none is at all."""
    if family.stamped:
        return [f" {round(at_s * 1000)}" for at_s in spoken.taken_s[parent].tolist()]
    if spoken.skewed is None:
        return []
    pairs = zip(spoken.taken_s[parent].tolist(), spoken.skewed[parent].tolist(), strict=True)
    return [f" {round(at_s * 1000)}" if skewed else "" for at_s, skewed in pairs]


def _join(heads: list[str], value: Floats, tails: list[str]) -> str:
    word: Callable[[float], str] = repr if np.isfinite(value).all() else floatToGoString
    words = [word(each) for each in value.tolist()]
    if tails:
        return "".join([f"{a}{b}{c}\n" for a, b, c in zip(heads, words, tails, strict=True)])
    return "".join([f"{a}{b}\n" for a, b in zip(heads, words, strict=True)])


def _second(first: str) -> str:
    """The head of a copy: one label more."""
    name, brace, rest = first.partition("{")
    copy = f'{REPLICA[0]}="{REPLICA[1]}"'
    return f"{name}{{{rest[:-2]},{copy}}} " if brace else f"{first[:-1]}{{{copy}}} "
