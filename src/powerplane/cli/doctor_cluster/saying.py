"""Short ways to say what was found."""

from collections.abc import Iterable, Sequence
from typing import Any

from powerplane.adapters.cluster_look import Told
from powerplane.cli.doctor_section import Finding, SectionReport, SectionView

MOST_NAMES = 5


def ok(check: str, text: str) -> Finding:
    """As it should be."""
    return Finding(level="ok", check=check, text=text)


def warn(check: str, text: str, then: str) -> Finding:
    """Works, and could be better; ``then`` is what to do."""
    return Finding(level="warn", check=check, text=text, next=then)


def fail(check: str, text: str, then: str) -> Finding:
    """Stops enforcement; ``then`` is what to do."""
    return Finding(level="fail", check=check, text=text, next=then)


def unseen(check: str, what: str, told: Told) -> Finding:
    """Say that something may not, or cannot, be seen."""
    if told.refused:
        return warn(
            check, f"{what} may not be seen: {told.trouble}", "ask who administers the cluster: see `your rights`"
        )
    return warn(check, f"{what} cannot be seen: {told.trouble}", "run it again; a longer --timeout")


def report(name: str, title: str, findings: Iterable[Finding], data: Any = None) -> SectionReport:
    """Put a part together."""
    return SectionReport(SectionView(name=name, title=title, findings=tuple(findings), data=data))


def listed(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """Return the first few names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
