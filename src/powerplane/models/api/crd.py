"""CustomResourceDefinitions of our objects, generated from their structs (apiextensions.k8s.io/v1)."""

from typing import Any

import msgspec

from powerplane.models.api.kinds import (
    CAPPING_POLICY,
    CLUSTER_CAPPING_POLICY,
    DEMAND_CHECKPOINT,
    GROUP,
    KINDS,
    PLACEMENT_PLAN,
    POWER_DOMAIN,
    VERSION,
    ApiKind,
)
from powerplane.models.api.structural import structural_schema

Column = dict[str, Any]

CATEGORY = "powerplane"
GENERATED = "# Written by `make docs` from the structs in powerplane.models.api; do not edit.\n"


def _column(name: str, kind: str, path: str, description: str, *, wide: bool = False) -> Column:
    """A column of ``kubectl get``; a wide one only with ``-o wide``."""
    column = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return column | ({"priority": 1} if wide else {})


def _said(name: str, condition: str, *, wide: bool = False) -> Column:
    path = f'.status.conditions[?(@.type=="{condition}")].status'
    return _column(name, "string", path, f"Whether the object is {condition}.", wide=wide)


_REASON = _column(
    "Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', "Why it is Ready or not.", wide=True
)
_AGE = _column("Age", "date", ".metadata.creationTimestamp", "Time since it was created.")

_POLICY_COLUMNS = (
    _column("Mode", "string", ".spec.mode", "How far it goes."),
    _column("Cap", "string", ".spec.cap", "What its pods may draw."),
    _column("Priority", "integer", ".spec.priority", "Its rank among policies."),
    _column("Cap-Now", "integer", ".status.capWatts", "Watts that its pods may draw now."),
    _column("Draw", "integer", ".status.drawWatts", "Watts that its pods draw."),
    _said("Held", "Held"),
    _said("Conflicted", "Conflicted"),
    _said("Ready", "Ready"),
    _AGE,
    _said("Enforcing", "Enforcing", wide=True),
    _column("Per-Watt", "number", ".status.performance.perWatt", "Work that its pods do with a watt.", wide=True),
    _REASON,
)

COLUMNS: dict[str, tuple[Column, ...]] = {
    POWER_DOMAIN.name: (
        _column("Kind", "string", ".spec.kind", "Level of the domain."),
        _column("Budget", "string", ".spec.budget", "What it may draw, as its owner wrote it."),
        _column("Draw", "integer", ".status.drawWatts", "Watts that it draws by the books."),
        _column("Headroom", "integer", ".status.headroomWatts", "Watts left under the budget in force."),
        _column("Nodes", "integer", ".status.nodes", "Nodes under it."),
        _said("Ready", "Ready"),
        _AGE,
        _column("In-Force", "integer", ".status.budgetWatts", "Budget in force in watts, policies counted.", wide=True),
        _column("Measured", "integer", ".status.measuredWatts", "Watts that it was measured to draw.", wide=True),
        _said("Held", "Held", wide=True),
        _column("Breach", "date", ".status.forecast.breachAt", "When it will break its budget.", wide=True),
        _column("Parents", "string", ".spec.parents", "Domains that it draws through.", wide=True),
        _REASON,
    ),
    CAPPING_POLICY.name: _POLICY_COLUMNS,
    CLUSTER_CAPPING_POLICY.name: _POLICY_COLUMNS,
    PLACEMENT_PLAN.name: (
        _column("Phase", "string", ".status.phase", "How far it has come."),
        _column("Total", "integer", ".status.total", "Moves that it asks for."),
        _column("Done", "integer", ".status.done", "Moves that ended well."),
        _column("Failed", "integer", ".status.failed", "Moves that did not."),
        _column("Expires", "string", ".spec.expiresAt", "From then on it is void."),
        _AGE,
        _column("Wave", "integer", ".status.wave", "The wave that is carried out.", wide=True),
        _column("Why", "string", ".spec.reason", "Why it was made.", wide=True),
    ),
    DEMAND_CHECKPOINT.name: (
        _column("Owner", "string", ".spec.owner", "The workload."),
        _column("Samples", "integer", ".spec.cores.samples", "Samples of its CPU that it rests on."),
        _column("Written", "date", ".spec.writtenAt", "When it was written."),
        _AGE,
    ),
}


def crd_documents() -> tuple[dict[str, Any], ...]:
    """Return the CustomResourceDefinitions, one a kind."""
    return tuple(_document(kind) for kind in KINDS)


def crd_files() -> dict[str, str]:
    """Return the CRDs as YAML files, by the names that the repository keeps them under."""
    return {
        f"{kind.plural}.yaml": GENERATED + msgspec.yaml.encode(document).decode()
        for kind, document in zip(KINDS, crd_documents(), strict=True)
    }


def _document(kind: ApiKind) -> dict[str, Any]:
    schema = structural_schema(kind.struct)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "powerplane"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": [kind.short],
                "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    **({"subresources": {"status": {}}} if "status" in schema["properties"] else {}),
                    "additionalPrinterColumns": list(COLUMNS[kind.name]),
                }
            ],
        },
    }
