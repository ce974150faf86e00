"""Looks, writes what was decided, and has done what is written: a machine with hands.

What is decided is written to the plan first, in one write that holds only for the version that was seen; only then is
it acted on. Before each act it is asked once more whether this replica still leads and nothing has been stopped.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from powerplane.actuator.acts import Act, Detach, Errand, Evict, Hold, Nominate, Remember, Resize
from powerplane.actuator.evicting import Answer
from powerplane.actuator.facts import Grounds, Plan, PlanState
from powerplane.actuator.machine import Machine
from powerplane.actuator.plans import Plans
from powerplane.actuator.recall import Recall
from powerplane.actuator.words import HOLDING, Step
from powerplane.actuator.world import World
from powerplane.models.marks import OWN_NAMESPACE

STEPS_OF: dict[type[Act], frozenset[Step]] = {
    Evict: frozenset(("Evicting",)),
    Detach: frozenset(("Surging",)),
    Remember: frozenset(("Resizing",)),
    Resize: frozenset(("Resizing",)),
}
"""Steps in which acts are wanted that begin something; of others, while a placeholder belongs to a move."""

FIRST_REST_S = 0.5
LONGEST_REST_S = 10.0

Result = Literal["done", "stale", "refused", "unknown"]
"""Done, or done before; not done, as the object is another by now; refused; or nobody knows."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an act: in a word and in words; of an eviction, the answer."""

    result: Result
    told: str = ""
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Wrote:
    """What became of a write to a plan's status: done, in which version; or why not."""

    done: bool
    version: str = ""
    told: str = ""


class Hands(Protocol):
    """What is needed of the API server."""

    def write(self, plan: Plan, state: PlanState) -> Wrote:
        """Write a plan's status, if the plan is still of the version that was seen."""
        ...

    def act(self, act: Act) -> Outcome:
        """Do one thing."""
        ...


class Watcher(Protocol):
    """Who is told what happens: metrics and events."""

    def wrote(self, plan: Plan, state: PlanState, wrote: Wrote) -> None:
        """Take in a write to a plan's status."""
        ...

    def acted(self, errand: Errand, act: Act, outcome: Outcome) -> None:
        """Take in what became of an act."""
        ...


@dataclass(slots=True)
class _Rest:
    acts: tuple[Act, ...]
    until_s: float
    failures: int


class Engine:
    """Looks and acts for one replica.

    Parameters
    ----------
    machine : Machine
    world : World
    plans : Plans
    recall : Recall
    hands : Hands
    watcher : Watcher
    submit : callable
        Has an errand carried out, at once or on another thread.
    may : callable
        Why an act of this token may not be done at this instant; "" where it may.
    clock : callable
        Seconds that only go on.
    """

    def __init__(
        self,
        *,
        machine: Machine,
        world: World,
        plans: Plans,
        recall: Recall,
        hands: Hands,
        watcher: Watcher,
        submit: Callable[[Errand], None],
        may: Callable[[Act, int], str],
        clock: Callable[[], float],
    ) -> None:
        self._machine = machine
        self._world = world
        self._plans = plans
        self._recall = recall
        self._hands = hands
        self._watcher = watcher
        self._submit = submit
        self._may = may
        self._clock = clock
        self._lock = threading.RLock()
        self._busy: set[tuple[str, str]] = set()
        self._rests: dict[tuple[str, str], _Rest] = {}
        self._unwritten: dict[str, tuple[float, int]] = {}

    def look(self, grounds: Grounds, token: int) -> bool:
        """Look once; says whether something was written, so that another look has more to do."""
        with self._lock, self._world.still():
            decision = self._machine.decide(self._plans.all(), self._world, grounds, token, frozenset(self._busy))
        written = 0
        refused: set[str] = set()
        known = {plan.uid for plan in self._plans.all()}
        self._unwritten = {uid: rest for uid, rest in self._unwritten.items() if uid in known}
        for plan, state in decision.states:
            if self._write(plan, state, grounds.clock_s):
                written += 1
            else:
                refused.add(plan.name)
        # Of a plan that somebody else has changed, or that cannot be written, nothing is known for sure.
        self._send(errand for errand in decision.errands if errand.key[0] not in refused)
        return bool(written)

    def _write(self, plan: Plan, state: PlanState, clock_s: float) -> bool:
        """Write a plan's status; one that could not be written is left alone for a while, longer each time."""
        until_s, failures = self._unwritten.get(plan.uid, (0.0, 0))
        if self._clock() < until_s:
            return False
        wrote = self._hands.write(plan, state)
        if wrote.done:
            self._plans.wrote(plan, state, wrote.version)
            self._machine.wrote(plan, state, clock_s)
            self._unwritten.pop(plan.uid, None)
        else:
            rest_s = min(FIRST_REST_S * 2.0 ** min(failures, 16), LONGEST_REST_S)
            self._unwritten[plan.uid] = (self._clock() + rest_s, failures + 1)
        self._watcher.wrote(plan, state, wrote)
        return wrote.done

    def carry(self, errand: Errand) -> None:
        """Do the acts of an errand, until one is not done."""
        failed = False
        try:
            for act in errand.acts:
                outcome = self.do(errand, act)
                if outcome.result != "done" and not _may_go_on(act, outcome):
                    failed = outcome.result != "stale"
                    break
        finally:
            self._done(errand, failed=failed)

    def do(self, errand: Errand, act: Act) -> Outcome:
        """Do one act, if it may still be done."""
        why_not = self._may(act, errand.token) or self._outlived(errand, act)
        outcome = Outcome("refused", why_not) if why_not else self._hands.act(act)
        if isinstance(act, Evict | Detach | Resize) and outcome.answer is not None:
            with self._lock:
                self._recall.answered(act.uid, outcome.answer)
        self._watcher.acted(errand, act, outcome)
        return outcome

    def _outlived(self, errand: Errand, act: Act) -> str:
        """Why an act is not wanted any more; "" where it is."""
        if not begins(act):
            return ""
        name, uid = errand.key
        plan = self._plans.named(name)
        if plan is None or plan.state.phase != "Running":
            return "its plan is over or gone"
        step = plan.state.of(uid).step
        steps = STEPS_OF.get(type(act), HOLDING)
        return "" if step in steps else f"its move is {step} by now"

    def _send(self, errands: Iterable[Errand]) -> None:
        now_s = self._clock()
        for errand in errands:
            with self._lock:
                rest = self._rests.get(errand.key)
                if errand.key in self._busy or (rest and rest.acts == errand.acts and now_s < rest.until_s):
                    continue
                self._busy.add(errand.key)
            self._submit(errand)

    def _done(self, errand: Errand, *, failed: bool) -> None:
        now_s = self._clock()
        with self._lock:
            self._busy.discard(errand.key)
            before = self._rests.get(errand.key)
            # An errand that has come further begins to count anew.
            again = before is not None and before.acts == errand.acts
            failures = (before.failures + 1 if before and again else 1) if failed else 0
            rest_s = min(FIRST_REST_S * 2.0**failures, LONGEST_REST_S)
            self._rests[errand.key] = _Rest(errand.acts, now_s + rest_s, failures)
            for key in [key for key, rest in self._rests.items() if now_s > rest.until_s + LONGEST_REST_S]:
                del self._rests[key]


def begins(act: Act) -> bool:
    """Whether an act begins something, and does not only bring to an end what was begun."""
    begun = isinstance(act, Evict | Hold | Detach | Remember | Resize)
    return begun or (isinstance(act, Nominate) and act.namespace == OWN_NAMESPACE)


def _may_go_on(act: Act, outcome: Outcome) -> bool:
    """A successor that may not be nominated is let go all the same: better astray than behind a gate for ever."""
    return isinstance(act, Nominate) and act.namespace != OWN_NAMESPACE and outcome.result == "refused"
