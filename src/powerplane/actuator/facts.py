"""What decisions are made of: pods, nodes, plans, moves and how far they have come."""

from collections.abc import Callable
from dataclasses import dataclass, field

from powerplane.actuator.words import BEFORE_EVICTION, ENDED, EVICTED, OVER, Phase, Step
from powerplane.models.cpu_limits import Cpus

Amounts = tuple[tuple[str, int], ...]
"""Whole units by resource, sorted by name."""


@dataclass(frozen=True, slots=True)
class PodFact:
    """A pod, as far as moves depend on it.

    Parameters
    ----------
    uid, namespace, name : str
    node : str
        Where it is bound; "" for nowhere.
    nominated : str
        Where it is nominated to.
    owner, owner_kind : str
        UID and kind of its controller; "" for none.
    created_s : float
        By the server's clock.
    labels : tuple of (str, str)
    gates : tuple of str
    requests : tuple of (str, int)
    priority : int
    ready, leaving, finished : bool
        Whether it is ready; its deletion has begun; all its containers have ended.
    stays : str
        Why nobody may move it; "" where one may.
    hold_of, hold_for : str
        Of a placeholder: its plan's name, and the UID of the pod whose place it holds.
    surges : bool
        Whether its successor may come before it goes.
    detached : str
        Of a pod that was taken out of its ReplicaSet: `Detached`, as it is told.
    cpus, given : tuple of ContainerCpu
        Its containers' CPU, as asked for and as its kubelet says that they have it; none where it does not say.
    throttled : str
        The annotation that says what it had before it was held down; "" for none.
    resize : str
        Why a resize is not done: "Infeasible", "Deferred" or "Error"; "" where none is told.
    version : str
    """

    uid: str
    namespace: str
    name: str
    node: str = ""
    nominated: str = ""
    owner: str = ""
    owner_kind: str = ""
    created_s: float = 0.0
    labels: tuple[tuple[str, str], ...] = ()
    gates: tuple[str, ...] = ()
    requests: Amounts = ()
    priority: int = 0
    ready: bool = False
    leaving: bool = False
    finished: bool = False
    stays: str = ""
    hold_of: str = ""
    hold_for: str = ""
    surges: bool = False
    detached: str = ""
    cpus: Cpus = ()
    given: Cpus = ()
    throttled: str = ""
    resize: str = ""
    version: str = ""

    @property
    def there(self) -> bool:
        """Whether it runs, or is to run."""
        return not self.leaving and not self.finished


@dataclass(frozen=True, slots=True)
class NodeFact:
    """A node: whether it takes pods, and what it offers."""

    name: str
    usable: bool
    offers: Amounts = ()


@dataclass(frozen=True, slots=True)
class Move:
    """One move as a plan asks for it; the names are those of ``PlannedMove``, ``target`` stands for ``to``.

    ``before`` and ``after`` are the CPU of the containers that are given other CPU in place.
    """

    namespace: str
    pod: str
    uid: str
    source: str
    target: str
    owner: str = ""
    owner_kind: str = ""
    watts: int = 0
    wave: int = 0
    lever: str = "migrate"
    policy: str = ""
    priority: int = 0
    surge: bool = False
    before: Cpus = ()
    after: Cpus = ()
    used_milli: int = 0

    @property
    def migrates(self) -> bool:
        """Whether it needs a place at its target."""
        return self.lever == "migrate"


@dataclass(frozen=True, slots=True)
class MoveState:
    """How far a move has come; what the plan's status holds of it.

    Parameters
    ----------
    uid : str
        Of the pod that leaves.
    step : str
    reason, message : str
    successor, successor_uid : str
        The pod that came in its place.
    node : str
        Where that landed.
    attempts : int
        Reservations and successors that were begun.
    at_s, begun_s : float
        When the step began, and when the move did, Unix seconds; 0 for not yet.
    watts_before, watts_after : int or None
    """

    uid: str
    step: Step = "Waiting"
    reason: str = ""
    message: str = ""
    successor: str = ""
    successor_uid: str = ""
    node: str = ""
    attempts: int = 0
    at_s: float = 0.0
    watts_before: int | None = None
    watts_after: int | None = None
    begun_s: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.step in ENDED

    @property
    def evicted(self) -> bool:
        """Whether its pod was evicted, or may have been."""
        return self.step in EVICTED or (self.step == "Failed" and self.reason not in BEFORE_EVICTION)


@dataclass(frozen=True, slots=True)
class PlannedDomain:
    """What a plan foretells of a domain, in watts; a budget of 0 is none."""

    name: str
    budget_watts: float = 0.0
    before_watts: float = 0.0
    after_watts: float = 0.0


@dataclass(frozen=True, slots=True)
class Note:
    """A condition: whether something holds (True, False or Unknown), why in a word, and in words."""

    status: str
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class PlanState:
    """A plan's status, as far as it is ours.

    Parameters
    ----------
    phase : str
    token : int
        Of whoever wrote it.
    generation : int
        Of the spec that is carried out.
    wave : int
    started_s, finished_s : float
        Unix seconds; 0 for not yet.
    moves : dict of UID to MoveState
        Those that have begun or ended.
    notes : dict of type to Note
        Conditions.
    closing : str
        Why nothing more is begun; "" while all goes on.
    measured : tuple of (domain, watts, at_s)
        As the last wave was confirmed.
    """

    phase: Phase = ""
    token: int = 0
    generation: int = 0
    wave: int = 0
    started_s: float = 0.0
    finished_s: float = 0.0
    moves: dict[str, MoveState] = field(default_factory=dict)
    notes: dict[str, Note] = field(default_factory=dict)
    closing: str = ""
    measured: tuple[tuple[str, float, float], ...] = ()

    def of(self, uid: str) -> MoveState:
        """How far a move has come."""
        return self.moves.get(uid) or MoveState(uid)


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan and how far it has come.

    Parameters
    ----------
    name, uid, version : str
    generation : int
    created_s, expires_s : float
        Unix seconds.
    trees : tuple of str
        Roots of the power trees that it is for.
    moves : tuple of Move
    domains : tuple of PlannedDomain
    state : PlanState
    traceparent : str
        Its place in a trace, as it was written; "" for none.
    """

    name: str
    uid: str
    version: str = ""
    generation: int = 1
    created_s: float = 0.0
    expires_s: float = float("inf")
    trees: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()
    domains: tuple[PlannedDomain, ...] = ()
    state: PlanState = field(default_factory=PlanState)
    traceparent: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing more is done for it."""
        return self.state.phase in OVER


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a domain was measured to draw.

    Parameters
    ----------
    watts : float
    taken_s : float
        When, by the clock that only goes on.
    budget_watts : float
        In force; 0 for none.
    """

    watts: float
    taken_s: float
    budget_watts: float = 0.0


@dataclass(frozen=True, slots=True)
class Grounds:
    """What must hold before anything is begun.

    Parameters
    ----------
    now_s : float
        Unix seconds, for what is written and for when plans expire.
    clock_s : float
        By a clock that only goes on, for how long things take.
    stop : str
        Why everything is stopped; "" where it is not.
    pause : str
        Why nothing may be begun or evicted now, though nothing is stopped: a Lease is stale, or it is no time for it.
    forbids : callable
        Why a move of a pod is not allowed; "" where it is.
    measured : mapping of name to Measurement
    """

    now_s: float
    clock_s: float
    stop: str = ""
    pause: str = ""
    forbids: Callable[[Move, PodFact], str] = lambda _move, _pod: ""
    measured: dict[str, Measurement] = field(default_factory=dict)
