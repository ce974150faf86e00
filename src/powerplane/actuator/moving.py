"""One move: from what its plan's status says and what the cluster shows to its next step, and to what is done in it.

A step is written before what belongs to it is done, so that whoever takes over knows what may have been done. Nothing
is done that the cluster does not ask for at that moment: done already, it is not done again.
"""

from collections.abc import Callable
from dataclasses import replace

from powerplane.actuator.acts import Act, Evict, Hold, Nominate, Release, Ungate
from powerplane.actuator.facts import Move, MoveState, Plan, PodFact
from powerplane.actuator.look import Look
from powerplane.actuator.placeholders import placeholder_name
from powerplane.actuator.steering import SKEW_S, successor_of
from powerplane.actuator.throttling import IN_PLACE, Resizer
from powerplane.actuator.words import Step
from powerplane.models.marks import MOVE_GATE, OWN_NAMESPACE

STOPPED = "Stopped"
LEVERS = ("migrate", "evict")
"""What is built: a move by any other lever is passed over."""


class Mover:
    """Judges the moves of one plan.

    Parameters
    ----------
    look : Look
    plan : Plan
    closing : str
        Why nothing more is begun; "" while all goes on.
    wave : int
        The wave whose moves may begin.
    """

    def __init__(self, look: Look, plan: Plan, closing: str, wave: int) -> None:
        self._look = look
        self._plan = plan
        self._closing = closing
        self._wave = wave
        self._resizer = Resizer(look, plan, closing, wave)
        self._steps: dict[Step, Callable[[Move, MoveState], MoveState]] = {
            "Waiting": self._waiting,
            "Reserving": self._reserving,
            "Reserved": self._reserved,
            "Evicting": self._evicting,
            "Evicted": self._evicted,
            "Steering": self._steering,
            "Bound": self._bound,
            "Resizing": self._resizer.resizing,
        }

    # -- the next step

    def advance(self, move: Move, state: MoveState) -> MoveState:
        """Return how far a move has come by now: as many steps as the cluster shows done."""
        new = self._next(move, state)
        while new.step != state.step:
            state, new = new, self._next(move, new)
        return new

    def _next(self, move: Move, state: MoveState) -> MoveState:
        judge = self._steps.get(state.step)
        if judge is None:
            return state
        new = judge(move, state)
        if new.ended:
            self._look.recall.drop_answer(move.uid)
        # A successor may be as old as the eviction, which is not younger than the step in which it was asked for.
        stays = new.step == state.step or (state.step, new.step) == ("Evicting", "Evicted")
        now_s = self._look.grounds.now_s
        begun_s = new.begun_s or (0.0 if new.step == "Skipped" else now_s)
        return new if stays else replace(new, at_s=now_s, begun_s=begun_s)

    def _waiting(self, move: Move, state: MoveState) -> MoveState:
        if move.lever in IN_PLACE:
            return self._resizer.waiting(move, state)
        if self._closing:
            return _end(state, "Skipped", self._closing)
        if move.wave != self._wave:
            return state
        leaver = self._look.world.pod(move.uid)
        if leaver is None or not leaver.there:
            return _end(state, "Skipped", "PodGone", "the pod went before it was moved")
        told = self._unfit(move, leaver)
        if told:
            return _end(state, "Skipped", told)
        taken = self._look.taken.get(move.uid, self._plan.name) != self._plan.name
        if taken or self._look.grounds.pause or self._look.room.lacks(move):
            return state
        if move.migrates:
            lost = self._target_lost(move)
            if lost:
                return _end(state, "Failed", lost, f"{move.target} takes no pods")
            if not self._fits(move, leaver):
                if self._aged(move, "room") > self._look.terms.reserve_s:
                    return _end(state, "Failed", "TargetFull", f"{move.target} has no room for it")
                return state
        elif not self._may_evict():
            return state
        self._look.room.take(move)
        self._look.taken[move.uid] = self._plan.name
        if move.migrates:
            self._look.promised.setdefault(move.target, {})[move.uid] = leaver.requests
            return replace(state, step="Reserving", attempts=1)
        return self._to_evicting(state)

    def _reserving(self, move: Move, state: MoveState) -> MoveState:
        undone = self._undone(move, state)
        if undone is not None:
            return undone
        if self._held(move):
            return replace(state, step="Reserved", reason="", message="")
        if self._aged(move, "Reserving", state.attempts) > self._look.terms.reserve_s:
            return _end(state, "RolledBack", "NotReserved", f"no place could be held on {move.target}")
        return state

    def _reserved(self, move: Move, state: MoveState) -> MoveState:
        undone = self._undone(move, state)
        if undone is not None:
            return undone
        if not self._held(move):
            return self._reserve_again(move, state)
        if self._aged(move, "Reserved", state.attempts) > self._look.terms.hold_s:
            return _end(state, "RolledBack", "Paused", self._look.grounds.pause or "no eviction was due for too long")
        return self._to_evicting(state) if self._may_evict() else state

    def _evicting(self, move: Move, state: MoveState) -> MoveState:
        leaver = self._look.world.pod(move.uid)
        if leaver is None or not leaver.there:
            if self._closing == STOPPED:
                return _end(state, "Failed", STOPPED, "it was being evicted when all was stopped")
            return replace(state, step="Evicted", reason="", message="")
        undone = self._undone(move, state)
        if undone is not None:
            return undone
        if move.migrates and not self._held(move):
            return self._reserve_again(move, state)
        answer = self._look.recall.answer(move.uid)
        if answer is None:
            return state
        if answer.verdict == "never":
            return _end(state, "RolledBack", answer.reason, answer.message)
        if self._aged(move, "Evicting", state.attempts) > self._look.terms.budget_s:
            return _end(state, "RolledBack", answer.reason or "NotEvicted", answer.message)
        return replace(state, reason=answer.reason, message=answer.message)

    def _evicted(self, move: Move, state: MoveState) -> MoveState:
        look = self._look
        if self._closing == STOPPED:
            return _end(state, "Failed", STOPPED, "its successor goes where the scheduler sends it")
        gone = look.world.pod(move.uid) is None
        if not move.migrates:
            return replace(state, step="Ready") if gone else self._still_leaving(move, state)
        found = successor_of(move, max(state.at_s - SKEW_S, self._plan.created_s), look.world, look.claims)
        if found is not None:
            look.claims.take(found.uid)
            return replace(state, step="Steering", successor=found.name, successor_uid=found.uid, reason="", message="")
        patience_s = look.terms.job_successor_s if move.owner_kind == "Job" else look.terms.successor_s
        if gone and self._aged(move, "gone", state.attempts) > patience_s:
            return _end(state, "Done", "NoSuccessor", "its controller made no other pod")
        return state if gone else self._still_leaving(move, state)

    def _still_leaving(self, move: Move, state: MoveState) -> MoveState:
        if self._aged(move, "leaving", state.attempts) > self._look.terms.leave_s:
            return _end(state, "Failed", "StillLeaving", "the evicted pod does not end")
        return state

    def _steering(self, move: Move, state: MoveState) -> MoveState:
        if self._closing == STOPPED:
            return _end(state, "Failed", STOPPED, "its successor goes where the scheduler sends it")
        successor = self._look.world.pod(state.successor_uid)
        if successor is None or not successor.there:
            return self._follow_again(state)
        if successor.node:
            return self._landed(move, state, successor)
        gates, terms = ", ".join(successor.gates), self._look.terms
        if self._aged(move, f"Steering {bool(gates)}", state.attempts) > (terms.gate_s if gates else terms.bind_s):
            told = f"{state.successor} waits behind {gates}" if gates else f"{state.successor} found no node"
            return _end(state, "Failed", "NotScheduled", told)
        return state

    def _bound(self, move: Move, state: MoveState) -> MoveState:
        successor = self._look.world.pod(state.successor_uid)
        if successor is None or not successor.there:
            if self._closing == STOPPED:
                return _end(state, "Failed", STOPPED)
            return self._follow_again(state)
        if successor.ready:
            return replace(state, step="Ready")
        if self._closing == STOPPED:
            return _end(state, "Failed", STOPPED, f"{state.successor} was not ready yet when all was stopped")
        if self._aged(move, "Bound", state.attempts) > self._look.terms.ready_s:
            return _end(state, "Failed", "NotReady", f"{state.successor} did not become ready on {state.node}")
        return state

    # -- what is done in a step

    def acts(self, move: Move, state: MoveState) -> tuple[Act, ...]:
        """Return what the step that is written asks to be done now."""
        begins = not self._closing and not self._look.grounds.pause
        match state.step:
            case "Reserving" if begins:
                return self._hold(move, state)
            case "Evicting" if begins:
                return self._evict(move)
            case "Evicted" if not self._closing and not self._held(move) and move.migrates:
                return self._hold(move, state)
            case "Steering":
                return self._steer(move, state)
            case "Resizing":
                return self._resizer.acts(move)
        return ()

    def _hold(self, move: Move, state: MoveState) -> tuple[Act, ...]:
        if self._target_lost(move):
            return ()
        holds = list(self._look.world.holds(self._plan.name, move.uid))
        wanted = placeholder_name(move.uid, self._plan.uid, state.attempts)
        if any(pod.nominated == move.target for pod in holds):
            return ()
        mine = next((pod for pod in holds if pod.name == wanted), None)
        if mine is not None:
            return (Nominate(OWN_NAMESPACE, mine.name, mine.uid, move.target),)
        return (Hold(self._plan.name, self._plan.uid, move.namespace, move.pod, move.uid, move.target, state.attempts),)

    def _evict(self, move: Move) -> tuple[Act, ...]:
        leaver = self._look.world.pod(move.uid)
        if leaver is None or not leaver.there or not self._look.recall.may_ask(move.uid):
            return ()
        if not move.migrates:
            return (Evict(move.namespace, move.pod, move.uid),)
        hold = self._holder(move)
        return (Evict(move.namespace, move.pod, move.uid, hold.name, move.target),) if hold else ()

    def _steer(self, move: Move, state: MoveState) -> tuple[Act, ...]:
        """Nominate the successor first, so that at every moment somebody holds the room."""
        successor = self._look.world.pod(state.successor_uid)
        if successor is None or not successor.there or successor.node or MOVE_GATE not in successor.gates:
            return ()
        acts: list[Act] = []
        if not self._target_lost(move) and not self._has_way(move, successor):
            return ()
        if successor.nominated != move.target and not self._target_lost(move):
            acts.append(Nominate(successor.namespace, successor.name, successor.uid, move.target))
        acts += [Release(pod.namespace, pod.name, pod.uid) for pod in self._look.world.holds(self._plan.name, move.uid)]
        return (*acts, let_go(successor))

    def _has_way(self, move: Move, successor: PodFact) -> bool:
        """Whether a successor may be nominated now: until its placeholder is gone, two hold room for one pod.

        Where the node has no room for that, another successor that is let go at this moment would find it full and go
        elsewhere; so there they come one after the other.
        """
        key, look = (self._plan.name, move.uid), self._look
        coming = look.coming.setdefault(move.target, {})
        others = {other: pod for other, pod in coming.items() if other != key}
        if others and key not in coming:
            unseen = {other[1]: pod.requests for other, pod in others.items() if pod.nominated != move.target}
            node = look.world.node(move.target)
            if node is None or not look.world.fits(successor, node, unseen):
                return False
        coming[key] = successor
        return True

    # -- conditions

    def _undone(self, move: Move, state: MoveState) -> MoveState | None:
        """What ends a move whose pod is still there: it is as if it had never begun, once its placeholder is gone."""
        if self._closing:
            return _end(state, "RolledBack", self._closing)
        leaver = self._look.world.pod(move.uid)
        if leaver is None or not leaver.there:
            return _end(state, "Skipped", "PodGone", "the pod went before it was moved")
        told = self._unfit(move, leaver) or (self._target_lost(move) if move.migrates else "")
        return _end(state, "RolledBack", told) if told else None

    def _unfit(self, move: Move, leaver: PodFact) -> str:
        """Why a pod may not be moved as the plan says."""
        if move.lever not in LEVERS:
            return "NoSuchLever"
        if leaver.stays:
            return "DoNotDisrupt"
        if not leaver.owner:
            return "NoOwner"  # nobody would make another
        if (leaver.namespace, leaver.name, leaver.node) != (move.namespace, move.pod, move.source):
            return "NotAsPlanned"
        if move.migrates and (move.target in ("", move.source) or leaver.owner != move.owner):
            return "NotAsPlanned"
        if self._look.recall.backs_off((leaver.namespace, leaver.owner)):
            return "BackedOff"
        return self._look.grounds.forbids(move, leaver)

    def _target_lost(self, move: Move) -> str:
        node = self._look.world.node(move.target)
        return "" if node is not None and node.usable else "TargetLost"

    def _fits(self, move: Move, leaver: PodFact) -> bool:
        node = self._look.world.node(move.target)
        promised = self._look.promised.get(move.target, {})
        return node is not None and self._look.world.fits(leaver, node, promised)

    def _held(self, move: Move) -> bool:
        """Whether a placeholder holds the pod's place."""
        return self._holder(move) is not None

    def _holder(self, move: Move) -> PodFact | None:
        """The placeholder that holds the pod's place."""
        holds = self._look.world.holds(self._plan.name, move.uid)
        return next((pod for pod in holds if pod.nominated == move.target), None)

    def _may_evict(self) -> bool:
        look = self._look
        warm = look.recall.age_s((self._plan.name, "running")) >= look.terms.warm_s
        return warm and not look.grounds.pause and look.hour.left(look.grounds.clock_s) > look.begun

    def _to_evicting(self, state: MoveState) -> MoveState:
        self._look.begun += 1
        return replace(state, step="Evicting", reason="", message="")

    def _reserve_again(self, move: Move, state: MoveState) -> MoveState:
        if state.attempts >= self._look.terms.most_attempts:
            return _end(state, "RolledBack", "NotReserved", f"the place on {move.target} was lost again and again")
        return replace(state, step="Reserving", reason="", message="", attempts=state.attempts + 1)

    def _follow_again(self, state: MoveState) -> MoveState:
        if state.attempts >= self._look.terms.most_attempts:
            return _end(state, "Failed", "SuccessorGone", "pods that came in its place went again")
        return replace(
            state, step="Evicted", successor="", successor_uid="", node="", attempts=state.attempts + 1, reason=""
        )

    @staticmethod
    def _landed(move: Move, state: MoveState, successor: PodFact) -> MoveState:
        astray = successor.node != move.target
        return replace(
            state,
            step="Ready" if successor.ready else "Bound",
            node=successor.node,
            reason="LandedElsewhere" if astray else "",
            message=f"{successor.name} is on {successor.node}, not on {move.target}" if astray else "",
        )

    def _aged(self, move: Move, what: str, attempt: int = 0) -> float:
        return self._look.recall.age_s((self._plan.name, move.uid, what, attempt))


def let_go(pod: PodFact) -> Ungate:
    """Take the gate of moves off a pod."""
    return Ungate(pod.namespace, pod.name, pod.uid, pod.gates.index(MOVE_GATE))


def _end(state: MoveState, step: Step, reason: str, message: str = "") -> MoveState:
    return replace(state, step=step, reason=reason, message=message)
