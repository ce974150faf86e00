"""Our objects on a rig: their definitions installed as people do it, and objects as people write them."""

import json
from collections.abc import Mapping
from typing import Any

import yaml
from tests.rig.api import APPLY
from tests.rig.processes import wait_for
from tests.rig.rig import Rig

from powerplane.models.api.crd import crd_files
from powerplane.models.api.kinds import API_VERSION, KINDS, ApiKind

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def apply(rig: Rig, path: str, body: Mapping[str, Any], manager: str = "tests") -> list[str]:
    """Apply an object server-side, and return the server's warnings."""
    answer = rig.api.pool.request(
        "PATCH",
        f"{rig.server}{path}?fieldManager={manager}&force=true&fieldValidation=Strict",
        body=json.dumps(body).encode(),
        headers={"Content-Type": APPLY, "Accept": "application/json"},
    )
    assert answer.status in (200, 201), answer.data.decode()
    return list(answer.headers.getlist("Warning"))


def install_crds(rig: Rig) -> list[str]:
    """Install our definitions, wait until they are served, and return the server's warnings."""
    warnings = []
    for text in crd_files().values():
        body = yaml.safe_load(text)
        warnings += apply(rig, f"{DEFINITIONS}/{body['metadata']['name']}", body)
    assert wait_for(lambda: _established(rig), 30.0, 0.2), "the definitions are not established"
    return warnings


def _established(rig: Rig) -> bool:
    ours = [each for each in rig.api.items(DEFINITIONS) if each["spec"]["group"] == API_VERSION.partition("/")[0]]
    held = [{one["type"]: one["status"] for one in (each["status"].get("conditions") or ())} for each in ours]
    if len(held) < len(KINDS) or any(one.get("Established") != "True" for one in held):
        return False
    return all(rig.api.call("GET", kind.list_path).ok for kind in KINDS)


def written(kind: ApiKind, name: str, spec: Mapping[str, Any], **labels: str) -> dict[str, Any]:
    """An object as a person writes it; a namespaced one in ``default``."""
    where = {"namespace": "default"} if kind.namespaced else {}
    metadata = {"name": name, "labels": labels, **where}
    return {"apiVersion": API_VERSION, "kind": kind.name, "metadata": metadata, "spec": dict(spec)}


def collection(kind: ApiKind) -> str:
    """Path that objects of a kind are created under; in ``default`` where they are namespaced."""
    return kind.path("", "default").rstrip("/")
