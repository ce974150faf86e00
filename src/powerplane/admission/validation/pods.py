"""New pods as they will be stored, for whoever has the API server ask a second time: the shipped webhook asks once.

What changes pods answers for whether they can ever fit as well, and is asked again where others change them afterwards.
"""

from powerplane.adapters.strict_json import convert
from powerplane.admission.deciding import LEFT_ALONE, Decision
from powerplane.admission.review import Request
from powerplane.admission.scope import reason_to_leave
from powerplane.admission.table import Table
from powerplane.admission.unfit import judge_watts
from powerplane.models.errors import InputError
from powerplane.models.objects import Pod
from powerplane.models.pod_watts import noted_watts, requested_watts


def judge_pod(request: Request, table: Table) -> Decision:
    """Say whether a new pod could ever fit.

    Parameters
    ----------
    request : Request
    table : Table

    Raises
    ------
    MalformedError
        For an object that is no pod.
    """
    if request.sub_resource or request.object is None or request.operation != "CREATE":
        return Decision(LEFT_ALONE, "other_operation")
    pod = convert(request.object, Pod, "the pod")
    namespace = request.namespace or pod.metadata.namespace
    if reason := reason_to_leave(pod, table.labels_of(namespace)):
        return Decision(LEFT_ALONE, reason)
    choice = table.choice_for(namespace, pod.metadata.labels or {})
    if choice is None:
        return Decision(LEFT_ALONE, "no_policy")
    try:
        # What it will draw by all that is known stands on it by now: the mutating webhook wrote it there.
        watts = max(requested_watts(pod.spec), noted_watts(pod.metadata.annotations))
    except InputError:
        return Decision(LEFT_ALONE, "unreadable")
    verdict = judge_watts(watts, pod.spec, choice, table.ground.places)
    return Decision(verdict, "denied" if verdict.denied else "warned" if verdict.warnings else "kept")
