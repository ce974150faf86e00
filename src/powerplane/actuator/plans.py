"""Plans as the watch told them, with what this replica wrote since and the watch does not show yet."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from powerplane.actuator.facts import Plan, PlanState
from powerplane.actuator.plan_reading import read_plan
from powerplane.adapters.watch import Batch
from powerplane.models.api.conditions import Condition
from powerplane.models.api.placement_plan import PlacementPlanObject


@dataclass(slots=True)
class _Ahead:
    """A status that was written: its version, and the versions that it stands in the place of."""

    state: PlanState
    version: str
    before: set[str] = field(default_factory=set)


class Plans:
    """All plans.

    Parameters
    ----------
    changed : callable
        Called after each batch.
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._lock = threading.Lock()
        self._changed = changed
        self._plans: dict[str, Plan] = {}
        self._ahead: dict[str, _Ahead] = {}
        self._conditions: dict[str, tuple[Condition, ...]] = {}

    def take(self, batch: Batch[PlacementPlanObject]) -> None:
        """Take in a batch of plans."""
        told = [(what, read_plan(each), each.status) for what, each in batch.changes]
        with self._lock:
            if batch.replace:
                self._plans.clear()
                self._conditions.clear()
            for what, plan, status in told:
                self._plans.pop(plan.name, None)
                self._conditions.pop(plan.name, None)
                if what != "DELETED":
                    self._plans[plan.name] = plan
                    self._conditions[plan.name] = tuple(status.conditions or ()) if status else ()
            for name in [name for name in self._ahead if not self._is_ahead(name)]:
                del self._ahead[name]
        self._changed()

    def all(self) -> list[Plan]:
        """Every plan, as its status is written."""
        with self._lock:
            return [self._now(plan) for plan in self._plans.values()]

    def named(self, name: str) -> Plan | None:
        """The plan of a name."""
        with self._lock:
            plan = self._plans.get(name)
            return self._now(plan) if plan else None

    def highest_token(self) -> int:
        """The highest token on any plan; 0 where none has one."""
        return max((plan.state.token for plan in self.all()), default=0)

    def conditions(self, name: str) -> tuple[Condition, ...]:
        """The conditions of a plan as they were last told, for the times at which they changed."""
        with self._lock:
            return self._conditions.get(name, ())

    def wrote(self, plan: Plan, state: PlanState, version: str) -> None:
        """Take in that a status was written over the version that a plan was seen in."""
        with self._lock:
            ahead = self._ahead.get(plan.uid)
            before = ahead.before if ahead else set()
            self._ahead[plan.uid] = _Ahead(state, version, before | {plan.version})

    def _now(self, plan: Plan) -> Plan:
        ahead = self._ahead.get(plan.uid)
        if ahead is None or plan.version not in ahead.before:
            return plan
        return replace(plan, state=ahead.state, version=ahead.version)

    def _is_ahead(self, uid: str) -> bool:
        return any(plan.uid == uid and plan.version in self._ahead[uid].before for plan in self._plans.values())
