"""From structs to structural schemas, the only ones that a CustomResourceDefinition takes.

msgspec writes JSON Schema 2020-12; a structural schema has no ``$ref``, no ``anyOf`` that carries types, and, from
an older draft, boolean exclusive bounds (Kubernetes: "Specifying a structural schema"). Every list, map and string
gets an upper bound, because the API server prices CEL rules by the largest object that could be.
"""

import re
from inspect import cleandoc
from typing import Any

import msgspec

from powerplane.models.api.fields import PRESERVE, VALIDATIONS, ApiStruct, Rule

Schema = dict[str, Any]

REF = "#/$defs/"
MOST_ITEMS = 64
LONGEST_TEXT = 253
BOUNDS = {"array": ("maxItems", MOST_ITEMS), "string": ("maxLength", LONGEST_TEXT), "map": ("maxProperties", 64)}
"""Bounds of whatever states none."""

SELECTOR_RULES = {
    "Requirement": (
        Rule(
            "self.operator in ['In', 'NotIn', 'Exists', 'DoesNotExist']",
            "operator must be In, NotIn, Exists or DoesNotExist",
        ),
        Rule(
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            "In and NotIn need values, Exists and DoesNotExist take none",
        ),
    )
}
"""Rules for Kubernetes' own selectors, which its API server does not check inside our objects."""

SELECTOR_WORDS = {"Requirement": "One expression of a selector: key, operator, values."}
"""Descriptions of the same, where the struct's own says more than holds here."""

KEPT = frozenset(
    (
        *("type", "enum", "format", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        *("minLength", "maxLength", "minItems", "maxItems", "maxProperties", PRESERVE),
        *(VALIDATIONS, "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
    )
)
"""What is copied as it stands; everything else is written anew or left out."""

_ATTRIBUTE = re.compile(r"^(?P<names>\w+(?:, \w+)*)\n(?P<text>(?:    .*(?:\n|$))+)", re.MULTILINE)


def structural_schema(kind: type[ApiStruct]) -> Schema:
    """Return the structural schema of an object.

    Parameters
    ----------
    kind : type
        A struct with metadata, spec and status.
    """
    (root,), components = msgspec.json.schema_components((kind,), ref_template=REF + "{name}")
    schema = _Flattener(components).flat(root)
    head = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    own = {name: field for name, field in schema["properties"].items() if name not in head}
    return schema | {"properties": head | own, "required": ["spec"]}


def attributes(struct: type[ApiStruct]) -> dict[str, str]:
    """What the docstrings of a struct and its bases say of its fields, by the name on the wire."""
    told = {
        name: " ".join(match["text"].split())
        for base in reversed(struct.__mro__)
        for match in _ATTRIBUTE.finditer(cleandoc(base.__doc__ or "").partition("Attributes\n----------\n")[2])
        for name in match["names"].split(", ")
    }
    fields = msgspec.structs.fields(struct)
    return {field.encode_name: told[field.name] for field in fields if field.name in told}


class _Flattener:
    """Writes every reference out in its place."""

    def __init__(self, components: dict[str, Schema]) -> None:
        self._components = components
        self._structs = {struct.__name__: struct for struct in _all_structs(ApiStruct)}

    def flat(self, schema: Schema) -> Schema:
        """Return a schema without references."""
        schema = _without_null(schema)
        found = {key: value for key, value in schema.items() if key in KEPT}
        if default := schema.get("default"):
            found["default"] = default
        if PRESERVE in schema:
            return {"type": "object"} | found
        if "$ref" in schema:
            return self._referred(schema["$ref"].removeprefix(REF), found)
        found.setdefault("type", "string")
        if found["type"] == "integer":
            found["format"] = "int64"
        if "items" in schema:
            found["items"] = self.flat(schema["items"])
        if "properties" in schema:
            found["properties"] = {name: self.flat(field) for name, field in schema["properties"].items()}
            found |= {"required": schema["required"]} if schema["required"] else {}
        elif found["type"] == "object":
            values = schema.get("additionalProperties")
            found |= {"additionalProperties": self.flat(values)} if values else {PRESERVE: True}
        return _bounded(_exclusive(found))

    def _referred(self, name: str, beside: Schema) -> Schema:
        component, struct = self._components[name], self._structs.get(name)
        rules = struct.rules if struct else SELECTOR_RULES.get(name, ())
        validations = [rule.wire() for rule in rules] + beside.pop(VALIDATIONS, [])
        summary = SELECTOR_WORDS.get(name) or cleandoc(component.get("description", "")).partition("\n\n")[0]
        found = self.flat(component) | {"description": " ".join(summary.split())} | beside
        for field, told in (attributes(struct) if struct else {}).items():
            found["properties"][field]["description"] = told
        return found | ({VALIDATIONS: validations} if validations else {})


def _all_structs(base: type[ApiStruct]) -> list[type[ApiStruct]]:
    return [base, *(struct for below in base.__subclasses__() for struct in _all_structs(below))]


def _without_null(schema: Schema) -> Schema:
    """What may be null may as well be left out, and has to be: null is pruned."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) > 1:
        raise TypeError(f"a structural schema has one type a field, not {choices}")
    return schema | choices[0] if choices else schema


def _exclusive(schema: Schema) -> Schema:
    """Draft 2020-12 gives the exclusive bound as a number; Kubernetes as a mark on the plain bound."""
    found = dict(schema)
    for bound, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if bound in found and not isinstance(found[bound], bool):
            found |= {plain: found[bound], bound: True}
    return found


def _bounded(schema: Schema) -> Schema:
    kind = "map" if "additionalProperties" in schema else schema["type"]
    bound, most = BOUNDS.get(kind, ("", 0))
    if not bound or bound in schema or "enum" in schema:
        return schema
    return schema | {bound: most}
