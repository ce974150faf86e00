"""One review, decided from the table: no waiting, no file, no question to anybody."""

from dataclasses import dataclass

from powerplane.adapters.strict_json import convert
from powerplane.admission.gating import hold_back
from powerplane.admission.mutating import give_watts
from powerplane.admission.review import Request, Verdict
from powerplane.admission.scope import owner_name, reason_to_leave
from powerplane.admission.table import Table
from powerplane.models.errors import InputError
from powerplane.models.objects import Pod
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
        "changed", "kept", or why the pod was left as it is.
    watts : int
        What the pod asks for afterwards; 0 where it was left.
    """

    verdict: Verdict
    result: str
    watts: int = 0


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
    if not table.acts_on(namespace, pod.metadata.labels or {}):
        return Decision(LEFT_ALONE, "no_policy")
    if not pod.spec.containers:
        return Decision(LEFT_ALONE, "unreadable")
    try:
        prediction = table.predictor.predict(f"{namespace}/{owner_name(pod.metadata)}", pod_requests(pod.spec))
        if table.lock_for(namespace, pod.metadata.labels or {}) == "Gate":
            mutation = hold_back(request.object, pod.spec, prediction, listed=table.listed)
        else:
            mutation = give_watts(request.object, pod.spec, prediction)
    except InputError:
        # The API server refuses such a quantity itself, with a better word for it.
        return Decision(LEFT_ALONE, "unreadable")
    audit = {PREDICTED: str(prediction.watts), RESTS_ON: prediction.source}
    verdict = Verdict(patch=mutation.operations, audit=audit)
    return Decision(verdict, "changed" if mutation.operations else "kept", mutation.watts)
