"""The declared table as a reference page, so that what is documented is what is read."""

from collections.abc import Iterable

from powerplane.models.telemetry.labels import REGEX
from powerplane.models.telemetry.metric_labels import HOST
from powerplane.models.telemetry.metrics import DEAR, MEANINGS
from powerplane.models.telemetry.precedence import PRECEDENCE, WHY, rank
from powerplane.models.telemetry.readings import Meaning

_INTRODUCTION = """# Metrics that are read

Every metric that PowerPlane reads, what it means and whose it is. This page is written by
`powerplane.models.telemetry.metrics_page` from the table that the program reads by (`make docs`); a test compares the
two. How it is read, and what is done with what cannot be true: [sources](../explanation/sources.md).

Within a quantity the rows stand in the order in which they are believed: the first that has a usable sample for a node
or a pod counts. Rows with different *parts* add up. *Whose*: the labels that name it, the first that is there; *host*
stands for {host}. *Only where*: series with other labels are not read; `~` begins a regular expression for the whole
value. *Summed over*: labels that tell apart what only counts together.

What has to be summed and is one of {dear} is read only where nothing better brought that quantity.
"""

_HEAD = """| metric | source | kind | unit | whose | only where | part | summed over |
|---|---|---|---|---|---|---|---|
"""

_SOURCES = """## Sources

| source | what it is, and why it stands where it does |
|---|---|
{rows}
"""


def metrics_page(meanings: Iterable[Meaning] = MEANINGS) -> str:
    """Return the reference page (Markdown) of the declared table."""
    parts = [_INTRODUCTION.format(dear=" · ".join(DEAR), host=_codes(HOST))]
    rows = sorted(meanings, key=rank)
    for quantity, sources in PRECEDENCE.items():
        lines = "\n".join(_row(meaning) for meaning in rows if meaning.quantity == quantity)
        order = " → ".join(sources)
        parts.append(f"## {_heading(quantity)}\n\nBelieved in this order: {order}.\n\n{_HEAD}{lines}\n")
    parts.append(_SOURCES.format(rows="\n".join(f"| {source} | {why} |" for source, why in WHY.items())))
    return "\n".join(parts)


def _row(meaning: Meaning) -> str:
    named = (
        ("node", meaning.node),
        ("namespace", meaning.namespace),
        ("pod", meaning.pod),
        ("uid", meaning.uid),
        ("container", meaning.container),
        ("device", meaning.device),
        ("kept", meaning.kept),
    )
    whose = "; ".join(f"{what}: {'*host*' if labels == HOST else _codes(labels)}" for what, labels in named if labels)
    where = "; ".join(f"`{label}{_condition(value)}`" for label, value in meaning.where)
    unit = meaning.unit if meaning.scale == 1 else f"{meaning.unit} (× {meaning.scale:g})"
    cells = (
        f"`{meaning.metric}`",
        meaning.source,
        meaning.kind,
        unit or "—",
        whose or "—",
        where or "—",
        meaning.part or "—",
        _codes(meaning.sum_over) or "—",
    )
    return "| " + " | ".join(cells) + " |"


def _heading(quantity: str) -> str:
    words = [word.upper() if word in ("cpu", "gpu", "dram", "rpm") else word for word in quantity.split()]
    return " ".join((words[0][0].upper() + words[0][1:], *words[1:]))


def _condition(value: str) -> str:
    text = value.replace("|", "\\|")
    return f" ~ {text.removeprefix(REGEX)}" if value.startswith(REGEX) else f' = "{text}"'


def _codes(labels: Iterable[str]) -> str:
    return ", ".join(f"`{label}`" for label in labels)
