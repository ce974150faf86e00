"""Whether an API server resizes pods in place: it says so by serving ``pods/resize`` (KEP-1287, stable in 1.35)."""

import msgspec

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_http import TRANSPORT_ERRORS, Request, fetch, is_well

RESIZE = "pods/resize"


class _Resource(msgspec.Struct, frozen=True):
    name: str = ""


class _Resources(msgspec.Struct, frozen=True):
    resources: tuple[_Resource, ...] = ()


def serves_resize(access: ClusterAccess, timeout_s: float) -> bool | None:
    """Return whether pods can be resized in place; None where the server does not say.

    Parameters
    ----------
    access : ClusterAccess
    timeout_s : float
    """
    try:
        answer = fetch(access, Request("GET", "/api/v1"), timeout_s)
        found = msgspec.json.decode(answer.body, type=_Resources) if is_well(answer.status) else None
    except (*TRANSPORT_ERRORS, msgspec.MsgspecError):
        return None
    return None if found is None else any(each.name == RESIZE for each in found.resources)
