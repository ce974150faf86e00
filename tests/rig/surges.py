"""What the audit log proves of surges, by a count of its own: at no moment are fewer pods ready than before."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.rig.audit_log import Write

DETACHED = "powerplane.dev/detached"
HASH = "pod-template-hash"


def fewest_ready(writes: Iterable[Write], labels: Mapping[str, str]) -> int:
    """Return the fewest pods with these labels that were ready at one time, from the first that was taken out.

    Parameters
    ----------
    writes : iterable of Write
        In the order in which they count.
    labels : mapping
        What a Service selects: a pod that loses one of them is lost to it.
    """
    ready: dict[str, bool] = {}
    names: dict[tuple[str, str], str] = {}
    fewest, begun = len(names), False
    for write in writes:
        if write.resource != "pods" or not write.ok:
            continue
        if write.evicts or write.verb == "delete":
            ready.pop(names.get((write.namespace, write.name), ""), None)
        elif "uid" in write.answered.get("metadata", {}):
            meta = write.answered["metadata"]
            names[meta["namespace"], meta["name"]] = meta["uid"]
            ready[meta["uid"]] = _serves(write.answered, labels)
            if not begun and DETACHED in (meta.get("annotations") or {}):
                begun, fewest = True, sum(ready.values())
        if begun:
            fewest = min(fewest, sum(ready.values()))
    return fewest


def taken_out(writes: Iterable[Write]) -> dict[str, str]:
    """Return the UIDs of pods that were taken out of their ReplicaSet, and who did it."""
    found: dict[str, str] = {}
    for write in writes:
        meta = write.answered.get("metadata", {}) if write.resource == "pods" and write.ok else {}
        if DETACHED in (meta.get("annotations") or {}):
            found.setdefault(meta["uid"], write.user)
    return found


def evicted(writes: Iterable[Write]) -> set[str]:
    """Return the UIDs of pods whose eviction was accepted."""
    done = (write for write in writes if write.evicts and write.ok)
    return {write.asked["deleteOptions"]["preconditions"]["uid"] for write in done}


def _serves(pod: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    meta, conditions = pod["metadata"], pod.get("status", {}).get("conditions") or ()
    has = labels.items() <= (meta.get("labels") or {}).items()
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return has and ready and "deletionTimestamp" not in meta
