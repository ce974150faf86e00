"""What KWOK does in a kubelet's place: nodes become ready and renew their Leases; pods start, finish and go.

Our own stages, in KWOK's form (kwok.x-k8s.io/v1alpha1 Stage), so that how long a pod takes to start and to stop is
the rig's to choose. KWOK reads them from a file: its bare program brings none.
"""

import json
from typing import Any


def stages(*, start_ms: int = 0, stop_ms: int = 0) -> str:
    """The configuration file's text.

    Parameters
    ----------
    start_ms : int
        From a pod's binding until it is ready.
    stop_ms : int
        From a pod's deletion until it is gone.
    """
    documents = (_node_ready(), _node_heartbeat(), _pod_ready(start_ms), _job_pod_done(), _pod_gone(stop_ms))
    return "\n---\n".join(json.dumps(document) for document in documents)


def _stage(name: str, kind: str, when: list[dict[str, Any]], then: dict[str, Any], delay_ms: int = 0) -> dict[str, Any]:
    delay = {"delay": {"durationMilliseconds": delay_ms}} if delay_ms else {}
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": when},
            "next": then,
        }
        | delay,
    }


def _is(key: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": list(values)}


def _is_not(key: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": "NotIn", "values": list(values)}


READY = '.status.conditions.[] | select( .type == "Ready" ) | .status'
STICKS = '.metadata.labels["rig.powerplane.dev/sticks"]'
DELETED = ".metadata.deletionTimestamp"
ALIVE = {"key": DELETED, "operator": "DoesNotExist"}

_NODE_CONDITIONS = """
{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- {type: {{ .type | Quote }}, status: {{ .status | Quote }}, reason: {{ .reason | Quote }},
   message: {{ .message | Quote }}, lastHeartbeatTime: {{ $now | Quote }}, lastTransitionTime: {{ $now | Quote }}}
{{ end }}
phase: Running
"""

_POD_RUNNING = """
{{ $now := Now }}
phase: Running
startTime: {{ $now | Quote }}
conditions:
- {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: ContainersReady, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: Ready, status: "True", lastTransitionTime: {{ $now | Quote }}}
containerStatuses:
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, ready: true, restartCount: 0,
   state: {running: {startedAt: {{ $now | Quote }}}}}
{{ end }}
"""

_POD_DONE = """
phase: Succeeded
"""


def _node_ready() -> dict[str, Any]:
    """Every node gets ready but one whose label says that it sticks."""
    when = [_is_not(READY, "True"), _is_not(STICKS, "true")]
    return _stage("node-ready", "Node", when, {"statusTemplate": _NODE_CONDITIONS})


def _node_heartbeat() -> dict[str, Any]:
    """KWOK renews Leases by itself; the stage is what makes it look after the node for good."""
    return _stage("node-heartbeat", "Node", [_is(READY, "True")], {"statusTemplate": _NODE_CONDITIONS}, 600_000)


def _pod_ready(start_ms: int) -> dict[str, Any]:
    """Every pod gets ready but one whose label says that it sticks."""
    when = [ALIVE, _is(".status.phase", "Pending"), _is_not(READY, "True"), _is_not(STICKS, "true")]
    return _stage("pod-ready", "Pod", when, {"statusTemplate": _POD_RUNNING}, start_ms)


def _job_pod_done() -> dict[str, Any]:
    """A Job's pod finishes where it says so itself, by the label that the rig's tests put on it."""
    when = [ALIVE, _is(".status.phase", "Running"), _is('.metadata.labels["rig.powerplane.dev/finishes"]', "true")]
    return _stage("pod-done", "Pod", when, {"statusTemplate": _POD_DONE}, 1000)


def _pod_gone(stop_ms: int) -> dict[str, Any]:
    return _stage("pod-gone", "Pod", [{"key": DELETED, "operator": "Exists"}], {"delete": True}, stop_ms)
