"""The CRDs are structural, bounded, current, and of one mind with the structs and the parser."""

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from powerplane.models.api.capping_policy import ClusterPowerCappingPolicySpec
from powerplane.models.api.crd import COLUMNS, crd_documents, crd_files
from powerplane.models.api.fields import POWER_PATTERN, PRESERVE, ApiStruct
from powerplane.models.api.kinds import CAPPING_POLICY, KINDS, POWER_DOMAIN
from powerplane.models.api.page import objects_page
from powerplane.models.api.structural import attributes, structural_schema
from powerplane.models.errors import InputError
from powerplane.models.quantities import parse_milliwatts

ROOT = Path(__file__).parents[3]
STRUCTURAL = {
    *("type", "description", "properties", "required", "items", "additionalProperties", "enum", "default", "format"),
    *("pattern", "minimum", "maximum", "exclusiveMinimum", "minLength", "maxLength", "minItems", "maxItems"),
    *("maxProperties", "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", PRESERVE),
}


def schemas(schema, path=""):
    """Every schema inside a schema, with its path."""
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from schemas(field, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if inner in schema:
            yield from schemas(schema[inner], f"{path}.{inner}")


def root(document):
    return document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


@pytest.mark.parametrize("name", sorted(crd_files()))
def test_the_committed_definition_is_current(name):
    committed = (ROOT / "deploy" / "crds" / name).read_text(encoding="utf-8")
    assert committed == crd_files()[name], "write it again: make docs"


def test_nothing_else_is_kept_beside_the_definitions():
    assert {path.name for path in (ROOT / "deploy" / "crds").iterdir()} == set(crd_files())


def test_the_committed_page_is_current():
    page = (ROOT / "docs" / "reference" / "objects.md").read_text(encoding="utf-8")
    assert page == objects_page(), "write it again: make docs"


@pytest.mark.parametrize("document", crd_documents(), ids=lambda document: document["spec"]["names"]["kind"])
def test_every_schema_is_structural_bounded_and_described(document):
    for path, schema in schemas(root(document)):
        assert set(schema) <= STRUCTURAL, path
        assert isinstance(schema["type"], str), path
        if schema["type"] == "array":
            assert schema["maxItems"] <= 5000, path
        if schema["type"] == "string" and not path.endswith((".apiVersion", ".kind")):
            assert "enum" in schema or schema["maxLength"] <= 4096, path
        if schema["type"] == "object" and not schema.get(PRESERVE) and path != ".metadata":
            assert ("properties" in schema) != ("additionalProperties" in schema), path
        if not isinstance(schema.get("exclusiveMinimum", True), bool):
            pytest.fail(path)
        if path.startswith((".spec", ".status")) and "elector" not in path and not path.endswith("items"):
            assert schema.get("description"), path


def test_no_two_structs_share_a_name_and_every_attribute_is_told():
    found = structs(ApiStruct)
    assert len({one.__name__ for one in found}) == len(found)
    for one in found:
        fields = {field.encode_name for field in msgspec.structs.fields(one)}
        assert fields - set(attributes(one)) <= {"metadata"}, one.__name__


def structs(base):
    return [one for below in base.__subclasses__() for one in (below, *structs(below))]


def test_attributes_of_a_base_are_told_of_what_inherits_them():
    assert set(attributes(ClusterPowerCappingPolicySpec)) >= {"mode", "namespaceSelector"}


@pytest.mark.parametrize("document", crd_documents(), ids=lambda document: document["spec"]["names"]["kind"])
def test_columns_lead_to_fields_that_there_are(document):
    for column in document["spec"]["versions"][0]["additionalPrinterColumns"]:
        path = column["jsonPath"]
        if path == ".metadata.creationTimestamp":
            continue
        steps = re.sub(r'\[\?\(@\.type=="\w+"\)\]', ".items", path).strip(".").split(".")
        schema = root(document)
        for step in steps:
            schema = schema["items"] if step == "items" else schema["properties"][step]


def test_columns_are_those_that_were_agreed():
    shown = {kind: [column["name"].upper() for column in COLUMNS[kind] if "priority" not in column] for kind in COLUMNS}
    assert shown["PowerDomain"] == ["KIND", "BUDGET", "DRAW", "HEADROOM", "NODES", "READY", "AGE"]
    assert {"MODE", "CAP", "PRIORITY", "READY", "AGE"} <= set(shown["PowerCappingPolicy"])


def test_a_type_that_a_structural_schema_cannot_say_is_refused():
    class TwoFaced(ApiStruct, frozen=True):
        """It.

        Attributes
        ----------
        spec
            Either.
        """

        spec: int | str = 0

    with pytest.raises(TypeError, match="one type a field"):
        structural_schema(TwoFaced)


POWER = re.compile(POWER_PATTERN.replace("\\\\", "\\"))


@given(st.from_regex(re.compile(r"[0-9]{1,14}(\.[0-9]{1,10})?(mW|W|kW|MW)"), fullmatch=True))
@example("9999999999999mW")
@example("9999999999.999W")
@example("9999.999999999MW")
@example("0.0kW")
@example("10000MW")
def test_whatever_power_the_api_server_takes_the_parser_reads_exactly(text):
    if not (POWER.search(text) and re.search("[1-9]", text)):
        return
    whole, _, part = re.fullmatch(r"([0-9.]+)\D+", text)[1].partition(".")
    digits = {"mW": 0, "W": 3, "kW": 6, "MW": 9}[text.lstrip("0123456789.")]
    assert parse_milliwatts(text) == int(whole + part.ljust(digits, "0")[:digits])


@given(st.text(max_size=8))
def test_whatever_the_parser_refuses_the_api_server_refuses(text):
    try:
        parse_milliwatts(text)
    except InputError:
        assert not (POWER.search(text) and re.search("[1-9]", text))


def test_objects_go_on_the_wire_with_their_version_and_kind():
    found = POWER_DOMAIN.wire(
        msgspec.convert({"metadata": {"name": "a"}, "spec": {"kind": "rack"}}, POWER_DOMAIN.struct)
    )
    assert found == {
        "apiVersion": "powerplane.dev/v1alpha1",
        "kind": "PowerDomain",
        "metadata": {"name": "a"},
        "spec": {"kind": "rack"},
    }
    assert POWER_DOMAIN.path("a") == "/apis/powerplane.dev/v1alpha1/powerdomains/a"
    assert CAPPING_POLICY.path("a", "b").endswith("/namespaces/b/powercappingpolicies/a")
    assert len({kind.short for kind in KINDS}) == len(KINDS)


def test_unknown_fields_of_a_newer_version_are_passed_over():
    text = b'{"metadata":{"name":"a","managedFields":[]},"spec":{"kind":"rack","later":1},"status":{"later":{}}}'
    assert msgspec.json.decode(text, type=POWER_DOMAIN.struct).spec.kind == "rack"
