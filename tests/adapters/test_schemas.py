"""The committed schemas are those of the structs, and say yes and no where the readers do."""

import json
import re
from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.power_file import EXAMPLE as POWER_EXAMPLE
from powerplane.adapters.schemas import schema_text, schemas, write_schemas
from powerplane.adapters.topology_file import EXAMPLE as TOPOLOGY_EXAMPLE
from powerplane.adapters.topology_file import POWER
from powerplane.models.errors import InputError
from powerplane.models.plan import Conflict, DomainDraw, Move, Plan, Unplaced
from powerplane.models.quantities import parse_milliwatts

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PAGE = (REFERENCE / "snapshot-directory.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^`([a-z.]+)`\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
PLAN = Plan(
    status="feasible",
    objective="disruption",
    cost=1.0,
    bound=0.0,
    gap=None,
    seed=0,
    seconds=0.5,
    snapshot="0123456789abcdef",
    assumptions=("one",),
    moves=(Move(namespace="a", pod="b", uid="c", source="n1", target="n2", watts=1.5, wave=1, because=("rack-1",)),),
    domains=(DomainDraw(name="rack-1", kind="rack", budget_watts=None, before_watts=1.0, after_watts=2.0),),
    unplaced=(Unplaced(namespace="a", pod="b", reason="no node is large enough"),),
    conflict=Conflict(members=("rack-1",), remedies=("raise it",)),
)


def check(name, value):
    jsonschema.Draft202012Validator(schemas()[name]).validate(value)


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_committed_schema_is_current(name):
    committed = (REFERENCE / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(schemas()[name]), (
        "next: python -m powerplane.adapters.schemas docs/reference/schemas"
    )


@pytest.mark.parametrize("name", sorted(schemas()))
def test_every_schema_is_itself_valid(name):
    jsonschema.Draft202012Validator.check_schema(schemas()[name])


def test_schemas_are_written_under_their_names(tmp_path):
    write_schemas(tmp_path / "new")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {f"{name}.schema.json" for name in schemas()}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("topology", TOPOLOGY_EXAMPLE),
        ("topology", EXAMPLES["topology.yaml"]),
        ("power", POWER_EXAMPLE),
        ("power", EXAMPLES["power.yaml"]),
        ("list", EXAMPLES["nodes.json"]),
        ("list", EXAMPLES["pods.json"]),
        ("list", "[]"),
    ],
)
def test_real_examples_pass(name, text):
    check(name, yaml.safe_load(text))


def test_a_plan_as_it_is_printed_passes():
    check("plan", json.loads(msgspec.json.encode(PLAN)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("topology", {"domains": [{"name": "r", "kind": "rack", "budgte": "1W"}]}),
        ("topology", {"domains": [{"name": "r", "kind": "rack", "budget": 450}]}),
        ("topology", {"domains": [{"name": "r", "kind": "rack", "budget": "450"}]}),
        ("topology", {"domains": [{"name": "r", "kind": "rack", "feedLoad": "halves"}]}),
        ("power", {"curves": {"a": [[0, 1, 2]]}, "nodes": {}}),
        ("power", {"curves": {}, "nodes": {"byLabel": [{"curve": "a"}]}}),
        ("list", {"items": [{}]}),
        ("list", {"kind": "List"}),
        ("plan", {"status": "perhaps"}),
    ],
)
def test_what_a_reader_would_refuse_fails(name, value):
    with pytest.raises(jsonschema.ValidationError):
        check(name, value)


@given(st.from_regex(re.compile(r"[0-9.+\- ]{0,6}(mW|W|kW|MW|KW|)\Z")))
def test_the_pattern_of_a_power_lets_through_whatever_the_parser_reads(text):
    try:
        parse_milliwatts(text)
    except InputError:
        return
    assert re.search(POWER, text)
