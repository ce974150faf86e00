"""Plans in course: which trees they occupy, which have ended and how, and which are overtaken by events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from powerplane.models.api.placement_plan import PlacementPlanObject
from powerplane.models.errors import InputError
from powerplane.models.objects import Pod
from powerplane.models.timestamps import parse_seconds
from powerplane.recommender.trees import Trees

ENDED = frozenset(("Done", "Failed", "Expired", "Stopped"))
KEEP_S = 3600.0
"""How long plans that are over are kept for people to read."""

MOST_KEPT = 50

GRACE_S = 600.0
"""After its time is over a plan that was begun may finish what is under way, before it counts as nobody's."""


@dataclass(frozen=True, slots=True)
class Course:
    """One plan as it stands.

    Parameters
    ----------
    name : str
    trees : frozenset of str
    domains : frozenset of str
        That it changes.
    phase : str
        As its status says; Expired once its time is over, whatever that says.
    moves, done : int
    """

    name: str
    trees: frozenset[str]
    domains: frozenset[str]
    phase: str
    moves: int
    done: int = 0

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.phase in ENDED

    @property
    def begun(self) -> bool:
        """Whether somebody carries it out."""
        return self.phase == "Running"

    @property
    def failed(self) -> bool:
        """Whether it ended without having done even half of what it was for."""
        return self.phase in {"Failed", "Expired"} and 2 * self.done < max(self.moves, 1)


def course_of(plan: PlacementPlanObject, trees: Trees, now_s: float) -> Course:
    """Return how a plan stands.

    Parameters
    ----------
    plan : PlacementPlanObject
    trees : Trees
        For a plan that does not say which trees it is for.
    now_s : float
        Unix seconds.
    """
    spec, status = plan.spec, plan.status
    phase = (status.phase if status is not None else "") or "Pending"
    if phase not in ENDED and expires_s(plan) + (GRACE_S if phase == "Running" else 0.0) <= now_s:
        phase = "Expired"
    of_moves = trees.roots(node for move in spec.moves for node in (move.source, move.to))
    return Course(
        name=plan.metadata.name,
        trees=frozenset(spec.trees) | of_moves,
        domains=frozenset(each.name for each in spec.domains),
        phase=phase,
        moves=len(spec.moves),
        done=status.done if status is not None else 0,
    )


def expires_s(plan: PlacementPlanObject) -> float:
    """When a plan expires, in Unix seconds; at once where that cannot be read."""
    return _seconds(plan.spec.expires_at)


def ended_s(plan: PlacementPlanObject) -> float:
    """When a plan that is over ended, in Unix seconds: as its status says, else when it expired."""
    told = plan.status.finished_at if plan.status is not None else None
    return _seconds(told) if told else expires_s(plan)


def is_outdated(plan: PlacementPlanObject, pods: Mapping[str, Pod]) -> bool:
    """Whether a plan that has not begun moves a pod that is gone, or is somewhere else.

    Parameters
    ----------
    plan : PlacementPlanObject
    pods : mapping
        By UID.
    """
    for move in plan.spec.moves:
        pod = pods.get(move.uid)
        if pod is None or pod.spec.node_name != move.source:
            return True
    return False


def to_clear(plans: Iterable[PlacementPlanObject], courses: Mapping[str, Course], now_s: float) -> list[str]:
    """Return names of plans that are over, and old or many."""
    over = [plan for plan in plans if courses[plan.metadata.name].over]
    over.sort(key=_born_s, reverse=True)
    old = [plan for plan in over[:MOST_KEPT] if max(_born_s(plan), expires_s(plan)) < now_s - KEEP_S]
    return [plan.metadata.name for plan in (*old, *over[MOST_KEPT:])]


def _born_s(plan: PlacementPlanObject) -> float:
    return _seconds(plan.metadata.creation_timestamp or "")


def _seconds(text: str) -> float:
    try:
        return float(parse_seconds(text))
    except InputError:
        return 0.0
