"""The scheduler that a policy wants for its new pods: where the cluster's own cannot be configured, a second one is."""

from typing import Any, Final

from powerplane.admission.patch import Patch

Json = dict[str, Any]

DEFAULT_SCHEDULER: Final = "default-scheduler"
"""What the API server writes into pods that name none, before a webhook sees them."""


def name_scheduler(pod: Json, wanted: str) -> list[Json]:
    """Give a pod its policy's scheduler; one that names another scheduler keeps it. Returns the operations.

    Parameters
    ----------
    pod : dict
        As in the review; changed in place.
    wanted : str
        "" for no wish.
    """
    patch = Patch(pod)
    if wanted and pod["spec"].get("schedulerName") in (None, "", DEFAULT_SCHEDULER):
        patch.put(wanted, "spec", "schedulerName")
    return patch.operations
