"""What is left out of an object before it is written to disk: secrets that stand in pods, and bulk.

A snapshot is passed around, so that nothing is kept that a container is told (environment, commands, probes'
headers), nor the owner's last manifest, which repeats it. Everything else stays as kubectl prints it.
"""

from typing import Any

import msgspec

from powerplane.adapters.cluster_kinds import ListedKind

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CONTAINER_FIELDS = (
    "env",
    "envFrom",
    "command",
    "args",
    "lifecycle",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
)
CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")


def narrow(kind: ListedKind, raw: bytes | msgspec.Raw) -> bytes:
    """Return an object's JSON without secrets and bulk, with its kind as `kubectl get` prints it.

    Parameters
    ----------
    kind : ListedKind
    raw : bytes
        One item of a list.
    """
    found: dict[str, Any] = msgspec.json.decode(raw)
    body = {"apiVersion": kind.group_version, "kind": kind.kind} | found
    _drop_manifest(body)
    spec = body.get("spec")
    if isinstance(spec, dict):
        _drop_told(spec)
        template = spec.get("template")
        if isinstance(template, dict):
            _drop_manifest(template)
            _drop_told(template.get("spec"))
    status = body.get("status")
    if kind.kind == "Node" and isinstance(status, dict):
        status.pop("images", None)
    return msgspec.json.encode(body)


def _drop_manifest(body: dict[str, Any]) -> None:
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        return
    metadata.pop("managedFields", None)
    if isinstance(annotations := metadata.get("annotations"), dict):
        annotations.pop(LAST_APPLIED, None)


def _drop_told(spec: Any) -> None:
    """Drop what containers are told from a pod's or a template's spec."""
    if not isinstance(spec, dict):
        return
    for name in CONTAINER_LISTS:
        containers = spec.get(name)
        for container in containers if isinstance(containers, list) else ():
            for field in CONTAINER_FIELDS:
                container.pop(field, None)
