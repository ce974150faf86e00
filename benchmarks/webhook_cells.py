"""What the webhook's benchmarks ask: reviews and pods as an API server has them, and a server that only says yes."""

import json
import random
from base64 import b64encode
from typing import Any

import msgspec

from powerplane.adapters.node_rates import Rates
from powerplane.adapters.serving.listener import Listener, ListenerSettings
from powerplane.adapters.serving.port_metrics import PortMetrics
from powerplane.admission.predicting import Predictor
from powerplane.admission.table import Table, reaches_of
from powerplane.models.api.capping_policy import (
    AdmissionChoice,
    ClusterPowerCappingPolicyObject,
    ClusterPowerCappingPolicySpec,
    PowerCap,
    PowerCappingPolicyObject,
    PowerCappingPolicySpec,
)
from powerplane.models.objects import LabelSelector, ObjectMeta

Json = dict[str, Any]

WORKLOADS = 40
TEAMS = 20
LISTED = {"kubernetes.io/metadata.name": ""}


def pod_spec(chance: random.Random) -> Json:
    """Containers, volumes and their mounts, by what is usual: 2 to 7 KB."""
    token = "kube-api-access-" + "".join(chance.choices("bcdfghjklmnpqrstvwxz2456789", k=5))
    mount = {"name": token, "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    containers = [
        {
            "name": name,
            "image": f"registry.example/team/{name}@sha256:" + f"{chance.getrandbits(256):064x}",
            "args": ["--listen=:8080", "--log-format=json && true"],
            "env": [{"name": f"SETTING_{i}", "value": "value-" * 5} for i in range(chance.randrange(10, 42))],
            "resources": {
                "limits": {"memory": f"{chance.choice([1, 2, 4])}Gi"},
                "requests": {"cpu": f"{chance.randrange(1, 40) * 100}m", "memory": "1Gi"},
            },
            "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}, mount],
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "IfNotPresent",
        }
        for name in ("app", "proxy")[: chance.randrange(1, 3)]
    ]
    return {
        "volumes": [
            {"name": "config", "configMap": {"name": "app", "defaultMode": 420}},
            {"name": token, "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        ],
        "containers": containers,
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default",
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "priority": 0,
        "enableServiceLinks": True,
    }


def reviews(count: int, seed: int = 1) -> list[bytes]:
    """New pods of some workloads, no two alike, as an API server writes them: one line each, without its end."""
    chance = random.Random(seed)
    return [_review(at, chance) for at in range(count)]


def _review(at: int, chance: random.Random) -> bytes:
    which = chance.randrange(WORKLOADS)
    labels = {"app": f"web-{which}", "pod-template-hash": "5d8f6c7b9"}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"web-{which}-5d8f6c7b9", "uid": f"u-{which}"}
    fields = {"f:metadata": {"f:generateName": {}, "f:labels": {".": {}, "f:app": {}}}, "f:spec": {"f:containers": {}}}
    meta = {
        "generateName": f"web-{which}-5d8f6c7b9-",
        "namespace": f"team-{which % TEAMS}",
        "creationTimestamp": None,
        "labels": labels,
        "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        "managedFields": [{"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": fields}],
    }
    pods = {"group": "", "version": "v1"}
    request = {
        "uid": f"{chance.getrandbits(128):032x}",
        "kind": {**pods, "kind": "Pod"},
        "resource": {**pods, "resource": "pods"},
        "requestKind": {**pods, "kind": "Pod"},
        "requestResource": {**pods, "resource": "pods"},
        "namespace": meta["namespace"],
        "operation": "CREATE",
        "userInfo": {
            "username": "system:serviceaccount:kube-system:replicaset-controller",
            "groups": ["system:authenticated"],
        },
        "object": {"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": pod_spec(chance), "status": {}},
        "oldObject": None,
        "dryRun": at % 100 == 0,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    whole = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(whole, separators=(",", ":")).replace("&", "\\u0026").encode()


def table(policies: int) -> Table:
    """One policy for everything, and others for namespaces and labels of their own."""
    cap = PowerCap(watts="10kW")
    choice = AdmissionChoice(lock="Partition")
    everywhere = ClusterPowerCappingPolicySpec(cap=cap, mode="Enforce", admission=choice)
    found: list[ClusterPowerCappingPolicyObject | PowerCappingPolicyObject] = [
        ClusterPowerCappingPolicyObject(ObjectMeta(name="all"), everywhere)
    ]
    for at in range(policies - 1):
        selector = LabelSelector(match_labels={"app": f"web-{at % WORKLOADS}"})
        spec = PowerCappingPolicySpec(cap=cap, mode="Enforce", selector=selector, admission=choice)
        found.append(PowerCappingPolicyObject(ObjectMeta(name=f"p{at}", namespace=f"team-{at % TEAMS}"), spec))
    names = {f"team-{at}": {"kubernetes.io/metadata.name": f"team-{at}"} for at in range(TEAMS)}
    return Table(names, reaches_of(found), Predictor(Rates(10_000)), offered="Partition", listed=True)


class _Asked(msgspec.Struct):
    uid: str


class _Review(msgspec.Struct):
    request: _Asked


_DECODER = msgspec.json.Decoder(_Review)


NOTED = b64encode(b'[{"op":"add","path":"/metadata/labels/noted","value":"1"}]')
HEAD = b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"%s","allowed":true%s}}'


class Yes:
    """Lets everything in: over ASGI what the server costs, and at once what HTTP and TLS cost.

    Parameters
    ----------
    noting : bool
        Add a label, so that the API server has something to change.
    """

    def __init__(self, *, noting: bool = False) -> None:
        self._more = b',"patchType":"JSONPatch","patch":"%s"' % NOTED if noting else b""

    def at_once(self, body: bytes) -> bytes:
        """Say yes to a review."""
        uid = _DECODER.decode(body).request.uid
        return HEAD % (uid.encode(), self._more)

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        """Say yes over ASGI."""
        parts, more = [], True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        answer = self.at_once(b"".join(parts))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def yes_listener(settings: ListenerSettings, metrics: PortMetrics, *, at_once: bool) -> Listener:
    """A port that lets everything in; what is asked at /note it notes, too."""
    yes = Yes()
    paths = {b"/mutate": yes.at_once, b"/note": Yes(noting=True).at_once}
    return Listener(yes, settings, metrics, paths if at_once else None)
