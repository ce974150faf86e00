"""Kubelets as far as they resize pods in place: what a spec asks for is what its containers have, a moment later.

KWOK's say nothing of what containers have, and the API server resizes no pod of which its kubelet does not (KEP-1287).
"""

import threading
from typing import Any

from tests.rig.rig import Rig

PODS = "/api/v1/namespaces/default/pods"
EVERY_S = 0.3


class Kubelets:
    """Report and resize the pods of the namespace ``default`` for as long as the block runs."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="kubelets")

    def __enter__(self) -> "Kubelets":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def report(self) -> bool:
        """Bring every pod's status up to its spec; say whether all were so already."""
        late = [pod for pod in self._rig.api.items(PODS) if _runs(pod) and pod["status"] | _held(pod) != pod["status"]]
        for pod in late:
            # One that is gone meanwhile needs no status.
            self._rig.api.call("PATCH", f"{PODS}/{pod['metadata']['name']}/status", {"status": _held(pod)}, MERGE)
        return not late

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.report()


MERGE = "application/merge-patch+json"


def given_cores(pod: dict[str, Any]) -> float:
    """What the limits of a pod's containers add up to, as its kubelet has set them; infinite where one has none."""
    statuses = pod["status"].get("containerStatuses") or [{}]
    limits = [((each.get("resources") or {}).get("limits") or {}).get("cpu", "") for each in statuses]
    return sum(cores(limit) if limit else float("inf") for limit in limits)


def cores(text: str) -> float:
    """A quantity of CPU."""
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def _runs(pod: dict[str, Any]) -> bool:
    return pod["status"].get("phase") == "Running" and bool(pod["status"].get("containerStatuses"))


def _held(pod: dict[str, Any]) -> dict[str, Any]:
    """The part of a status that says what containers have."""
    asked = {each["name"]: each.get("resources") or {} for each in pod["spec"]["containers"]}
    told = []
    for each in pod["status"]["containerStatuses"]:
        resources = asked[each["name"]]
        told.append(each | {"resources": resources, "allocatedResources": resources.get("requests", {})})
    return {"containerStatuses": told}
