"""New pods that can never fit: no node could hold their watts under its budgets, even if nobody else were there.

Such a pod waits for ever, and its owner is told nothing but "0 nodes available". So it is said, or the pod is refused,
as its policy wants. The pod is looked at as it will be stored, after every mutation.
"""

from powerplane.adapters.strict_json import convert
from powerplane.admission.deciding import LEFT_ALONE, Decision
from powerplane.admission.gates.gating import is_critical
from powerplane.admission.review import LONGEST_WARNING, Request, Verdict
from powerplane.admission.scope import reason_to_leave
from powerplane.admission.table import Table
from powerplane.admission.validation.ground import Place
from powerplane.models.errors import InputError
from powerplane.models.objects import Pod
from powerplane.models.pod_watts import noted_watts, requested_watts

NEXT_STEP = "request fewer watts, raise that budget, or let the policy's spec.admission.unfit be Warn"


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
    place = table.ground.places.too_small(watts, pod.spec)
    if place is None:
        return Decision(LEFT_ALONE, "kept")
    told = unfit_words(watts, place)
    # The system's own pods must come in whatever we think of them.
    if choice.unfit == "Deny" and not is_critical(pod.spec):
        return Decision(Verdict(denied=f"{told}: {NEXT_STEP}"), "denied")
    return Decision(Verdict(warnings=(told,)), "warned")


def unfit_words(watts: int, place: Place) -> str:
    """Name what a pod wants and the budget that never gives it, in as many characters as every client shows."""
    head, tail = f"powerplane: {watts} W fit nowhere: ", f" gives one pod {place.watts} W at most"
    left = LONGEST_WARNING - len(head) - len(tail)
    budget = place.budget if len(place.budget) <= left else f"{place.budget[: left - 1]}…"
    return f"{head}{budget}{tail}"
