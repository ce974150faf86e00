"""PlacementPlan: the moves that one plan asks for, as an object of the cluster, and how far each of them has come.

A recommender writes the spec, once; an actuator writes the status; the webhook and steering read both. What programs
of another version write must stay readable: words that have a list here are held to it by the API server alone.
"""

from typing import Annotated, Final

import msgspec

from powerplane.models.api.conditions import Conditions
from powerplane.models.api.fields import ApiStruct, Moment, Name, Rule, bounded
from powerplane.models.objects import ObjectMeta

LEVERS: Final = ("migrate", "evict", "throttle", "restore")
IN_PLACE: Final = ("throttle", "restore")
"""Levers that leave a pod on its node."""

PHASES: Final = ("", "Pending", "Running", "Done", "Failed", "Expired", "Stopped")
STEPS: Final = (
    *("Waiting", "Reserving", "Reserved", "Surging", "Evicting", "Evicted", "Steering"),
    *("Resizing", "Bound", "Ready", "Done", "RolledBack", "Failed", "Skipped"),
)
"""In the order in which a move takes them; the last four end it."""

LONGEST_REASON: Final = 1024
MOST_MOVES: Final = 3000
MOST_PUBLISHED: Final = 1500
"""Moves of a plan whose status can come to say something of each of them: etcd takes 1.5 MiB."""

MOST_DOMAINS: Final = 256
MOST_CONTAINERS: Final = 32

Uid = Annotated[str, bounded(maxLength=64)]
Reason = Annotated[str, bounded(maxLength=64)]
Message = Annotated[str, bounded(maxLength=LONGEST_REASON)]
Count = Annotated[int, bounded(minimum=0)]
Watts = Annotated[int, bounded(minimum=0)]
Milli = Annotated[int, bounded(minimum=0)]
Seconds = Annotated[float, bounded(minimum=0)]


class PlannedCpu(ApiStruct, frozen=True):
    """The CPU of one container before and after, in thousandths of a core; what is left out is not set.

    Attributes
    ----------
    container
        Its name.
    request_before_milli, limit_before_milli
        As they are.
    request_milli, limit_milli
        As they are to be.
    """

    container: Name
    request_before_milli: Milli | None = None
    limit_before_milli: Milli | None = None
    request_milli: Milli | None = None
    limit_milli: Milli | None = None


class PlannedMove(ApiStruct, frozen=True):
    """One pod's way from a node to another, or what it is given where it is.

    Attributes
    ----------
    namespace, pod, uid
        The pod that leaves.
    owner_uid, owner_kind, owner_name
        Its controller: the pod that comes in its place has the same one.
    source
        Node that the pod leaves.
    to
        Node that its successor belongs on; left out of an eviction whose successor may go anywhere, or has to wait.
    watts
        Watts that it takes along; that it draws less of throttle, and more of restore.
    wave
        Moves of one wave may run at the same time.
    lever
        How it is done: migrate reserves a place before the eviction and steers the successor there, evict does
        neither; throttle leaves the pod where it is, with less CPU, and restore gives that back.
    because
        Domains whose budget breaks without this move, or the rule that asks for it.
    policy
        The policy that lets the pod be moved.
    priority
        The pod's priority.
    surge
        Whether its successor may come before it goes: its owner allows it, and the watts are there for both at once.
    resources
        Of throttle and restore: the CPU of each container that is given another amount.
    used_milli
        Of throttle: thousandths of a core that the pod uses without it.
    """

    namespace: Name
    pod: Name
    uid: Uid
    source: Name = msgspec.field(name="from")
    to: Name = ""
    owner_uid: Uid = ""
    owner_kind: Annotated[str, bounded(maxLength=63)] = ""
    owner_name: Annotated[str, bounded(maxLength=253)] = ""
    watts: Watts = 0
    wave: Count = 0
    lever: Annotated[str, bounded(enum=list(LEVERS))] = "migrate"
    because: Annotated[tuple[str, ...], bounded(maxItems=32)] = ()
    policy: Annotated[str, bounded(maxLength=600)] = ""
    priority: int = 0
    surge: bool = False
    resources: Annotated[tuple[PlannedCpu, ...], bounded(maxItems=MOST_CONTAINERS)] = ()
    used_milli: Milli = 0

    rules = (Rule("has(self.to) || (has(self.lever) && self.lever == 'evict')", "only an eviction has no target"),)


class PlanSolution(ApiStruct, frozen=True):
    """How good the plan is, as the solver proved it.

    Attributes
    ----------
    status
        Optimal: no plan costs less; feasible: budgets hold, perhaps at more cost than needed; infeasible: no plan
        holds all budgets, this one leaves the least overload found; unknown: none was found in time, nor a proof.
    cost, bound
        In ordinary moves; the bound is proven.
    gap
        (cost - bound) / bound; left out where the bound is 0 and the cost is not.
    seconds
        Spent solving.
    seed
        With it the same plan can be made again.
    """

    status: Annotated[str, bounded(enum=["", "optimal", "feasible", "infeasible", "unknown"])] = ""
    cost: float = 0.0
    bound: float = 0.0
    gap: float | None = None
    seconds: Seconds = 0.0
    seed: int = 0


class PlannedDomain(ApiStruct, frozen=True):
    """What the plan foretells of one power domain.

    Attributes
    ----------
    name, kind
        The domain, and its level.
    budget_watts
        Its budget as it was in force; left out where it has none.
    before_watts, after_watts
        What it draws before the first move and after the last.
    """

    name: Name
    kind: Annotated[str, bounded(maxLength=63)] = ""
    budget_watts: Watts | None = None
    before_watts: Watts = 0
    after_watts: Watts = 0


class PlacementPlanSpec(ApiStruct, frozen=True):
    """The moves, why, and until when they are meant.

    Attributes
    ----------
    expires_at
        From then on nothing of the plan may be started, and nothing is steered by it.
    moves
        The moves, in the order of their waves.
    reason
        Why the plan was made.
    trees
        Roots of the power trees that it is for; each has one plan under way at the most.
    snapshot
        Digest of what was known of the cluster when it was made.
    solution
        How good it is.
    domains
        What it foretells of the domains that it changes.
    """

    expires_at: Moment
    moves: Annotated[tuple[PlannedMove, ...], bounded(maxItems=MOST_MOVES)] = ()
    reason: Message = ""
    trees: Annotated[tuple[Name, ...], bounded(maxItems=64)] = ()
    snapshot: Annotated[str, bounded(maxLength=128)] = ""
    solution: PlanSolution | None = None
    domains: Annotated[tuple[PlannedDomain, ...], bounded(maxItems=MOST_DOMAINS)] = ()


class MoveProgress(ApiStruct, frozen=True):
    """How far one move has come.

    Attributes
    ----------
    uid
        The pod that leaves.
    step
        Where the move is.
    reason
        Why it is there, as one word that programs can read.
    message
        Why, as a sentence for people.
    successor, successor_uid
        The pod that came in its place.
    node
        Where that landed.
    attempts
        Places and successors that were begun for it.
    at
        When the step began.
    started_at
        When the move began.
    watts_before, watts_after
        What the pod was to draw, and what its successor is to draw.
    """

    uid: Uid
    step: Annotated[str, bounded(enum=list(STEPS))] = "Waiting"
    reason: Reason = ""
    message: Message = ""
    successor: Annotated[str, bounded(maxLength=253)] = ""
    successor_uid: Uid = ""
    node: Annotated[str, bounded(maxLength=253)] = ""
    attempts: Count = 0
    at: Moment | None = None
    started_at: Moment | None = None
    watts_before: Watts | None = None
    watts_after: Watts | None = None


class MeasuredDomain(ApiStruct, frozen=True):
    """What one domain was measured to draw when a wave was confirmed.

    Attributes
    ----------
    name
        The domain.
    measured_watts
        What it drew.
    at
        When that was measured.
    """

    name: Name
    measured_watts: Watts
    at: Moment | None = None


class PlacementPlanStatus(ApiStruct, frozen=True):
    """How far a plan has come.

    Attributes
    ----------
    conditions
        What is said of the plan.
    observed_generation
        Generation of the spec that this status was made for.
    phase
        Pending until it is begun, Running while moves are under way; Done, Failed, Expired and Stopped end it.
    token
        Fencing token of the actuator that wrote this: a lower one than stands here may not write.
    wave
        The wave that is carried out.
    started_at, finished_at
        When the first move was begun, and when the last had ended.
    done, failed, total
        Moves that ended well, that did not, and all.
    moves
        Moves that have begun or ended.
    domains
        What domains were measured to draw, as the last wave was confirmed.
    """

    conditions: Conditions = ()
    observed_generation: int = 0
    phase: Annotated[str, bounded(enum=list(PHASES))] = ""
    token: Count = 0
    wave: Count = 0
    started_at: Moment | None = None
    finished_at: Moment | None = None
    done: Count = 0
    failed: Count = 0
    total: Count = 0
    moves: Annotated[tuple[MoveProgress, ...], bounded(maxItems=MOST_MOVES)] = ()
    domains: Annotated[tuple[MeasuredDomain, ...], bounded(maxItems=MOST_DOMAINS)] = ()


class PlacementPlanObject(ApiStruct, frozen=True):
    """Moves of pods that bring every domain under its budget; made by programs, not by people.

    Attributes
    ----------
    spec
        The moves.
    status
        How far they have come.
    """

    metadata: ObjectMeta
    spec: PlacementPlanSpec
    status: PlacementPlanStatus | None = None
