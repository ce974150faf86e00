"""What the checker says about a plan."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that the plan breaks, or states wrongly.

    Parameters
    ----------
    kind : str
        For example "capacity", "domain-budget", "spread"; see ``docs`` of the modules that find them.
    subject : str
        The node, domain, pod or disruption budget.
    wave : int or None
        The wave in which it happens; None for the end of the plan and for what the plan states.
    detail : str
        What is wrong, with figures.
    """

    kind: str
    subject: str
    wave: int | None
    detail: str

    def __str__(self) -> str:
        when = "at the end" if self.wave is None else f"in wave {self.wave}"
        return f"{self.kind} of {self.subject} {when}: {self.detail}"


@dataclass(frozen=True, slots=True)
class DomainReading:
    """A domain's exact draw in its worst case after the plan.

    Parameters
    ----------
    lost : str
        The feed whose loss is the worst case; "" when all alive is.
    budget_mw : int or None
        None where the domain has no budget.
    before_mw, after_mw : Fraction
        Milliwatts in that case, exactly.
    """

    name: str
    kind: str
    lost: str
    budget_mw: int | None
    before_mw: Fraction
    after_mw: Fraction


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The verdict.

    Parameters
    ----------
    violations : tuple of Violation
        In the order of the waves, those of the end last.
    domains : tuple of DomainReading
        In the topology's order.
    moves : int
        How many moves were replayed.
    overload_mw : Fraction
        What nodes and domains draw above their budgets at the end; of each domain only its worst case counts.
    """

    violations: tuple[Violation, ...]
    domains: tuple[DomainReading, ...]
    moves: int
    overload_mw: Fraction

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.violations
