"""RFC 6902 as an API server applies it, and pods and reviews to try it on."""

import base64
import json
from copy import deepcopy
from typing import Any

Json = dict[str, Any]


def apply(document: Json, operations: list[Json]) -> Json:
    """Apply "add" and "replace" to a copy."""
    made: Any = deepcopy(document)
    for operation in operations:
        *above, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        at = made
        for part in above:
            at = at[int(part)] if isinstance(at, list) else at[part]
        value = deepcopy(operation["value"])
        if isinstance(at, list):
            assert last == "-" or operation["op"] == "replace"
            if last == "-":
                at.append(value)
            else:
                at[int(last)] = value
        else:
            assert operation["op"] == "add" or last in at
            at[last] = value
    return made


def container(name: str = "c", **requests: str) -> Json:
    return {"name": name, "image": "i", "resources": {"requests": dict(requests)}}


def pod(*containers: Json, owner: tuple[str, str] | None = None, **spec: Any) -> Json:
    meta: Json = {"generateName": "p-", "labels": {"app": "web"}}
    if owner:
        meta["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "uid": "o", "controller": True}]
    return {"metadata": meta, "spec": {"containers": list(containers or (container(cpu="2"),)), **spec}}


def review(obj: Json, *, operation: str = "CREATE", namespace: str = "default", **more: Any) -> bytes:
    request = {
        "uid": "u-1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": namespace,
        "operation": operation,
        "userInfo": {"username": "kubernetes-admin", "groups": ["system:masters"]},
        "object": obj,
        "oldObject": None,
        "dryRun": False,
        **more,
    }
    whole = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(whole, separators=(",", ":")).encode()


def response(body: bytes) -> Json:
    answer = json.loads(body)
    assert (answer["kind"], answer["apiVersion"]) == ("AdmissionReview", "admission.k8s.io/v1")
    found: Json = answer["response"]
    return found


def operations(answer: Json) -> list[Json]:
    return json.loads(base64.b64decode(answer["patch"])) if "patch" in answer else []
