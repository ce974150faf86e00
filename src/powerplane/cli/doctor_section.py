"""What a part of ``powerplane doctor`` reports: findings, what to do about them, and the figures that they rest on.

A part is a function that returns a ``SectionReport``; `doctor` puts them one after the other and knows none of them.
"""

from dataclasses import dataclass
from typing import Any, Literal

from rich.console import RenderableType

from powerplane.models.plan import Wire

Level = Literal["ok", "warn", "fail"]
"""ok: as it should be. warn: works, and could be better. fail: stops enforcement: watts that nothing rests on."""


class Finding(Wire, frozen=True):
    """One thing that was looked at.

    Attributes
    ----------
    check : str
        Which check it is, in words that stay.
    text : str
        What was found.
    next : str
        What to do; "" where nothing has to be done.
    """

    level: Level
    check: str
    text: str
    next: str = ""


class SectionView(Wire, frozen=True):
    """One part of the report.

    Attributes
    ----------
    data : object
        The figures, in a form of the part's own.
    """

    name: str
    title: str
    findings: tuple[Finding, ...]
    data: Any = None


@dataclass(frozen=True, slots=True)
class SectionReport:
    """One part of the report, and how its figures are shown on a terminal.

    Parameters
    ----------
    view : SectionView
    shown : tuple of renderables
    """

    view: SectionView
    shown: tuple[RenderableType, ...] = ()


class DoctorView(Wire, frozen=True):
    """The whole report.

    Attributes
    ----------
    status : Level
        The worst of all findings.
    """

    status: Level
    sections: tuple[SectionView, ...]


def worst(findings: list[Finding]) -> Level:
    """Return the worst level of some findings; ok without any."""
    levels = {finding.level for finding in findings}
    return "fail" if "fail" in levels else "warn" if "warn" in levels else "ok"
