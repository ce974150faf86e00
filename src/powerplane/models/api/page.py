"""The reference page of our objects, from the same schemas as the CRDs."""

from collections.abc import Iterator
from typing import Any

from powerplane.models.api.crd import CATEGORY, COLUMNS
from powerplane.models.api.fields import PRESERVE, VALIDATIONS
from powerplane.models.api.kinds import (
    API_VERSION,
    CAPPING_POLICY,
    CLUSTER_CAPPING_POLICY,
    DEMAND_CHECKPOINT,
    KINDS,
    PLACEMENT_PLAN,
    POWER_DOMAIN,
    ApiKind,
)
from powerplane.models.api.structural import Schema, structural_schema

HEAD = f"""\
# Objects

Written by `make docs` from the structs in `powerplane.models.api`; do not edit. All objects are of `{API_VERSION}`.
`powerplane crds | kubectl apply --server-side -f -` installs their definitions; they need Kubernetes 1.30 or later.
`kubectl get {CATEGORY} -A` lists all of them.

A field in **bold** must be given. *Rules* are held by the API server, which refuses an object with the words below.
"""

NOTES = {
    POWER_DOMAIN.name: """\
The specs of all PowerDomains are taken together or not at all. With any defect (a cycle, an unknown parent, a node in
two domains of one kind, a figure that cannot be read …) the last accepted specs stay in force, all of them; each
defective domain says in its condition Accepted what is wrong. Domains that no node draws through are no defect.
A node that is in no domain is held by no budget. Choose nodes by labels that a kubelet cannot set on itself: those
under `node-restriction.kubernetes.io/`, or under `powerplane.dev/` with `deploy/admission-policies.yaml` applied.""",
    CAPPING_POLICY.name: """\
A cluster policy stands before a namespaced one, and within a kind the higher priority before the lower. Two policies
of one kind, namespace and priority that can reach the same pod and ask for different things say Conflicted, and the
lower figure holds.""",
    CLUSTER_CAPPING_POLICY.name: """\
`maxPower` of every policy in mode Initial or Enforce lowers the budget of its domains, whatever its priority; no policy
raises one. The condition Enforcing is True only where all that a policy asks for is held; else it says what is not.""",
    PLACEMENT_PLAN.name: """\
The recommender writes the spec, the actuator the status, and neither the other's. Until a plan expires, pods that come
in the place of moved ones are steered to the move's target. Deleting a plan takes its placeholders along.""",
    DEMAND_CHECKPOINT.name: """\
The recommender writes one for each workload that it learned something of, those that were written longest ago first,
and reads all of them when it begins to lead. One that cannot be read is named in its log, and written anew once its
workload has been seen again. Deleting one loses that history, and nothing else.""",
}

SELECTOR_FIELDS = ("matchLabels", "matchExpressions")


def objects_page() -> str:
    """Return the page as Markdown."""
    return "\n".join([HEAD, *(_section(kind) for kind in KINDS)])


def _section(kind: ApiKind) -> str:
    schema = structural_schema(kind.struct)
    scope = "in a namespace" if kind.namespaced else "of the whole cluster"
    shown = ", ".join(column["name"].upper() for column in COLUMNS[kind.name] if not column.get("priority"))
    lines = [
        f"## {kind.name}",
        "",
        f"{schema['description']} An object {scope}; `kubectl get {kind.plural}` or `{kind.short}` shows {shown}.",
        "",
        NOTES[kind.name],
        "",
        "| field | type | what |",
        "|---|---|---|",
    ]
    for part in ("spec", "status"):
        lines += _rows(schema["properties"].get(part, {}), part)
    rules = list(dict.fromkeys(_rules(schema, "")))
    lines += ["", "Rules:", "", *rules] if rules else []
    return "\n".join([*lines, ""])


def _rows(schema: Schema, path: str) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        own = f"{path}.{name}"
        label = f"**`{own}`**" if name in schema.get("required", ()) else f"`{own}`"
        yield f"| {label} | {_type(field)} | {field.get('description', '')} |"
        below = field.get("items", field)
        if not _is_selector(below):
            yield from _rows(below, own + ("[]" if "items" in field else ""))


def _is_selector(schema: Schema) -> bool:
    return tuple(schema.get("properties", ())) == SELECTOR_FIELDS


def _type(field: Schema) -> str:
    if "items" in field:
        return f"list of {_type(field['items'])}"
    if _is_selector(field):
        return "label selector"
    if "enum" in field:
        return " or ".join(f"`{choice}`" if choice else "nothing" for choice in field["enum"])
    if field.get(PRESERVE) or "additionalProperties" in field:
        return "map"
    return str(field["type"])


def _rules(schema: Schema, path: str) -> Iterator[str]:
    if not _is_selector(schema):
        for rule in schema.get(VALIDATIONS, ()):
            yield f"- `{path or 'the object'}`: {rule['message']}"
        below: dict[str, Any] = schema.get("properties", {})
        for name, field in below.items():
            yield from _rules(field, f"{path}.{name}".lstrip("."))
        if "items" in schema:
            yield from _rules(schema["items"], f"{path}[]")
