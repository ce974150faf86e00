"""``powerplane topology``: a file to add budgets to, and what is not known of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.telemetry.topology_yaml import topology_yaml
from powerplane.adapters.topology_file import parse_topology
from powerplane.cli.topology import told
from powerplane.models.breakers import Breaker
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.telemetry.places import Located
from powerplane.models.topology import PowerDomain, PowerTopology

TAG = 'redfish_power_powercontrol_power_consumed_watts{{source="{}",member_id="0",rack="{}",row="{}"}} 300\n'


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """Four nodes, of which two have labels."""
    labels: dict[str, dict[str, str]] = {
        "n1": {"powerplane.dev/rack": "r1", "powerplane.dev/row": "a"},
        "n2": {"powerplane.dev/rack": "r1"},
        "n3": {},
        "n4": {},
    }
    items = [{"kind": "Node", "metadata": {"name": name, "labels": each}} for name, each in labels.items()]
    (tmp_path / "nodes.json").write_text(json.dumps({"kind": "List", "items": items}))
    return tmp_path


def record(folder: Path, text: str) -> Path:
    (folder / "pages").mkdir()
    (folder / "pages" / "scrape_00s.txt").write_text(text)
    return folder / "pages"


def test_nodes_are_placed_by_labels_and_by_their_chassis(program: Any, snapshot: Path) -> None:
    pages = record(snapshot, TAG.format("n3", "r3", "b") + TAG.format("n1", "r9", "b"))
    done = program("topology", "--snapshot", snapshot, "--telemetry", pages)
    found = parse_topology(done.out.encode(), ())
    assert done.code == 0
    assert {domain.name: (domain.kind, domain.parents, domain.nodes) for domain in found.domains} == {
        "a": ("row", (), ()),
        "b": ("row", (), ()),
        "r1": ("rack", ("a",), ("n1", "n2")),
        "r3": ("rack", ("b",), ("n3",)),
    }
    assert "2 nodes by labels" in done.err
    assert "1 node by tags" in done.err
    assert "nobody says where n4 hangs" in done.err
    assert "node n1 hangs in r1 by its labels, in r9 by its tags" in done.err


def test_a_file_goes_first_and_keeps_its_budgets(program: Any, snapshot: Path) -> None:
    file = snapshot / "topology.yaml"
    file.write_text("domains: [{name: x, kind: rack, budget: 5kW, nodes: [n1, n2, n3, n4]}]\n")
    done = program("topology", "--snapshot", snapshot, "--topology", file)
    assert parse_topology(done.out.encode(), ()) == parse_topology(file.read_bytes(), ())


def test_where_nobody_tells_it_says_what_to_do(program: Any, tmp_path: Path) -> None:
    (tmp_path / "nodes.json").write_text(json.dumps({"items": [{"metadata": {"name": "n1"}}]}))
    done = program("topology", "--snapshot", tmp_path)
    assert done.code == 1
    assert "kubectl label node n1 powerplane.dev/rack=NAME" in done.err


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--prometheus", "http://127.0.0.1:1"], 1, "does not answer"),
        (["--prometheus", "nonsense"], 2, "is not an address"),
        (["--context", "x"], 2, "--snapshot stands for a cluster already"),
        (["--token-file", "x"], 2, "for a Prometheus"),
        (["--topology", "nowhere.yaml"], 1, "does not exist"),
    ],
)
def test_what_cannot_be_used_is_refused(program: Any, snapshot: Path, more: list[str], code: int, said: str) -> None:
    done = program("topology", "--snapshot", snapshot, *more)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "Traceback" not in done.err


def test_of_many_homeless_nodes_only_some_are_listed() -> None:
    lines = told(Located(PowerTopology(()), {}, tuple(f"n{each}" for each in range(50))))
    assert len(lines) == 21
    assert lines[-1] == "… and 30 more"


POWERS = st.integers(1, 10**12)


@given(
    st.lists(st.text(min_size=1, max_size=6).filter(str.strip), min_size=2, max_size=5, unique=True),
    st.one_of(st.just(NO_BUDGET), POWERS),
    st.one_of(st.none(), st.builds(Breaker, POWERS, st.just(((1.25, 600.0), (2.0, 30.5))))),
)
def test_what_is_written_is_read_back(names: list[str], budget_mw: int, breaker: Breaker | None) -> None:
    first, second, *nodes = names
    domains = (
        PowerDomain(first, "feed", budget_mw),
        PowerDomain(second, "rack", NO_BUDGET, (first,), tuple(nodes) or ("n",), breaker),
    )
    whole = PowerTopology(domains)
    assert parse_topology(topology_yaml(whole).encode(), ()) == whole
