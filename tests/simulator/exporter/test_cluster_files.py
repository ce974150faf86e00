import json

import numpy as np
import pytest

from powerplane.adapters.snapshot_directory import read_snapshot
from powerplane.bench.cells import write_cell
from powerplane.models.draws import node_draws_mw
from powerplane.simulator.exporter import Measuring, Served
from powerplane.simulator.exporter.app import ExporterApp
from powerplane.simulator.exporter.cluster_files import FILES
from powerplane.simulator.scenario_file import read_scenario
from powerplane.simulator.sensors.bank import Sensors
from powerplane.simulator.world import World

SCENARIO = """
cluster:
  types:
    web: {cores: 48, memory: 192Gi, curve: [[0, 140], [0.1, 205], [0.5, 330], [1, 480]]}
    gpu: {cores: 64, memory: 512Gi, curve: [[0, 190], [1, 620]], accelerators: {model: A100-SXM4-80GB, count: 4}}
  rows:
  - {name: row-1, racks: 2, nodes: {web: 4}, feeds: [feed-a, feed-b]}
  - {name: row-2, racks: 1, nodes: {gpu: 2}, feeds: [feed-c]}
  limits:
    rack: {budget: 2.2kW, breaker: {rating: 2.5kW, curve: [[1.2, 600], [2, 30]]}}
workloads:
- {name: shop, replicas: 20, requests: {cpu: 6, memory: 20Gi}, mayBeDown: 10%, priority: 100, nodeType: web}
- {name: llm, replicas: 4, requests: {cpu: 8, memory: 60Gi, accelerators: 1}, nodeType: gpu}
- {name: agent, kind: DaemonSet, requests: {cpu: 250m, memory: 256Mi}}
duration: 1h
"""


def served(world, path):
    app = ExporterApp((), base=world.spec.base)
    said = Sensors(0, ()).observe(world.truth(), 0.0)
    path.mkdir()
    for name in FILES:
        reply = app.answer(said, f"/snapshot/{name}")
        assert reply.status == 200
        (path / name).write_text(reply.body)
    return read_snapshot(path)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    path = tmp_path_factory.mktemp("scenario") / "scenario.yaml"
    path.write_text(SCENARIO)
    return World(read_scenario(path).spec)


def test_the_files_served_are_those_of_the_cluster(world, tmp_path):
    base, found, truth = world.spec.base, served(world, tmp_path / "cluster"), world.truth()
    assert found.node_names == base.node_names
    assert {each.name: each for each in found.topology.domains} == {each.name: each for each in base.topology.domains}
    for ours, theirs in zip(base.node_curve, found.node_curve, strict=True):
        assert (ours.utilisation, ours.milliwatts) == (theirs.utilisation, theirs.milliwatts)
    names = [base.resources.index(name) for name in found.resources]
    assert (base.allocatable[:, names] == found.allocatable).all()
    assert found.pods.uids == truth.pod_uid
    assert found.pods.node.tolist() == truth.pod_node.tolist()
    assert [each.spec for each in found.disruption_budgets] == [each.spec for each in base.disruption_budgets]


def test_pods_ask_for_what_their_templates_ask_for(world, tmp_path):
    found, truth = served(world, tmp_path / "cluster"), world.truth()
    base = {each.owner: each for each in world.spec.base.templates}
    names = [world.spec.base.resources.index(name) for name in found.resources]
    assert set(truth.pod_owner) == set(base)
    for row, owner in enumerate(truth.pod_owner):
        template = found.templates[found.pods.template[row]]
        assert template.requests == tuple(base[owner].requests[i] for i in names)
        assert (template.priority, template.labels) == (base[owner].priority, base[owner].labels)
        assert template.node_selector == base[owner].node_selector
        assert bool(template.unmovable) == bool(base[owner].unmovable)


def test_a_snapshot_that_was_served_again_draws_what_it_drew(tmp_path):
    write_cell(tmp_path / "cell", pods=60, nodes=10, seed=1, rack_size=5)
    (tmp_path / "scenario.yaml").write_text("snapshot: cell\nduration: 1h\n")
    world = World(read_scenario(tmp_path / "scenario.yaml").spec)
    found, base = served(world, tmp_path / "again"), world.spec.base
    row = {uid: i for i, uid in enumerate(found.pods.uids)}
    order = [row[uid] for uid in base.pods.uids]
    assert (found.pods.node[order] == base.pods.node).all()
    assert np.array_equal(node_draws_mw(found) > 0, node_draws_mw(base) > 0)


def test_redfish_tells_row_and_rack(world):
    served = Served(world, "127.0.0.1:0", measuring=Measuring(base=world.spec.base))
    try:
        node = world.nodes[0]
        told = json.loads(served.app.answer(served.said, f"/redfish/v1/Chassis/{node}").body)
        assert told["Location"]["Placement"] == {"Rack": "row-1-rack-01", "Row": "row-1"}
    finally:
        served.close()


def test_without_a_base_there_are_no_files(world):
    said = Sensors(0, ()).observe(world.truth(), 0.0)
    assert ExporterApp(()).answer(said, "/snapshot/nodes.json").status == 404
