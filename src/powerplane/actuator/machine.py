"""What is decided at a look: how far each plan has come, and what is done now. Pure: the clocks are passed in.

Plans of one power tree go one after the other, the oldest first. Within a plan the next wave begins once every move of
the one before is done and the watts are confirmed; where a wave did not end as planned nothing more is begun, since the
next ones were planned on top of it.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace

from powerplane.actuator.acts import Errand, Release
from powerplane.actuator.confirming import Confirmed, confirm
from powerplane.actuator.facts import Grounds, Move, MoveState, Note, Plan, PlanState
from powerplane.actuator.limits import HourBudget, Limits, Room
from powerplane.actuator.look import Look, coming_to, promised_to
from powerplane.actuator.moving import STOPPED, let_go
from powerplane.actuator.recall import Recall
from powerplane.actuator.steering import Claims
from powerplane.actuator.surging import SurgingMover, given_back
from powerplane.actuator.terms import Terms
from powerplane.actuator.words import COUNTED, HOLDING, SETTLED, UNDER_WAY, Phase
from powerplane.actuator.world import World
from powerplane.models.blame import AS_PLANNED, lacking

PROGRESSING = "Progressing"
CONFIRMED = "Confirmed"

NEEDLESS = ("PodGone", "NoHeadroom")
"""Reasons of a move that was passed over because there was nothing to do."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a look came to.

    Parameters
    ----------
    states : tuple of (Plan, PlanState)
        Plans whose status is to be written.
    errands : tuple of Errand
        What is done now: by what is written already, never by what this look has decided.
    """

    states: tuple[tuple[Plan, PlanState], ...] = ()
    errands: tuple[Errand, ...] = ()


class Machine:
    """Decides, look by look.

    Parameters
    ----------
    terms : Terms
    limits : Limits
    recall : Recall
    hour : HourBudget
    """

    def __init__(self, terms: Terms, limits: Limits, recall: Recall, hour: HourBudget) -> None:
        self._terms = terms
        self._limits = limits
        self._recall = recall
        self._hour = hour

    def decide(
        self,
        plans: Iterable[Plan],
        world: World,
        grounds: Grounds,
        token: int,
        busy: Container[tuple[str, str]] = frozenset(),
    ) -> Decision:
        """Look once.

        Parameters
        ----------
        plans : iterable of Plan
            All there are, as their status is written.
        world : World
            Still, until this returns.
        grounds : Grounds
        token : int
            Fencing token of this replica.
        busy : container of (plan, UID)
            Moves for which something is being done at this moment.
        """
        every = sorted(plans, key=lambda plan: (plan.state.phase != "Running", plan.created_s, plan.name))
        under_way = [(move, plan.state.of(move.uid).step) for plan in every if not plan.over for move in plan.moves]
        claims = Claims(state for plan in every for state in plan.state.moves.values())
        room = Room(self._limits, under_way)
        promised = promised_to(under_way, world)
        taken = {
            uid: plan.name
            for plan in every
            if not plan.over
            for uid, each in plan.state.moves.items()
            if each.step in UNDER_WAY
        }
        look = Look(world, grounds, room, self._hour, claims, self._recall, self._terms, promised, taken)
        look.coming = coming_to((plan for plan in every if not plan.over), world, busy)
        written: list[tuple[Plan, PlanState]] = []
        errands: list[Errand] = []
        trees_taken: set[str] = set()
        for plan in (plan for plan in every if not plan.over and plan.state.token <= token):
            trees = set(plan.trees) or {""}
            state = _PlanLook(look, plan, token).advance(waits=bool(trees & trees_taken))
            trees_taken |= trees
            if state != plan.state:
                written.append((plan, state))
            # Before its token is on the plan, a replica that lost the Lease might still write to it.
            if plan.state.token == token and plan.state.phase == "Running":
                errands += self._errands(look, plan, state, token)
        # What one plan's status does not show yet must not be tidied away.
        if all(plan.state.token == token for plan in every if plan.state.phase == "Running"):
            errands += self._tidy(look, every, token)
            errands += given_back(every, world, token)
        self._recall.forget(plan.name for plan in every)
        return Decision(tuple(written), tuple(errands))

    def wrote(self, plan: Plan, state: PlanState, clock_s: float) -> None:
        """Take in that a status was written: evictions that it begins count from then on."""
        for uid, move in state.moves.items():
            if move.step in COUNTED and plan.state.of(uid).step != move.step:
                self._hour.take(clock_s)

    @staticmethod
    def _errands(look: Look, plan: Plan, state: PlanState, token: int) -> Iterable[Errand]:
        """What the steps ask for that are written and still hold."""
        mover = SurgingMover(look, plan, state.closing, plan.state.wave)
        for move in plan.moves:
            written = plan.state.moves.get(move.uid)
            if written is None or state.of(move.uid).step != written.step:
                continue
            acts = mover.acts(move, written)
            if acts:
                yield Errand((plan.name, move.uid), acts, token)

    @staticmethod
    def _tidy(look: Look, plans: Iterable[Plan], token: int) -> Iterable[Errand]:
        """Take away what belongs to no move: placeholders, and our gate on pods that nobody steers."""
        held: set[tuple[str, str]] = set()
        for plan in plans:
            if not plan.over:
                held |= {(plan.name, uid) for uid, each in plan.state.moves.items() if each.step in HOLDING}
        for pod in look.world.placeholders():
            if (pod.hold_of, pod.hold_for) not in held:
                yield Errand(("", pod.uid), (Release(pod.namespace, pod.name, pod.uid),), token)
        for pod in look.world.gated():
            if not look.claims.steers(pod.uid):
                yield Errand(("", pod.uid), (let_go(pod),), token)


class _PlanLook:
    """One plan at one look."""

    def __init__(self, look: Look, plan: Plan, token: int) -> None:
        self._look = look
        self._plan = plan
        self._now_s = look.grounds.now_s
        self._state = replace(plan.state, token=token, generation=plan.state.generation or plan.generation)

    def advance(self, *, waits: bool) -> PlanState:
        """Return how far the plan has come by now."""
        state, closing = self._state, self._closing()
        if state.phase in ("", "Pending"):
            if closing:
                return self._over(replace(state, moves=self._skipped(closing)), closing)
            if waits:
                note = Note("False", "Waits", "an older plan for this power tree is being carried out")
                return _noted(replace(state, phase="Pending"), PROGRESSING, note)
            state = replace(state, phase="Running", started_s=self._now_s, wave=self._first_wave())
        state = replace(state, closing=closing)
        self._look.recall.since_s((self._plan.name, "running"))
        state = self._moved(state)
        state = self._waved(state)
        if all(state.of(move.uid).ended for move in self._plan.moves):
            return self._over(state, state.closing)
        return _noted(state, PROGRESSING, self._progress(state))

    def _closing(self) -> str:
        """Why nothing more is begun; a stop stands before every other reason."""
        plan, state = self._plan, self._state
        if self._look.grounds.stop:
            return STOPPED
        if state.closing:
            return state.closing
        if plan.expires_s <= self._now_s:
            return "Expired"
        return "SpecChanged" if plan.generation != state.generation else ""

    def _moved(self, state: PlanState) -> PlanState:
        mover = SurgingMover(self._look, self._plan, state.closing, state.wave)
        moves = dict(state.moves)
        for move in self._ordered():
            before = state.of(move.uid)
            after = mover.advance(move, before)
            if after != before:
                moves[move.uid] = after
        return replace(state, moves=moves)

    def _ordered(self) -> list[Move]:
        """Where limits bind, pods of low priority are moved first."""
        return sorted(self._plan.moves, key=lambda move: (move.wave, move.priority))

    def _skipped(self, closing: str) -> dict[str, MoveState]:
        now_s = self._now_s
        return {
            move.uid: MoveState(move.uid, "Skipped", closing, at_s=now_s)
            for move in self._plan.moves
            if not self._state.of(move.uid).ended
        }

    # -- waves

    def _first_wave(self) -> int:
        return min((move.wave for move in self._plan.moves), default=0)

    def _last_wave(self) -> int:
        return max((move.wave for move in self._plan.moves), default=0)

    def _waved(self, state: PlanState) -> PlanState:
        """End a wave whose moves have settled, once its watts are confirmed; then the next one may begin."""
        wave = [move for move in self._plan.moves if move.wave <= state.wave]
        if not wave or any(state.of(move.uid).step not in SETTLED for move in wave):
            return state
        ready = [move for move in wave if state.of(move.uid).step == "Ready"]
        settled_s = self._look.recall.since_s((self._plan.name, "settled", state.wave))
        if ready and state.closing != STOPPED:
            confirmed = confirm(
                self._plan.domains,
                self._look.grounds.measured,
                settled_s,
                self._look.grounds.clock_s,
                self._look.terms.confirm,
                last=state.wave == self._last_wave(),
            )
            if confirmed.verdict == "wait":
                return state
            state = self._judged(state, confirmed)
        moves = dict(state.moves)
        for move in ready:
            moves[move.uid] = replace(moves[move.uid], step="Done", at_s=self._now_s)
        state = replace(state, moves=moves)
        later = [move.wave for move in self._plan.moves if move.wave > state.wave]
        if not later:
            return state
        closing = state.closing or self._incomplete(wave, state)
        if closing:
            if closing != STOPPED:
                self._blame(wave, state)
            return self._moved(replace(state, closing=closing))
        return replace(state, wave=min(later))

    def _judged(self, state: PlanState, confirmed: Confirmed) -> PlanState:
        """Take in what the wave's measurement said."""
        now_s = self._now_s
        state = replace(state, measured=tuple((name, watts, now_s) for name, watts in confirmed.watts))
        last = state.wave == self._last_wave()
        name = confirmed.domain
        match confirmed.verdict:
            case "worse":
                note = Note("False", "MoreThanForetold", f"{name} draws more than it may, and than was foretold")
            case "lowered":
                note = Note("False", "BudgetLowered", f"{name} draws what was foretold, and may draw less by now")
            case "blind":
                note = Note("Unknown", "NoTelemetry", f"nobody has measured {name} since the wave ended")
            case "over" if last:
                note = Note("False", "StillOver", f"{name} draws more than it may after all moves")
            case _:
                note = Note("True", "Measured" if confirmed.watts else "ByBooks", f"wave {state.wave}")
        state = _noted(state, CONFIRMED, note)
        if note.reason in ("MoreThanForetold", "StillOver"):
            self._blame(self._did_not_help(state, note.reason), state, all_of_them=True)
        if note.reason in ("MoreThanForetold", "BudgetLowered", "NoTelemetry"):
            return replace(state, closing=state.closing or note.reason)
        return state

    def _did_not_help(self, state: PlanState, why: str) -> list[Move]:
        """Moves so far after which watts are too many, and that are to blame for it."""
        begun = [move for move in self._plan.moves if move.wave <= state.wave]
        uids = lacking({move.uid: state.of(move.uid) for move in begun}, why)
        return [move for move in begun if move.uid in uids]

    def _incomplete(self, wave: Iterable[Move], state: PlanState) -> str:
        ended = (state.of(move.uid) for move in wave)
        return "" if all(each.step == "Done" and each.reason in AS_PLANNED for each in ended) else "WaveIncomplete"

    def _blame(self, wave: Iterable[Move], state: PlanState, *, all_of_them: bool = False) -> None:
        """Leave workloads alone for a while whose moves did not help."""
        terms = self._look.terms
        for move in wave:
            each = state.of(move.uid)
            # One that went astray has left its node all the same.
            helped = each.step == "Done"
            touched = each.successor_uid != "" or each.reason in ("SeveralBudgets", "Refused", "DisruptionBudget")
            if move.owner and touched and (all_of_them or not helped):
                self._look.recall.back_off((move.namespace, move.owner), terms.back_off_s, terms.longest_back_off_s)

    # -- the end

    def _over(self, state: PlanState, closing: str) -> PlanState:
        ends = [state.of(move.uid) for move in self._plan.moves]
        clean = all(
            (each.step == "Done" and each.reason in AS_PLANNED) or (each.step == "Skipped" and each.reason in NEEDLESS)
            for each in ends
        )
        phase: Phase
        if closing == STOPPED:
            phase = "Stopped"
        elif clean and closing in ("", "Expired", "NoTelemetry"):
            phase = "Done"
        else:
            phase = "Expired" if closing == "Expired" else "Failed"
        if phase == "Failed":
            self._blame(self._plan.moves, state)
        why = closing or next((each.reason for each in ends if each.step != "Done" and each.reason), "")
        note = Note("False", why or "Complete", "")
        return _noted(replace(state, phase=phase, closing=closing, finished_s=self._now_s), PROGRESSING, note)

    def _progress(self, state: PlanState) -> Note:
        if state.closing:
            return Note("False", state.closing, "what is under way is brought to its end, nothing more is begun")
        if self._look.grounds.pause:
            return Note("Unknown", "Paused", self._look.grounds.pause)
        return Note("True", "Wave", f"wave {state.wave}")


def _noted(state: PlanState, kind: str, note: Note) -> PlanState:
    return state if state.notes.get(kind) == note else replace(state, notes=state.notes | {kind: note})
