"""The kinds of objects that a snapshot of a live cluster holds, and where the API lists them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListedKind:
    """A kind that a snapshot holds.

    Parameters
    ----------
    file : str
        Stem of its file in a snapshot directory; also its resource name.
    kind, group_version : str
        As they stand in each object.
    needed : bool
        Whether a cluster without it cannot be planned.
    field_selector : str
        Which of them, as the API takes it; "" for all.
    """

    file: str
    kind: str
    group_version: str = "v1"
    needed: bool = False
    field_selector: str = ""

    @property
    def path(self) -> str:
        """Path of the list over all namespaces."""
        root = "/api" if self.group_version == "v1" else "/apis"
        return f"{root}/{self.group_version}/{self.file}"

    @property
    def resource(self) -> str:
        """The resource as kubectl spells it: ``deployments.apps``."""
        group, _, version = self.group_version.rpartition("/")
        return f"{self.file}.{group}" if version and group else self.file


KINDS = (
    ListedKind("nodes", "Node", needed=True),
    ListedKind("pods", "Pod", needed=True),
    ListedKind("namespaces", "Namespace"),
    ListedKind("persistentvolumes", "PersistentVolume"),
    ListedKind("persistentvolumeclaims", "PersistentVolumeClaim"),
    ListedKind("poddisruptionbudgets", "PodDisruptionBudget", "policy/v1"),
    ListedKind("priorityclasses", "PriorityClass", "scheduling.k8s.io/v1"),
    ListedKind("replicasets", "ReplicaSet", "apps/v1"),
    ListedKind("deployments", "Deployment", "apps/v1"),
    ListedKind("statefulsets", "StatefulSet", "apps/v1"),
    ListedKind("daemonsets", "DaemonSet", "apps/v1"),
    ListedKind("jobs", "Job", "batch/v1"),
)
"""What is listed; Secrets and ConfigMaps never are."""
