"""What the API server is told of an object before it stores it: nothing is changed any more."""

from powerplane.admission.deciding import LEFT_ALONE, Decision
from powerplane.admission.review import Request
from powerplane.admission.table import Table
from powerplane.admission.validation.objects import judge_object
from powerplane.admission.validation.pods import judge_pod
from powerplane.models.api.kinds import GROUP


def judge(request: Request, table: Table) -> Decision:
    """Judge one review: pods that can never fit, and our own objects.

    Parameters
    ----------
    request : Request
    table : Table

    Raises
    ------
    MalformedError
        For an object that is not of the kind that the review names.
    """
    if (request.kind.group, request.kind.kind) == ("", "Pod"):
        return judge_pod(request, table)
    if request.kind.group == GROUP:
        return judge_object(request, table)
    return Decision(LEFT_ALONE, "other_kind")
