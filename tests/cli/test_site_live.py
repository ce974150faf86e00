"""A live cluster's nodes and domains; that a real API server tells them so is tested in ``tests/rig``."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.adapters.api_server import Api, kubeconfig, refuse
from tests.cli.conftest import node

from powerplane.adapters.site import Site
from powerplane.cli.site import SiteFrom, read_site
from powerplane.models.errors import InputError, UnreachableError

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
RACKS = {"w1": "r1", "w2": "r1", "w3": "r2"}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    api = Api()
    for name, rack in RACKS.items():
        made = node(name)
        made["metadata"]["labels"]["powerplane.dev/rack"] = rack
        api.objects["nodes"].append(made)
    kubeconfig(tmp_path / "config", api.address)
    yield api
    api.close()


@pytest.fixture
def site(tmp_path: Path) -> Any:
    def read(**where: Any) -> Site:
        return read_site(SiteFrom(kubeconfig=tmp_path / "config", **where), lambda _: None, NOW)

    return read


def declare(api: Api, **specs: dict[str, Any]) -> None:
    api.objects["powerdomains"] = [
        {"metadata": {"name": name.replace("_", "-")}, "spec": spec} for name, spec in specs.items()
    ]


def budgets(site: Site) -> dict[str, int]:
    return {domain.name: domain.budget_mw for domain in site.book.topology.domains}


def test_only_nodes_and_our_own_objects_are_listed(api: Api, site: Any) -> None:
    site()
    assert set(api.counts()) == {"nodes", "powerdomains", "clusterpowercappingpolicies"}


def test_without_domains_the_labels_name_them_and_the_catalogue_the_worst_cases(api: Api, site: Any) -> None:
    found = site()
    assert [(domain.name, domain.nodes) for domain in found.book.topology.domains] == [
        ("r1", ("w1", "w2")),
        ("r2", ("w3",)),
    ]
    assert all(fact.peak_watts > fact.idle_watts > 0 for fact in found.facts)
    assert any("catalogue" in note for note in found.notes)


def test_power_domains_stand_before_labels_and_state_budgets_and_worst_cases(api: Api, site: Any) -> None:
    selector = {"matchLabels": {"powerplane.dev/rack": "r1"}}
    member = {"peak": "400W", "idle": "100W", "budget": "190W"}
    declare(
        api,
        rack_1={"kind": "rack", "budget": "1kW", "nodeSelector": selector, "node": member},
        rack_2={"kind": "rack", "nodeNames": ["w3"], "node": {"peak": "333W"}},
    )
    found = site()
    assert budgets(found)["rack-1"] == 1_000_000
    assert [(fact.idle_watts, fact.peak_watts) for fact in found.facts] == [(100, 400), (100, 400), (0, 333)]
    assert found.node_budget_mw == {"w1": 190_000, "w2": 190_000}
    assert found.notes == ()


def test_policies_in_force_lower_budgets_and_never_raise_them(api: Api, site: Any) -> None:
    declare(
        api,
        rack_1={"kind": "rack", "budget": "1kW", "nodeNames": ["w1", "w2"]},
        rack_2={"kind": "rack", "budget": "1kW", "nodeNames": ["w3"]},
    )
    constraints = [{"domainNames": ["rack-1"], "maxPower": "700W"}, {"domainNames": ["rack-2"], "maxPower": "3kW"}]
    policy = {"metadata": {"name": "cap"}, "spec": {"mode": "Enforce", "rackConstraints": constraints}}
    api.objects["clusterpowercappingpolicies"] = [policy]
    assert budgets(site()) == {"rack-1": 700_000, "rack-2": 1_000_000}


def test_power_domains_that_make_no_tree_are_refused_with_what_is_wrong(api: Api, site: Any) -> None:
    declare(api, rack_1={"kind": "rack", "budget": "1kW", "parents": ["nowhere"], "nodeNames": ["w1"]})
    with pytest.raises(InputError, match="'nowhere' does not exist"):
        site()


def test_a_power_file_stands_before_what_domains_state(api: Api, site: Any, tmp_path: Path) -> None:
    declare(api, rack={"kind": "rack", "nodeNames": list(RACKS), "node": {"peak": "333W"}})
    power = {"curves": {"c": [[0, 50], [1, 250]]}, "nodes": {"default": {"curve": "c"}}}
    (tmp_path / "power.yaml").write_text(yaml.safe_dump(power))
    assert {fact.peak_watts for fact in site(power=tmp_path / "power.yaml").facts} == {250}


def test_where_domains_may_not_be_listed_labels_name_them_and_that_is_told(api: Api, site: Any) -> None:
    api.trouble["powerdomains"] = refuse(403, "powerdomains is forbidden")
    found = site()
    assert [domain.name for domain in found.book.topology.domains] == ["r1", "r2"]
    assert any("may not be listed" in note for note in found.notes)


def test_where_nodes_may_not_be_listed_the_grant_is_told(api: Api, site: Any) -> None:
    api.trouble["nodes"] = refuse(403, "nodes is forbidden")
    with pytest.raises(UnreachableError, match="forbids to list nodes"):
        site()


def test_a_cluster_without_nodes_is_refused(api: Api, site: Any) -> None:
    api.objects["nodes"] = []
    with pytest.raises(InputError, match="has no nodes"):
        site()
