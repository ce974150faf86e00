"""Acts and statuses as requests to the API server."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec

from powerplane.actuator.acts import Act, Detach, Evict, Hold, Nominate, Reattach, Release, Remember, Resize, Ungate
from powerplane.actuator.engine import Outcome, Wrote
from powerplane.actuator.evicting import eviction_body, read_answer
from powerplane.actuator.facts import Plan, PlanState
from powerplane.actuator.outcomes import outcome_of
from powerplane.actuator.placeholders import MovingPod, placeholder_body, placeholder_name
from powerplane.actuator.plan_writing import status_of
from powerplane.actuator.reads import read
from powerplane.actuator.resize_hands import remember, resize
from powerplane.actuator.surge_hands import SurgeHands
from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_http import TRANSPORT_ERRORS, reason
from powerplane.adapters.cluster_writes import Writer, Written, pod_path
from powerplane.models.api.conditions import Condition
from powerplane.models.api.kinds import PLACEMENT_PLAN
from powerplane.models.marks import HOLD_FOR_ANNOTATION, MOVE_GATE, OWN_NAMESPACE
from powerplane.models.objects import Narrow, ObjectMeta


class _Placed(Narrow, frozen=True):
    """An object as far as its version and UID go."""

    metadata: ObjectMeta


class _Nominated(Narrow, frozen=True):
    """Where a pod that waits is nominated to."""

    nominated_node_name: str = ""


class _Holding(Narrow, frozen=True):
    """A placeholder as far as it holds a place."""

    metadata: ObjectMeta
    status: _Nominated = _Nominated()


class ClusterHands:
    """`Hands` in a cluster.

    Parameters
    ----------
    access : ClusterAccess
    writer : Writer
        Of one attempt: what was not done is looked at again before it is tried again.
    conditions : callable
        The conditions of a plan as they stand, by its name.
    timeout_s : float
        For one request.
    now : callable
        Unix seconds.
    """

    def __init__(
        self,
        access: ClusterAccess,
        writer: Writer,
        conditions: Callable[[str], tuple[Condition, ...]],
        timeout_s: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._access = access
        self._writer = writer
        self._conditions = conditions
        self._timeout_s = timeout_s
        self._now = now
        self._surges = SurgeHands(access, writer, timeout_s)

    def write(self, plan: Plan, state: PlanState) -> Wrote:
        """Write a plan's status, if the plan is still of the version that was seen."""
        status = status_of(plan, state, self._conditions(plan.name), self._now())
        written = self._writer.patch_status(PLACEMENT_PLAN.path(quote(plan.name, safe="")), status, plan.version)
        if not written.ok:
            return Wrote(False, told=written.told)
        placed = _decoded(written)
        return Wrote(True, placed.metadata.resource_version if placed else "")

    def act(self, act: Act) -> Outcome:
        """Do one thing."""
        match act:
            case Hold():
                return self._hold(act)
            case Nominate():
                return self._nominate(act)
            case Evict():
                return self._evict(act)
            case Release():
                return outcome_of(self._writer.delete(pod_path(act.namespace, act.pod), act.uid), done=(404,))
            case Ungate():
                return self._ungate(act)
            case Detach():
                return self._unheld(act) or self._surges.detach(act)
            case Reattach():
                return self._surges.reattach(act)
            case Remember():
                return remember(self._writer, act)
            case Resize():
                return resize(self._writer, act)

    def _hold(self, act: Hold) -> Outcome:
        """Make the placeholder after the pod as it is now, and nominate it."""
        try:
            answer = read(self._access, pod_path(act.namespace, act.pod), self._timeout_s)
        except TRANSPORT_ERRORS as error:
            return Outcome("unknown", reason(error, self._timeout_s))
        if answer.status != 200:
            return outcome_of(Written(answer.status, answer.body))
        try:
            pod = msgspec.json.decode(answer.body, type=MovingPod)
        except msgspec.DecodeError as error:
            return Outcome("refused", str(error))
        if pod.metadata.uid != act.uid:
            return Outcome("stale", "another pod has its name")
        made = self._writer.create(f"/api/v1/namespaces/{OWN_NAMESPACE}/pods", placeholder_body(act, pod))
        # One of this name that is there already is of an attempt whose answer was lost.
        if not made.ok and not made.conflict:
            return outcome_of(made)
        placed = _decoded(made) if made.ok else None
        name = placeholder_name(act.uid, act.plan_uid, act.attempt)
        return self._nominate(Nominate(OWN_NAMESPACE, name, placed.metadata.uid if placed else "", act.node))

    def _nominate(self, act: Nominate) -> Outcome:
        body: dict[str, Any] = {"status": {"nominatedNodeName": act.node}}
        if act.uid:
            body["metadata"] = {"uid": act.uid}
        return outcome_of(self._writer.merge_patch(f"{pod_path(act.namespace, act.pod)}/status", body))

    def _evict(self, act: Evict) -> Outcome:
        """Evict a pod whose place is held at this moment: watches may be late to tell that it is not any more."""
        if act.hold and (why_not := self._unheld(act)) is not None:
            return why_not
        if act.successor and (why_not := self._surges.why_unready(act)) is not None:
            return why_not
        written = self._writer.create(f"{pod_path(act.namespace, act.pod)}/eviction", eviction_body(act))
        answer = read_answer(written.status, written.body)
        if answer.verdict == "accepted":
            return Outcome("done", answer=answer)
        result = outcome_of(written).result if answer.verdict != "budget" else "stale"
        return Outcome(result, answer.message or written.told, answer)

    def _unheld(self, act: Evict | Detach) -> Outcome | None:
        """Why a pod's place is not known to be held; None where it is."""
        try:
            answer = read(self._access, pod_path(OWN_NAMESPACE, act.hold), self._timeout_s)
            found = msgspec.json.decode(answer.body, type=_Holding) if answer.status == 200 else None
        except (*TRANSPORT_ERRORS, msgspec.DecodeError) as error:
            return Outcome("unknown", reason(error, self._timeout_s))
        if found is None:
            return Outcome("stale" if answer.status == 404 else "unknown", f"{act.hold}: HTTP {answer.status}")
        holds = (found.metadata.annotations or {}).get(HOLD_FOR_ANNOTATION) == act.uid
        if not holds or found.metadata.deletion_timestamp or found.status.nominated_node_name != act.node:
            return Outcome("stale", f"{act.hold} does not hold its place on {act.node}")
        return None

    def _ungate(self, act: Ungate) -> Outcome:
        path = f"/spec/schedulingGates/{act.gate}"
        operations: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": act.uid},
            {"op": "test", "path": path, "value": {"name": MOVE_GATE}},
            {"op": "remove", "path": path},
        ]
        return outcome_of(self._writer.json_patch(pod_path(act.namespace, act.pod), operations))


def _decoded(written: Written) -> _Placed | None:
    try:
        return msgspec.json.decode(written.body, type=_Placed)
    except msgspec.DecodeError:
        return None
