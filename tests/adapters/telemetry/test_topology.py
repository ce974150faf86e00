"""Nodes are placed by a file, their labels, and the tags of their chassis."""

from pathlib import Path

import msgspec

from powerplane.adapters.telemetry.recorded import RecordedSource
from powerplane.adapters.telemetry.topology import located
from powerplane.adapters.topology_file import parse_topology
from powerplane.models.objects import Node
from powerplane.models.telemetry.places import FILE, LABELS, TAGS

LABEL = 'kube_node_labels{node="n3",label_topology_kubernetes_io_rack="r3",label_powerplane_dev_row="b"} 1\n'
TAG = 'redfish_power_powercontrol_power_consumed_watts{{source="{}",member_id="0",rack="{}",row="{}"}} 300\n'


def node(name: str, address: str = "", **labels: str) -> Node:
    addresses = [{"type": "InternalIP", "address": address}] if address else []
    return msgspec.convert({"metadata": {"name": name, "labels": labels}, "status": {"addresses": addresses}}, Node)


def recorded(folder: Path, text: str) -> RecordedSource:
    (folder / "scrape_00s.txt").write_text(text)
    return RecordedSource(folder)


def test_each_node_is_placed_by_the_first_that_knows_it(tmp_path: Path) -> None:
    nodes = (
        node("n1", **{"powerplane.dev/rack": "r9"}),
        node("n2", **{"topology.kubernetes.io/rack": "r2", "powerplane.dev/row": "a", "powerplane.dev/feed": "f"}),
        node("n3"),
        node("n4", "10.0.0.4"),
        node("n5"),
    )
    file = parse_topology(b"domains: [{name: r1, kind: rack, budget: 5kW, nodes: [n1]}]", nodes)
    readings = recorded(tmp_path, LABEL + TAG.format("10.0.0.4", "r4", "b") + TAG.format("elsewhere", "r5", "b")).read(
        0, 1
    )
    found = located(nodes, readings, file)
    assert found.origin == {"n1": FILE, "n2": LABELS, "n3": LABELS, "n4": TAGS}
    assert found.homeless == ("n5",)
    assert found.disagreements == ("node n1 hangs in r1 by its file, in r9 by its labels",)
    assert {domain.name: domain.parents for domain in found.topology.domains} == {
        "r1": (),
        "f": (),
        "a": ("f",),
        "b": (),
        "r2": ("a",),
        "r3": ("b",),
        "r4": ("b",),
    }
    assert found.topology.nodes_under("b") == ("n3", "n4")


def test_tags_find_their_node_by_an_address_that_only_prometheus_tells(tmp_path: Path) -> None:
    info = 'kube_node_info{node="n4",internal_ip="10.0.0.4"} 1\n'
    readings = recorded(tmp_path, info + TAG.format("10.0.0.4", "r4", "b")).read(0, 1)
    assert located((node("n4"),), readings).origin == {"n4": TAGS}


def test_without_anyone_who_tells_all_are_homeless() -> None:
    found = located((node("n1"), node("n2")))
    assert (found.topology.domains, found.homeless) == ((), ("n1", "n2"))
