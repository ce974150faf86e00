"""One PowerDomain read by itself: strings to milliwatts, and every defect it has without looking at the others."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TypeVar

from powerplane.models.api.members import selector_defect
from powerplane.models.api.power_domain import SHARED_LOAD, BreakerSpec, MemberNode, PowerDomainSpec
from powerplane.models.breakers import Breaker
from powerplane.models.errors import InputError
from powerplane.models.quantities import MILLI, format_watts, parse_milliwatts
from powerplane.models.snapshot import NO_BUDGET

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Defect:
    """Why a domain cannot stand in the tree.

    Parameters
    ----------
    reason : str
        One word, for programs and for the condition's reason.
    message : str
        A sentence, with the value and what would mend it.
    """

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class NodeAllowance:
    """What one node may draw, and what it draws empty and full.

    Parameters
    ----------
    budget_mw : int
        ``NO_BUDGET`` where it may draw anything.
    idle_mw : int
        0 where it is not stated.
    peak_mw : int or None
        None where it is not stated.
    """

    budget_mw: int = NO_BUDGET
    idle_mw: int = 0
    peak_mw: int | None = None

    @property
    def envelope_watts(self) -> tuple[float, float]:
        """Idle and peak in watts, the peak infinite where it is not stated."""
        return self.idle_mw / MILLI, inf if self.peak_mw is None else self.peak_mw / MILLI


@dataclass(frozen=True, slots=True)
class DomainReading:
    """The figures of one domain.

    Parameters
    ----------
    budget_mw : int
        ``NO_BUDGET`` where it may draw anything.
    breaker : Breaker or None
    allowance : NodeAllowance
        Of each direct member.
    """

    budget_mw: int
    breaker: Breaker | None
    allowance: NodeAllowance


def read_domain(spec: PowerDomainSpec) -> tuple[DomainReading, tuple[Defect, ...]]:
    """Read a spec's figures, and collect whatever is wrong with it by itself.

    Returns
    -------
    DomainReading, tuple of Defect
        The reading is usable only where there is no defect.
    """
    defects: list[Defect] = []
    budget = _tried(lambda: parse_milliwatts(spec.budget) if spec.budget else NO_BUDGET, "BadBudget", defects)
    breaker = _tried(lambda: _breaker(spec.breaker), "BadBreaker", defects)
    allowance = _tried(lambda: _allowance(spec.node), "BadNodeWatts", defects)
    defects += _form_defects(spec)
    reading = DomainReading(NO_BUDGET if budget is None else budget, breaker, allowance or NodeAllowance())
    return reading, tuple(defects)


def _tried(read: Callable[[], T], reason: str, defects: list[Defect]) -> T | None:
    try:
        return read()
    except InputError as error:
        defects.append(Defect(reason, f"{error.problem}: {error.next_step}"))
        return None


def _breaker(spec: BreakerSpec | None) -> Breaker | None:
    if spec is None:
        return None
    if not spec.curve:
        raise InputError("the breaker has no curve", "give it one point or more")
    return Breaker(parse_milliwatts(spec.rating), tuple((point.times_over, point.seconds) for point in spec.curve))


def _allowance(spec: MemberNode | None) -> NodeAllowance:
    if spec is None:
        return NodeAllowance()
    budget = parse_milliwatts(spec.budget) if spec.budget else NO_BUDGET
    idle = parse_milliwatts(spec.idle) if spec.idle else 0
    peak = parse_milliwatts(spec.peak) if spec.peak else None
    if idle > budget:
        raise InputError(
            f"a node draws {format_watts(idle)} with no pods and may draw {format_watts(budget)}",
            "raise node.budget above node.idle",
        )
    if peak is not None and peak < idle:
        raise InputError(
            f"a node's peak of {format_watts(peak)} is below its idle {format_watts(idle)}", "exchange the two"
        )
    return NodeAllowance(budget, idle, peak)


def _form_defects(spec: PowerDomainSpec) -> list[Defect]:
    """What the API server refuses too: objects that were stored before a rule was, or by a hand in the store."""
    found = []
    if not spec.kind:
        found.append(Defect("NoKind", "kind is empty: name the level, for example rack"))
    if spec.feed_load not in ("", SHARED_LOAD):
        found.append(Defect("BadFeedLoad", f"feedLoad is {spec.feed_load!r}: use {SHARED_LOAD}, or leave it out"))
    if spec.node_selector is not None and spec.node_names:
        found.append(Defect("TwoMemberships", "nodeSelector and nodeNames are both given: leave one of them"))
    if len(set(spec.parents)) < len(spec.parents):
        found.append(Defect("ParentTwice", f"a parent is named twice in {', '.join(spec.parents)}: name each once"))
    if spec.node_selector is not None and (wrong := selector_defect(spec.node_selector)):
        found.append(Defect("BadSelector", f"nodeSelector: {wrong}"))
    return found
