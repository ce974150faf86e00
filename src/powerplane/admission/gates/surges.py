"""Roll-outs in progress: how many pods each may still bring above its replicas, and for how long that is held back.

What the webhook warns of when a roll-out starts (``admission.rollouts``) is kept here for its own pods, so that others
do not take it between one of its pods and the next.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from powerplane.adapters.node_rates import Draw
from powerplane.admission.gates.facts import Asks, PodFact, asks_of
from powerplane.admission.rollouts import Deployment, is_rolling, surge_pods
from powerplane.models.errors import InputError

DEADLINE_S: Final = 600
"""apps/v1 DeploymentSpec: progressDeadlineSeconds where it is left out."""

LONGEST_S: Final = 3600
"""A longer deadline is no reason to keep watts from others for longer."""


@dataclass(frozen=True, slots=True)
class Surge:
    """What is held back for one roll-out.

    Parameters
    ----------
    owner : str
        As on its pods (``PodFact.owner``).
    pods : int
        How many of them.
    priority : int
        Pods of a higher one may take what is held back.
    asks : Asks
        What each asks for.
    """

    owner: str
    pods: int
    priority: int
    asks: Asks


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far a roll-out came at best, as its status tells, and when."""

    generation: int
    best: tuple[int, int, int]
    at_s: float


class Surges:
    """Roll-outs, and since when each has come no further."""

    def __init__(self) -> None:
        self._progress: dict[str, _Progress] = {}

    def held(
        self,
        deployments: Iterable[Deployment],
        waiting: Iterable[PodFact],
        most_of: Callable[[str], tuple[int, int]],
        is_gated: Callable[[str, Mapping[str, str]], bool],
        clock_s: float,
    ) -> tuple[Surge, ...]:
        """Return what is held back now.

        Parameters
        ----------
        deployments : iterable of Deployment
        waiting : iterable of PodFact
            Behind our gate.
        most_of : callable
            The most milliwatts that a pod of a workload states, and the highest priority of these.
        is_gated : callable
            Whether pods of a namespace with some labels wait behind our gate.
        clock_s : float
            By a clock that only goes on.
        """
        own = {pod.owner: pod for pod in waiting if pod.owner}
        behind = Counter(pod.owner for pod in waiting if pod.owner)
        before, self._progress = self._progress, {}
        found = []
        for each in deployments:
            owner = f"{each.metadata.namespace}/Deployment/{each.metadata.name}"
            meta = each.spec.template.metadata
            if not is_rolling(each) or not is_gated(each.metadata.namespace, (meta and meta.labels) or {}):
                continue
            if self._progresses(owner, each, before.get(owner), clock_s) and (pods := _pods(each, behind[owner])):
                mw, priority = most_of(owner)
                found.append(Surge(owner, pods, priority, _asks(each, own.get(owner), mw)))
        return tuple(found)

    def _progresses(self, owner: str, each: Deployment, before: _Progress | None, clock_s: float) -> bool:
        """Whether a roll-out has come further within its deadline, by our clock and by what its controller says."""
        status, generation = each.status, each.metadata.generation
        now = (status.updated_replicas, status.updated_replicas - status.replicas, status.available_replicas)
        if before is None or before.generation != generation:
            before = _Progress(generation, now, clock_s)
        best = tuple(max(pair) for pair in zip(before.best, now, strict=True))
        if best != before.best:
            before = replace(before, best=(best[0], best[1], best[2]), at_s=clock_s)
        self._progress[owner] = before
        if each.metadata.generation == status.observed_generation and any(
            one.type == "Progressing" and one.status == "False" for one in status.conditions or ()
        ):
            return False
        stated = each.spec.progress_deadline_seconds
        return clock_s - before.at_s <= min(DEADLINE_S if stated is None else stated, LONGEST_S)


def _pods(each: Deployment, waiting: int) -> int:
    """Pods of the surge that hold no watts yet: those to come, and those that wait."""
    try:
        surge = surge_pods(each.spec)
    except InputError:
        return 0
    above = max(0, each.status.replicas - (1 if each.spec.replicas is None else each.spec.replicas))
    return min(surge, max(0, surge - above) + waiting)


def _asks(each: Deployment, waiting: PodFact | None, most_mw: int) -> Asks:
    """What a pod to come asks for: as one that waits, or as the template says with the watts of those that run."""
    if waiting is not None and waiting.wish is not None:
        return Asks(waiting.draw, waiting.requests, waiting.wish)
    template = each.spec.template
    asks = asks_of(template.spec, template.metadata.annotations if template.metadata else None)
    return asks if asks.draw.stated_mw or not most_mw else replace(asks, draw=Draw(most_mw))
