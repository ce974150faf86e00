"""Where ``top``, ``doctor`` and ``plan`` know nodes and domains from."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import small_cluster

from powerplane.adapters.site import Site
from powerplane.cli.site import SiteFrom, read_site
from powerplane.models.errors import InputError, UsageError

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def site(**where: Any) -> Site:
    return read_site(SiteFrom(**where), lambda _: None, NOW)


def test_a_snapshot_tells_each_nodes_draw_when_idle_and_at_most_with_its_accelerators(tmp_path: Path) -> None:
    cluster = small_cluster(tmp_path / "snapshot")
    cluster.nodes[1]["status"]["allocatable"]["nvidia.com/gpu"] = "8"
    cluster.power["nodes"]["byName"] = {"n2": {"curve": "server", "acceleratorPeak": "400W", "budget": "2kW"}}
    cluster.nodes[0]["status"]["addresses"] = [{"type": "InternalIP", "address": "10.0.0.1"}]
    found = site(snapshot=cluster.write())
    first, second = found.facts[:2]
    assert (first.name, first.idle_watts, first.peak_watts, first.accelerators, first.cores) == ("n1", 100, 200, 0, 10)
    assert "10.0.0.1" in first.aliases
    assert (second.peak_watts, second.accelerators, second.accelerator_peak_watts) == (200 + 8 * 400, 8, 400)
    assert found.node_budget_mw == {"n2": 2_000_000}
    assert [domain.name for domain in found.book.topology.domains] == ["row-1", "rack-1", "rack-2"]


def test_pods_are_not_needed_and_not_read(tmp_path: Path) -> None:
    where = small_cluster(tmp_path / "snapshot").write()
    (where / "pods.json").unlink()
    assert len(site(snapshot=where).facts) == 4


def test_without_a_cluster_the_topology_names_the_nodes(tmp_path: Path) -> None:
    where = small_cluster(tmp_path / "snapshot").write()
    found = site(topology=where / "topology.yaml", power=where / "power.yaml", no_cluster=True)
    assert [fact.name for fact in found.facts] == ["n1", "n2", "n3", "n4"]
    assert (found.facts[0].peak_watts, found.facts[0].cores) == (200, 0)


def test_without_a_cluster_selectors_are_refused_with_what_to_write_instead(tmp_path: Path) -> None:
    cluster = small_cluster(tmp_path / "snapshot")
    del cluster.domain("rack-1")["nodes"]
    cluster.domain("rack-1")["nodeSelector"] = {"rack": "r1"}
    where = cluster.write()
    with pytest.raises(InputError, match="without a cluster no node has labels") as caught:
        site(topology=where / "topology.yaml", power=where / "power.yaml", no_cluster=True)
    assert "by name" in caught.value.next_step


def test_a_node_without_a_curve_is_refused_since_its_worst_case_is_not_known(tmp_path: Path) -> None:
    cluster = small_cluster(tmp_path / "snapshot")
    cluster.power["nodes"] = {"byName": {"n1": {"curve": "server"}}}
    with pytest.raises(InputError, match="'n2' has no power curve"):
        site(snapshot=cluster.write())


def test_a_node_in_no_domain_is_kept_and_told(tmp_path: Path) -> None:
    cluster = small_cluster(tmp_path / "snapshot")
    cluster.domain("rack-2")["nodes"].remove("n4")
    assert site(snapshot=cluster.write()).book.outside == ("n4",)


@pytest.mark.parametrize(
    "where",
    [
        {"snapshot": Path("s"), "topology": Path("t")},
        {"snapshot": Path("s"), "no_cluster": True},
        {"no_cluster": True, "context": "c", "topology": Path("t")},
        {"no_cluster": True, "power": Path("p")},
    ],
)
def test_what_does_not_go_together_is_refused(where: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        site(**where)
