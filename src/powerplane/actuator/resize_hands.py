"""Other CPU for a pod in place, as requests to the API server that hold only for the version of the pod that was seen.

What the server answers (KEP-1287, and measured on 1.36): a resize takes nothing of a pod's metadata, so that the note
is a write of its own; 409 for another version; 422 where the QoS class would change, a limit would go, or the pod's
kubelet does not resize.
"""

from typing import Any, Final

from powerplane.actuator.acts import Remember, Resize
from powerplane.actuator.engine import Outcome
from powerplane.actuator.evicting import Answer
from powerplane.actuator.outcomes import outcome_of
from powerplane.adapters.cluster_writes import Writer, pod_path
from powerplane.models.cpu_limits import ContainerCpu
from powerplane.models.marks import THROTTLED_ANNOTATION

REFUSED: Final = (400, 403, 405, 415, 422)
"""Answers that will be the same the next time."""

LONGEST_MESSAGE = 512
Json = dict[str, Any]


def remember(writer: Writer, act: Remember) -> Outcome:
    """Note on a pod what it had, or take the note off."""
    meta = {"uid": act.uid, "resourceVersion": act.version, "annotations": {THROTTLED_ANNOTATION: act.text or None}}
    return outcome_of(writer.merge_patch(pod_path(act.namespace, act.pod), {"metadata": meta}))


def resize(writer: Writer, act: Resize) -> Outcome:
    """Ask for other CPU."""
    body = {
        "metadata": {"uid": act.uid, "resourceVersion": act.version},
        "spec": {"containers": [{"name": each.container, "resources": _resources(each)} for each in act.cpus]},
    }
    written = writer.strategic_patch(f"{pod_path(act.namespace, act.pod)}/resize", body)
    outcome = outcome_of(written)
    if written.status not in REFUSED:
        return outcome
    return Outcome("refused", written.told, Answer("never", "ResizeRefused", written.told[:LONGEST_MESSAGE]))


def _resources(cpu: ContainerCpu) -> Json:
    amounts = {"requests": cpu.request, "limits": cpu.limit}
    return {kind: {"cpu": f"{milli}m"} for kind, milli in amounts.items() if milli is not None}
