"""What the auditor keeps of pods, their owners and moves, and what a log came to."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that was broken: by its name, and how."""

    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


@dataclass(slots=True)
class SeenPod:
    """A pod as the log shows it; ``held_s`` is when it was nominated, of a placeholder."""

    uid: str
    namespace: str
    name: str
    owner: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    requests: Mapping[str, str] = field(default_factory=dict)
    holds_for: str = ""
    gates: tuple[str, ...] = ()
    node: str = ""
    nominated: str = ""
    held_s: float = float("inf")
    gone_s: float = float("inf")
    ready: bool = False
    over: str = ""
    leaving: bool = False

    @property
    def there(self) -> bool:
        """Whether it counts for its owner."""
        return not self.leaving and not self.over


@dataclass(slots=True)
class SeenOwner:
    """Who makes pods: how many it wants, and of a Job how many are to finish; None for what the log does not say."""

    name: str
    wanted: int | None = None
    completions: int | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class SeenMove:
    """A move of a plan."""

    plan: str
    to: str
    lever: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a log came to.

    Parameters
    ----------
    findings : tuple of Finding
        None where all rules were kept.
    evictions : int
        That were done.
    refused : Counter of int
        Evictions that were not, by HTTP status.
    plans, placeholders, tokens : int
        How many there were.
    last_eviction_s : float
        Unix seconds; 0 for none.
    """

    findings: tuple[Finding, ...]
    evictions: int
    refused: Mapping[int, int]
    plans: int
    placeholders: int
    tokens: int
    last_eviction_s: float

    def broken(self) -> set[str]:
        """Names of the rules that were broken."""
        return {each.rule for each in self.findings}
