"""A pod is given other CPU where it is: held down by the lever throttle, given back what it had by restore.

The step Resizing is written first. What the pod had is noted on it before anything is taken away, so that whoever comes
next can give it back, whatever became of the plan. Each write holds only for the version of the pod that was seen.
Source: KEP-1287, In-place Update of Pod Resources.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from powerplane.actuator.acts import Act, Remember, Resize
from powerplane.actuator.facts import Move, MoveState, Plan, PodFact
from powerplane.actuator.look import Look
from powerplane.actuator.words import Step
from powerplane.models.cpu_limits import Before, ContainerCpu, Cpus, before_of, changed

THROTTLE, RESTORE = "throttle", "restore"
IN_PLACE = (THROTTLE, RESTORE)
NOT_TOUCHED = ("mirror pod", "do-not-disrupt")
"""Reasons to stay that count for pods that are held down, too."""


@dataclass(frozen=True, slots=True)
class Resizer:
    """Judges the moves of one plan that leave pods where they are.

    Parameters
    ----------
    look : Look
    plan : Plan
    closing : str
        Why nothing more is begun; "" while all goes on.
    wave : int
        The wave whose moves may begin.
    """

    look: Look
    plan: Plan
    closing: str
    wave: int

    def waiting(self, move: Move, state: MoveState) -> MoveState:
        """Return how far a move has come that had not begun."""
        look = self.look
        if self.closing:
            return _end(state, "Skipped", self.closing)
        if move.wave != self.wave:
            return state
        pod = look.world.pod(move.uid)
        if pod is None or not pod.there:
            return _end(state, "Skipped", "PodGone", "the pod went before it was resized")
        if told := self._unfit(move, pod):
            return _end(state, "Skipped", told)
        taken = look.taken.get(move.uid, self.plan.name) != self.plan.name
        if taken or look.grounds.pause or look.room.lacks(move) or self._spent():
            return state
        look.room.take(move)
        look.taken[move.uid] = self.plan.name
        look.begun += 1
        return replace(state, step="Resizing", attempts=1)

    def resizing(self, move: Move, state: MoveState) -> MoveState:
        """Return how far a move has come that has begun."""
        pod = self.look.world.pod(move.uid)
        if pod is None or not pod.there:
            return _end(state, "Skipped", "PodGone", "the pod went while it was resized")
        if _has(pod.cpus, move.after) and not _noted_still(move, pod):
            return self._resized(move, state, pod)
        if self.closing:
            return _end(state, "RolledBack", self.closing)
        if told := self._unfit(move, pod):
            return _end(state, "RolledBack", told)
        answer = self.look.recall.answer(move.uid)
        if answer is not None and answer.verdict == "never":
            return _end(state, "RolledBack", answer.reason, answer.message)
        if self._aged(move, "asked") > self.look.terms.resize_s:
            return _end(state, "RolledBack", "ResizeNotTaken", "the API server did not take the resize in time")
        return state

    def acts(self, move: Move) -> tuple[Act, ...]:
        """Return what is to be done now: one write, which the next look builds on."""
        pod = self.look.world.pod(move.uid)
        if pod is None or not pod.there or self.closing or self.look.grounds.pause or self._unfit(move, pod):
            return ()
        about = (pod.namespace, pod.name, pod.uid, pod.version)
        if move.lever == THROTTLE and not pod.throttled:
            return (Remember(*about, Before(move.before, move.used_milli).told()),)
        if not _has(pod.cpus, move.after):
            return (Resize(*about, move.after),)
        return (Remember(*about, ""),) if _noted_still(move, pod) else ()

    def _resized(self, move: Move, state: MoveState, pod: PodFact) -> MoveState:
        """The API server has taken it: now the kubelet has to do it."""
        terms = self.look.terms
        if pod.resize == "Infeasible":
            return _end(state, "Failed", "ResizeInfeasible", f"the kubelet of {pod.node} cannot resize it")
        if _has(pod.given, move.after):
            return replace(state, step="Ready", reason="", message="", node=pod.node)
        waited_s = self._aged(move, "given")
        if not pod.given and waited_s > terms.report_s:
            message = "its kubelet does not report what containers have"
        elif waited_s > terms.resize_s:
            message = f"its kubelet has not done it yet: {pod.resize or 'it says nothing of it'}"
        else:
            return state
        return replace(state, step="Ready", reason="", message=message, node=pod.node)

    def _spent(self) -> bool:
        """Whether the hour's budget allows no more."""
        return self.look.hour.left(self.look.grounds.clock_s) <= self.look.begun

    def _unfit(self, move: Move, pod: PodFact) -> str:
        """Why a pod may not be resized as the plan says."""
        if (pod.namespace, pod.name, pod.node) != (move.namespace, move.pod, move.source) or not move.after:
            return "NotAsPlanned"
        if not (_has(pod.cpus, move.before) or _has(pod.cpus, move.after)):
            return "NotAsPlanned"  # somebody else has resized it since
        if move.lever == RESTORE:
            return self._unfit_to_restore(move, pod)
        if pod.stays in NOT_TOUCHED:
            return "DoNotDisrupt"
        if not _lowers(pod, move):
            return "NotAsPlanned"
        return self.look.grounds.forbids(move, pod)

    def _unfit_to_restore(self, move: Move, pod: PodFact) -> str:
        before = before_of(pod.throttled)
        if before is None or not _gives_back(move.after, move.before, before):
            return "NotAsPlanned"
        if move.policy and self._is_over():
            return "NoHeadroom"
        return self.look.grounds.forbids(move, pod)

    def _is_over(self) -> bool:
        """Whether a domain of the plan draws more than it may by now."""
        found = ((each, self.look.grounds.measured.get(each.name)) for each in self.plan.domains)
        return any(
            now is not None and 0 < (now.budget_watts or domain.budget_watts) < now.watts for domain, now in found
        )

    def _aged(self, move: Move, what: str) -> float:
        return self.look.recall.age_s((self.plan.name, move.uid, what))


def _noted_still(move: Move, pod: PodFact) -> bool:
    """Whether a pod that has back what it had still says that it is held down."""
    return move.lever == RESTORE and bool(pod.throttled)


def _has(cpus: Cpus, wanted: Cpus) -> bool:
    return bool(wanted) and _of(cpus, wanted) == wanted


def _of(cpus: Cpus, like: Iterable[ContainerCpu]) -> Cpus:
    """The same containers of it, in the same order."""
    by_name = {each.container: each for each in cpus}
    return tuple(by_name[each.container] for each in like if each.container in by_name)


def _lowers(pod: PodFact, move: Move) -> bool:
    """Whether a plan takes something away, gives nobody more, and goes no lower than may be."""
    before = before_of(pod.throttled) if pod.throttled else Before(())
    if before is None:
        return False
    originals = {each.container: each for each in changed(move.before, before.cpus)}
    return all(_is_lower(now, new, originals[new.container]) for now, new in zip(move.before, move.after, strict=True))


def _is_lower(now: ContainerCpu, new: ContainerCpu, original: ContainerCpu) -> bool:
    if new.limit is None or original.floor is None or (new.request is None) != (now.request is None):
        return False
    lower = (now.limit is None or new.limit <= now.limit) and (new.request or 0) <= (now.request or 0)
    return lower and new.limit >= min(original.floor, now.limit if now.limit is not None else original.floor)


def _gives_back(new: Cpus, now: Cpus, before: Before) -> bool:
    """Whether each container gets what it had; one that had no limit, one that is no lower than now."""
    had = {each.container: each for each in before.cpus}
    for each, present in zip(new, now, strict=True):
        old = had.get(each.container)
        if old is None or old.request != each.request:
            return False
        freed = old.limit is None and (present.limit is None or (each.limit or 0) >= present.limit)
        if old.limit != each.limit and not freed:
            return False
    return True


def _end(state: MoveState, step: Step, reason: str, message: str = "") -> MoveState:
    return replace(state, step=step, reason=reason, message=message)
