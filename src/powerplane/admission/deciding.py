"""One review, decided from the table: no waiting, no file, no question to anybody."""

from dataclasses import dataclass
from typing import Literal

from powerplane.adapters.strict_json import convert
from powerplane.admission.claims.claiming import claim_watts
from powerplane.admission.gates.gating import hold_back, hold_for_cap, hold_successor
from powerplane.admission.mutating import Json, give_watts
from powerplane.admission.own_caps import is_short
from powerplane.admission.planned import draw_to
from powerplane.admission.predicting import Source, class_key
from powerplane.admission.review import Request, Verdict
from powerplane.admission.scheduler_name import name_scheduler
from powerplane.admission.scope import owner_name, reason_to_leave
from powerplane.admission.table import Table
from powerplane.admission.unfit import judge_watts
from powerplane.models.api.capping_policy import Lock
from powerplane.models.errors import InputError
from powerplane.models.mobility import controller_of
from powerplane.models.objects import Pod
from powerplane.models.pod_watts import noted_watts
from powerplane.models.requests import pod_requests

PREDICTED = "predicted-watts"
RESTS_ON = "predicted-from"


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer and what to count it as.

    Parameters
    ----------
    verdict : Verdict
    result : str
        "changed", "kept", "warned", "denied", or why the pod was left as it is.
    watts : int
        What the pod asks for afterwards; 0 where it was left.
    source : str
        What its prediction rests on; "" where there is none.
    """

    verdict: Verdict
    result: str
    watts: int = 0
    source: Source | Literal[""] = ""


LEFT_ALONE = Verdict()


def decide(request: Request, table: Table) -> Decision:
    """Decide what becomes of a new pod.

    Parameters
    ----------
    request : Request
        Its object is changed in place.
    table : Table

    Raises
    ------
    MalformedError
        For an object that is no pod.
    """
    if (request.kind.group, request.kind.kind) != ("", "Pod") or request.sub_resource or request.object is None:
        return Decision(LEFT_ALONE, "other_kind")
    if request.operation != "CREATE":
        return Decision(LEFT_ALONE, "other_operation")
    pod = convert(request.object, Pod, "the pod")
    namespace = request.namespace or pod.metadata.namespace
    if reason := reason_to_leave(pod, table.labels_of(namespace)):
        return Decision(LEFT_ALONE, reason)
    choice = table.choice_for(namespace, pod.metadata.labels or {})
    if choice is None:
        return Decision(LEFT_ALONE, "no_policy")
    if not pod.spec.containers:
        return Decision(LEFT_ALONE, "unreadable")
    try:
        owner = f"{namespace}/{owner_name(pod.metadata)}"
        asked = pod_requests(pod.spec)
        # Its class is by what it came with: what is filled in is known of its workload.
        classed = table.predictor.classes and owner not in table.predictor.known
        alike = class_key(namespace, _images(request.object), asked) if classed else ""
        filled = table.filler.fill(request.object, pod, owner) if choice.fill_requests else []
        if filled:
            pod = convert(request.object, Pod, "the pod")
            asked = pod_requests(pod.spec)
        prediction = table.foretell(owner, pod.spec, asked, alike)
        lock = table.lock_of(choice)
        if lock == "Gate":
            mutation = hold_back(request.object, pod.spec, prediction, listed=table.listed)
        elif lock == "Claims":
            mutation = claim_watts(request.object, pod.spec, prediction, table.levels, listed=table.listed)
        else:
            mutation = give_watts(request.object, pod.spec, prediction)
        further = name_scheduler(request.object, choice.scheduler_name)
        further += _follow(request.object, pod, namespace, lock, table)
        further += _wait(request.object, pod, namespace, mutation.watts, table)
    except InputError:
        # The API server refuses such a quantity itself, with a better word for it.
        return Decision(LEFT_ALONE, "unreadable")
    audit = {PREDICTED: str(prediction.watts), RESTS_ON: prediction.source}
    operations = [*filled, *mutation.operations, *further]
    # Here and not by a webhook of its own: where others change the pod afterwards, we are asked once more.
    watts = max(mutation.watts, noted_watts(pod.metadata.annotations))
    judged = judge_watts(watts, pod.spec, choice, table.ground.places)
    if judged.denied:
        return Decision(judged, "denied")
    result = "warned" if judged.warnings else "changed" if operations else "kept"
    verdict = Verdict(patch=operations, warnings=judged.warnings, audit=audit)
    return Decision(verdict, result, mutation.watts, prediction.source)


def _images(pod: Json) -> list[str]:
    """Images of a pod's containers, whose list has been read already."""
    return [image if isinstance(image := each.get("image"), str) else "" for each in pod["spec"]["containers"]]


def _wait(made: Json, pod: Pod, namespace: str, watts: int, table: Table) -> list[Json]:
    """Let a pod wait that would bring its policy above its own cap; one that comes in place of a moved one does not."""
    if not table.caps or table.targets.holds(*_who(pod, namespace)):
        return []
    short = is_short(table.caps, namespace, table.labels_of(namespace), pod.metadata.labels or {}, watts)
    return hold_for_cap(made, pod.spec) if short else []


def _who(pod: Pod, namespace: str) -> tuple[str, str, str]:
    owner = controller_of(pod.metadata.owner_references)
    return namespace, pod.metadata.name, owner.uid if owner else ""


def _follow(made: Json, pod: Pod, namespace: str, lock: Lock, table: Table) -> list[Json]:
    """Let a pod that comes in place of a moved one go where a plan wants it."""
    who = _who(pod, namespace)
    drawn = draw_to(made, table.targets.nodes_for(*who)) if lock != "Extender" else []
    return drawn + (hold_successor(made, pod.spec) if table.targets.holds(*who) else [])
