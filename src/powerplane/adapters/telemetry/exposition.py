"""The text that exporters serve, line by line: Prometheus' format 0.0.4 and what OpenMetrics adds to it.

Sources: Prometheus, "Exposition formats"; OpenMetrics 1.0. A line that is none is counted and left out, and takes
nothing else with it. ``prometheus_client``'s parser gives up a whole page for one bad line, takes an exemplar for a
time, and is five times slower; the tests hold this one against it.
"""

import math
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*+"
VALUE = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
LABEL = rf"[a-zA-Z_][a-zA-Z0-9_]*+\s*+=\s*+{VALUE.replace('(', '(?:', 1)}"
FIRST = re.compile(rf"\s*+({NAME})")
LINE = re.compile(
    rf"\s*+(?P<name>{NAME})\s*+(?:\{{\s*+(?P<labels>{LABEL}(?:\s*+,\s*+{LABEL})*+)?\s*+,?\s*+\}}|(?<=\s))\s*+"
    r"(?P<value>[^\s{}]++)(?:[ \t]++(?P<at>[^\s#]++))?(?:[ \t]++#[ \t]*+\{.*)?\s*+"
)
EACH = re.compile(rf"([a-zA-Z_][a-zA-Z0-9_]*+)\s*+=\s*+{VALUE}")
"""None of them ever goes back over what it has read, so that no line takes longer than its length."""

TYPE = re.compile(rf"#\s*TYPE\s+({NAME})\s+(\w+)\s*")
ESCAPED = re.compile(r"\\(.)")
ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}
END = re.compile(r"^# EOF\s*\Z", re.MULTILINE)


class Sample(NamedTuple):
    """One line.

    Parameters
    ----------
    name : str
    labels : dict
    value : float
    at_s : float or None
        Unix seconds, where the line says when it was taken.
    """

    name: str
    labels: dict[str, str]
    value: float
    at_s: float | None


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says.

    Parameters
    ----------
    samples : list of Sample
        In its order.
    types : dict of str to str
        As stated, by metric; "unknown" and "untyped" left out.
    malformed : Counter of str
        Lines that are none, by the metric that they begin with; "" for those that begin with none.
    """

    samples: list[Sample] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    malformed: Counter[str] = field(default_factory=Counter)


def parse(text: str, wanted: Collection[str] | None = None) -> Page:
    """Read a page.

    Parameters
    ----------
    text : str
    wanted : collection of str, optional
        Metrics to read; lines of others are passed over unread. All by default.
    """
    page = Page()
    # Text has milliseconds, OpenMetrics seconds; it is told by its end, which it must have.
    per_second = 1 if END.search(text) else 1000
    for line in text.split("\n"):
        if line.lstrip()[:1] in ("", "#"):
            _comment(line, page)
            continue
        first = FIRST.match(line)
        name = first[1] if first else ""
        # A quoted name stands within the braces; no metric of ours has one.
        if line.startswith('{"') or (name and wanted is not None and name not in wanted):
            continue
        sample = _sample(line, per_second)
        if sample:
            page.samples.append(sample)
        else:
            page.malformed[name] += 1
    return page


def _comment(line: str, page: Page) -> None:
    if (stated := TYPE.fullmatch(line.strip())) and stated[2] not in ("unknown", "untyped"):
        page.types[stated[1]] = stated[2]


def _sample(line: str, per_second: int) -> Sample | None:
    found = LINE.fullmatch(line)
    if not found:
        return None
    pairs = EACH.findall(found["labels"] or "")
    labels = {label: _plain(value) for label, value in pairs}
    value, at = _number(found["value"]), _number(found["at"]) if found["at"] else None
    wrong = value is None or len(labels) < len(pairs) or (found["at"] and (at is None or not math.isfinite(at)))
    if wrong or value is None:
        return None
    return Sample(found["name"], labels, value, None if at is None else at / per_second)


def _number(text: str) -> float | None:
    """Read a number; None for what is none, and for digits with underscores, which only Python knows."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _plain(text: str) -> str:
    if "\\" not in text:
        return text
    return ESCAPED.sub(lambda found: ESCAPES.get(found[1], found[0]), text)
