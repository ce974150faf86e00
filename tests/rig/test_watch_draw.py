"""``powerplane top`` and ``doctor`` on a live cluster: domains by PowerDomains and policies, by labels, by a file."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.conftest import Done, run_program
from tests.cli.telemetry_pages import record_ipmi
from tests.rig.cluster import node
from tests.rig.objects import apply, install_crds, written
from tests.rig.test_live_adapter import grant  # noqa: F401 (a fixture)

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY, POWER_DOMAIN

pytestmark = pytest.mark.rig

WATTS = {"w1": 120.0, "w2": 110.0, "w3": 100.0}
"""Within what the catalogue's server of that size may draw; what is not would not be believed."""
RACKS = {"w1": "r1", "w2": "r1", "w3": "r2"}


@pytest.fixture
def filled(rig: Any) -> Any:
    """Three nodes in two racks, by their labels."""
    rig.api.post_all("/api/v1/nodes", [node(name, {"powerplane.dev/rack": rack}) for name, rack in RACKS.items()])
    return rig


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    return record_ipmi(tmp_path / "pages", WATTS)


def run_json(command: str, pages: Path, kubeconfig: Path, *more: object) -> tuple[Done, Any]:
    done = run_program(command, "--telemetry", pages, "--kubeconfig", kubeconfig, *more, "-o", "json")
    return done, json.loads(done.out)


def draws(view: Any) -> dict[str, tuple[float, float | None]]:
    return {domain["name"]: (domain["drawWatts"], domain["budgetWatts"]) for domain in view["domains"]}


def test_without_anything_else_domains_come_from_labels_and_worst_cases_from_the_catalogue(
    filled: Any, pages: Path
) -> None:
    done, view = run_json("top", pages, filled.kubeconfig)
    assert (done.code, done.err) == (0, "")
    assert draws(view) == {"r1": (230, None), "r2": (100, None)}
    assert any("catalogue" in note for note in view["assumptions"])


def test_a_topology_file_stands_before_labels_and_gives_budgets(filled: Any, pages: Path, tmp_path: Path) -> None:
    domains = [{"name": "hall", "kind": "feed", "budget": "300W", "nodes": list(WATTS)}]
    (tmp_path / "topology.yaml").write_text(yaml.safe_dump({"domains": domains}))
    done, view = run_json("top", pages, filled.kubeconfig, "--topology", tmp_path / "topology.yaml")
    assert done.code == 3
    assert (draws(view), view["broken"]) == ({"hall": (330, 300)}, ["hall"])


def test_power_domains_and_the_policies_in_force_give_budgets_and_worst_cases(filled: Any, pages: Path) -> None:
    install_crds(filled)
    selector = {"matchLabels": {"powerplane.dev/rack": "r1"}}
    member = {"peak": "400W", "idle": "100W", "budget": "115W"}
    for name, spec in {
        "feed": {"kind": "feed", "budget": "2kW"},
        "rack-1": {"kind": "rack", "parents": ["feed"], "budget": "1kW", "nodeSelector": selector, "node": member},
        "rack-2": {"kind": "rack", "parents": ["feed"], "nodeNames": ["w3"], "node": {"peak": "333W"}},
    }.items():
        apply(filled, POWER_DOMAIN.path(name), written(POWER_DOMAIN, name, spec))
    capped = {"rackConstraints": [{"domainNames": ["rack-1"], "maxPower": "220W"}], "mode": "Enforce"}
    apply(filled, CLUSTER_CAPPING_POLICY.path("cap"), written(CLUSTER_CAPPING_POLICY, "cap", capped))
    done, view = run_json("top", pages, filled.kubeconfig)
    assert draws(view) == {"feed": (330, 2000), "rack-1": (230, 220), "rack-2": (100, None)}
    assert (done.code, sorted(view["broken"])) == (3, ["rack-1", "w1"])
    assert view["assumptions"] == []
    (pages / "w3:9290").rename(pages / "elsewhere:9290")
    _, view = run_json("top", pages, filled.kubeconfig, "--nodes")
    assert next(one for one in view["nodes"] if one["name"] == "w3")["drawWatts"] == 333


def test_who_may_list_nodes_alone_is_told_where_domains_come_from(
    filled: Any,
    pages: Path,
    grant: Any,  # noqa: F811 (the fixture)
) -> None:
    install_crds(filled)
    kubeconfig = grant("nodes-only", [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}])
    done, view = run_json("top", pages, kubeconfig)
    assert done.code == 0
    assert set(draws(view)) == {"r1", "r2"}
    assert any("may not be listed" in note for note in view["assumptions"])


def test_who_may_list_nothing_is_told_what_to_grant(filled: Any, pages: Path, grant: Any) -> None:  # noqa: F811  # the fixture
    kubeconfig = grant("nobody", [{"apiGroups": [""], "resources": ["services"], "verbs": ["list"]}])
    done = run_program("top", "--telemetry", pages, "--kubeconfig", kubeconfig)
    assert (done.code, done.out) == (1, "")
    assert "forbids" in done.err
    asked, view = run_json("doctor", pages, kubeconfig)
    assert (asked.code, view["status"]) == (3, "fail")
    site = next(section for section in view["sections"] if section["name"] == "site")
    assert "forbids" in site["findings"][0]["text"]
    assert site["data"]["nodes"] == len(WATTS)


def test_nodes_without_a_rack_are_told_of_with_the_label_to_give(rig: Any, pages: Path) -> None:
    rig.api.post_all("/api/v1/nodes", [node(name) for name in WATTS])
    done = run_program("top", "--telemetry", pages, "--kubeconfig", rig.kubeconfig)
    assert done.code == 1
    assert "kubectl label node" in done.err
