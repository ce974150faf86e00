"""A move whose successor comes first: taken out of its ReplicaSet, a pod serves on until the one in its place is ready.

Where a move surges, ``Surging`` stands between ``Reserved`` and ``Evicting``: the pod loses the label by which its
ReplicaSet knows it, the ReplicaSet makes another, which is steered to the target as any successor is; once that is
ready, the pod is evicted. Whatever goes wrong before, the move is rolled back: the label is given back, and the
ReplicaSet deletes the pod that it has too many. What was taken off stands on the pod itself, so that a pod that no move
is about any more is given back as well, whoever took it out.
"""

from collections.abc import Iterable
from dataclasses import replace

from powerplane.actuator.acts import Act, Detach, Errand, Evict, Reattach, Release
from powerplane.actuator.facts import Move, MoveState, Plan, PodFact
from powerplane.actuator.look import Look
from powerplane.actuator.moving import STOPPED, Mover
from powerplane.actuator.steering import SKEW_S, successor_of
from powerplane.actuator.words import SURGED, Step
from powerplane.actuator.world import World
from powerplane.models.surge import read_detached

GIVEN_BACK = "GivenBack"


class SurgingMover(Mover):
    """Judges the moves of one plan, those too whose successors come first."""

    def __init__(self, look: Look, plan: Plan, closing: str, wave: int) -> None:
        super().__init__(look, plan, closing, wave)
        self._steps["Surging"] = self._surging

    # -- the next step

    def _reserved(self, move: Move, state: MoveState) -> MoveState:
        new = super()._reserved(move, state)
        leaver = self._look.world.pod(move.uid)
        surges = new.step == "Evicting" and move.surge and leaver is not None and leaver.surges
        return replace(new, step="Surging") if surges else new

    def _surging(self, move: Move, state: MoveState) -> MoveState:
        leaver = self._look.world.pod(move.uid)
        if leaver is None or not leaver.there:
            # What came in its place is steered on as any successor.
            gone = _end(state, "Skipped", "PodGone", "the pod went before it was moved")
            return replace(state, step="Steering") if state.successor_uid else gone
        if not leaver.detached:
            return self._detaching(move, state)
        told = self._closing or self._look.grounds.forbids(move, leaver)
        if told:
            return _end(state, "RolledBack", told)
        return self._succeeding(move, state) if state.successor_uid else self._awaiting(move, state)

    def _detaching(self, move: Move, state: MoveState) -> MoveState:
        """Its pod is its ReplicaSet's still."""
        if state.successor_uid:
            return _end(state, "RolledBack", GIVEN_BACK, "somebody gave the pod back to its ReplicaSet")
        undone = self._undone(move, state)
        if undone is not None:
            return undone
        if not self._held(move):
            return self._reserve_again(move, state)
        answer = self._look.recall.answer(move.uid)
        if answer is not None and answer.verdict == "never":
            # It may not surge now. It may be moved all the same.
            self._look.recall.drop_answer(move.uid)
            return self._to_evicting(state) if self._may_evict() else state
        if self._aged(move, "Surging", state.attempts) > self._look.terms.reserve_s:
            return _end(state, "RolledBack", "NotDetached", "the pod could not be taken out of its ReplicaSet")
        return state

    def _awaiting(self, move: Move, state: MoveState) -> MoveState:
        """Its ReplicaSet is to make another."""
        look = self._look
        lost = self._target_lost(move)
        if lost:
            return _end(state, "RolledBack", lost)
        since_s = max(state.at_s - SKEW_S, self._plan.created_s)
        found = successor_of(move, since_s, look.world, look.claims)
        if found is not None:
            look.claims.take(found.uid)
            return replace(state, successor=found.name, successor_uid=found.uid)
        if self._aged(move, "surge", state.attempts) > look.terms.successor_s:
            return _end(state, "RolledBack", "NoSuccessor", "its controller made no other pod")
        return state

    def _succeeding(self, move: Move, state: MoveState) -> MoveState:
        """The one in its place is there, and becomes ready."""
        look, terms = self._look, self._look.terms
        successor = look.world.pod(state.successor_uid)
        if successor is None or not successor.there:
            if state.attempts >= terms.most_attempts:
                return _end(state, "RolledBack", "SuccessorGone", "pods that came in its place went again")
            return replace(state, successor="", successor_uid="", attempts=state.attempts + 1)
        if not successor.node:
            gates = ", ".join(successor.gates)
            if self._aged(move, f"surge {bool(gates)}", state.attempts) > (terms.gate_s if gates else terms.bind_s):
                told = f"{state.successor} waits behind {gates}" if gates else f"{state.successor} found no node"
                return _end(state, "RolledBack", "NotScheduled", told)
            return state
        if successor.node != move.target:
            told = f"{state.successor} is on {successor.node}, not on {move.target}"
            return _end(state, "RolledBack", "LandedElsewhere", told)
        if not successor.ready:
            if self._aged(move, "surge ready", state.attempts) > terms.ready_s:
                told = f"{state.successor} did not become ready on {move.target}"
                return _end(state, "RolledBack", "NotReady", told)
            return state
        if self._may_evict():
            return self._to_evicting(replace(state, node=successor.node))
        if self._aged(move, "surge held", state.attempts) > terms.hold_s:
            return _end(state, "RolledBack", "Paused", look.grounds.pause or "no eviction was due for too long")
        return state

    def _evicting(self, move: Move, state: MoveState) -> MoveState:
        if not state.successor_uid:
            return super()._evicting(move, state)
        look = self._look
        leaver, successor = look.world.pod(move.uid), look.world.pod(state.successor_uid)
        if leaver is None or not leaver.there:
            return replace(state, step="Evicted", reason="", message="")
        if self._closing:
            return _end(state, "RolledBack", self._closing)
        if not leaver.detached:
            return _end(state, "RolledBack", GIVEN_BACK, "somebody gave the pod back to its ReplicaSet")
        if successor is None or not successor.there:
            return _end(state, "RolledBack", "SuccessorGone", f"{state.successor} went before the pod was evicted")
        answer = look.recall.answer(move.uid)
        if answer is not None and answer.verdict == "never":
            return _end(state, "RolledBack", answer.reason, answer.message)
        if self._aged(move, "Evicting", state.attempts) > look.terms.budget_s:
            reason = (answer.reason if answer else "") or ("NotEvicted" if successor.ready else "NotReady")
            return _end(state, "RolledBack", reason, answer.message if answer else "")
        return replace(state, reason=answer.reason, message=answer.message) if answer else state

    def _evicted(self, move: Move, state: MoveState) -> MoveState:
        if not state.successor_uid:
            return super()._evicted(move, state)
        if self._look.world.pod(move.uid) is None or self._closing == STOPPED:
            return replace(state, step="Steering")
        return self._still_leaving(move, state)

    # -- what is done in a step

    def acts(self, move: Move, state: MoveState) -> tuple[Act, ...]:
        """Return what the step that is written asks to be done now."""
        if state.step == "Surging":
            return self._surge(move, state)
        if state.step != "Evicting" or not state.successor_uid:
            return super().acts(move, state)
        leaver, begins = self._look.world.pod(move.uid), not self._closing and not self._look.grounds.pause
        if not begins or leaver is None or not leaver.there or not self._look.recall.may_ask(move.uid):
            return ()
        surged = (state.successor, state.successor_uid)
        return (Evict(move.namespace, move.pod, move.uid, "", move.target, *surged),)

    def _surge(self, move: Move, state: MoveState) -> tuple[Act, ...]:
        begins = not self._closing and not self._look.grounds.pause
        leaver, hold = self._look.world.pod(move.uid), self._holder(move)
        if leaver is None or not leaver.there:
            return ()
        if not leaver.detached:
            if not begins or hold is None or state.successor_uid or self._look.recall.answer(move.uid) is not None:
                return ()
            return (Detach(move.namespace, move.pod, move.uid, move.owner, hold.name, move.target),)
        successor = self._look.world.pod(state.successor_uid)
        if not state.successor_uid:
            return self._hold(move, state) if begins and hold is None else ()
        if successor is None or not successor.node:
            return self._steer(move, state)
        holds = self._look.world.holds(self._plan.name, move.uid)
        return tuple(Release(pod.namespace, pod.name, pod.uid) for pod in holds)


def given_back(plans: Iterable[Plan], world: World, token: int) -> Iterable[Errand]:
    """Give pods back that were taken out of their ReplicaSet, and that no move is about any more.

    Parameters
    ----------
    plans : iterable of Plan
        As their status is written.
    world : World
    token : int
        Of whoever decides it.
    """
    out = list(world.detached())
    if not out:
        return
    moving = {uid for plan in plans if not plan.over for uid, each in plan.state.moves.items() if each.step in SURGED}
    for pod in out:
        if pod.uid not in moving:
            yield Errand(("", pod.uid), (_reattach(pod),), token)


def _reattach(pod: PodFact) -> Reattach:
    detached = read_detached(pod.detached)
    assert detached is not None  # `PodFact.detached` is "" where it cannot be read
    return Reattach(pod.namespace, pod.name, pod.uid, detached)


def _end(state: MoveState, step: Step, reason: str, message: str = "") -> MoveState:
    return replace(state, step=step, reason=reason, message=message)
