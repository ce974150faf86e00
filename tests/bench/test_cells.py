import csv
import json
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from powerplane.bench.cell_spec import KINDS, cell
from powerplane.bench.cells import main, write_cell, write_spec
from powerplane.models.errors import UsageError


def load(path):
    return json.loads(path.read_text())["items"]


def milli(pod):
    return int(pod["spec"]["containers"][0]["resources"]["requests"]["cpu"].removesuffix("m"))


def mebi(pod):
    return int(pod["spec"]["containers"][0]["resources"]["requests"]["memory"].removesuffix("Mi"))


def draw_watts(knots, utilisation):
    for (left, low), (right, high) in pairwise(knots):
        if utilisation <= Fraction(str(right)):
            start, end, lowest, highest = (Fraction(str(x)) for x in (left, right, low, high))
            return lowest + (highest - lowest) * (utilisation - start) / (end - start)
    return Fraction(str(knots[-1][1]))


class Cell:
    """A cell read back from its files with nothing of the generator's."""

    def __init__(self, path):
        self.nodes = load(path / "nodes.json")
        self.pods = load(path / "pods.json")
        with (path / "usage.csv").open() as file:
            self.use = {(row["namespace"], row["pod"]): Fraction(row["cpu_cores"]) for row in csv.DictReader(file)}
        self.power = yaml.safe_load((path / "power.yaml").read_text())
        self.domains = yaml.safe_load((path / "topology.yaml").read_text())["domains"]
        self.cores = {node["metadata"]["name"]: int(node["status"]["allocatable"]["cpu"]) for node in self.nodes}

    def draws(self):
        used = Counter()
        for pod in self.pods:
            used[pod["spec"]["nodeName"]] += self.use[pod["metadata"]["namespace"], pod["metadata"]["name"]]
        curves = {}
        for entry in self.power["nodes"]["byLabel"]:
            ((key, value),) = entry["label"].items()
            for node in self.nodes:
                if node["metadata"]["labels"].get(key) == value:
                    curves[node["metadata"]["name"]] = self.power["curves"][entry["curve"]]
        return {name: draw_watts(curves[name], used[name] / cores) for name, cores in self.cores.items()}

    def rack_ratios(self):
        draws = self.draws()
        return [
            Fraction(domain["budget"].removesuffix("W")) / sum(draws[node] for node in domain["nodes"])
            for domain in self.domains
            if domain["kind"] == "rack"
        ]


@pytest.fixture(scope="module")
def slack_cell(tmp_path_factory) -> Cell:
    path = tmp_path_factory.mktemp("slack")
    write_cell(path, pods=1000, nodes=100, seed=7)
    return Cell(path)


def contents(path: Path):
    return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


def test_one_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_cell(tmp_path / name, pods=200, nodes=20, seed=seed, rack_size=5)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a")["pods.json"] != contents(tmp_path / "c")["pods.json"]


@pytest.mark.parametrize("kind", KINDS)
def test_cpu_requests_sum_to_the_stated_utilisation_within_a_tenth_of_a_percent(kind, tmp_path):
    spec = cell(kind, 1000, 100)
    write_spec(tmp_path, spec, 1)
    found = Cell(tmp_path)
    requested = Fraction(sum(milli(pod) for pod in found.pods), 1000)
    assert abs(requested / sum(found.cores.values()) - Fraction(str(spec.utilisation))) < Fraction(1, 1000)
    assert len(found.pods) == 1000
    assert len(found.nodes) == 100


def test_no_node_is_given_more_than_it_offers(slack_cell):
    cpu, memory, slots = Counter(), Counter(), Counter()
    for pod in slack_cell.pods:
        node = pod["spec"]["nodeName"]
        cpu[node] += milli(pod)
        memory[node] += mebi(pod)
        slots[node] += 1
    for node in slack_cell.nodes:
        name, offered = node["metadata"]["name"], node["status"]["allocatable"]
        assert cpu[name] <= 1000 * int(offered["cpu"])
        assert memory[name] <= int(offered["memory"].removesuffix("Mi"))
        assert slots[name] <= int(offered["pods"])


def test_a_thousand_pods_have_150_classes_with_the_largest_near_its_zipf_share(slack_cell):
    sizes = Counter(pod["metadata"]["labels"]["app"] for pod in slack_cell.pods)
    assert len(sizes) == 150
    harmonic = sum(Fraction(1, rank) for rank in range(1, 151))
    assert abs(max(sizes.values()) - (1 + 850 / harmonic)) < 1
    uids = {pod["metadata"]["uid"] for pod in slack_cell.pods}
    assert len(uids) == 1000


def test_a_third_of_the_racks_must_shed_a_tenth_and_the_rest_may_add_12_percent(slack_cell):
    ratios = slack_cell.rack_ratios()
    cut = [ratio for ratio in ratios if ratio < 1]
    assert len(ratios) == 5
    assert len(cut) == 2
    assert all(abs(ratio - Fraction(9, 10)) < Fraction(1, 10**5) for ratio in cut)
    assert all(abs(ratio - Fraction(112, 100)) < Fraction(1, 10**5) for ratio in ratios if ratio > 1)


def test_rows_and_feeds_can_carry_all_that_their_racks_may_draw(slack_cell):
    watts = {domain["name"]: Fraction(domain["budget"].removesuffix("W")) for domain in slack_cell.domains}
    rows = [domain for domain in slack_cell.domains if domain["kind"] == "row"]
    racks = [domain for domain in slack_cell.domains if domain["kind"] == "rack"]
    for row in rows:
        assert row["parents"] == ["feed-a", "feed-b"]
        assert watts[row["name"]] >= sum(watts[rack["name"]] for rack in racks if row["name"] in rack["parents"])
    assert watts["feed-a"] >= sum(watts[rack["name"]] for rack in racks)


@pytest.mark.parametrize("kind", ["knots", "noisy", "constrained"])
def test_budgets_follow_the_draw_whatever_the_curve_and_the_use(kind, tmp_path):
    write_spec(tmp_path, cell(kind, 400, 40), 2)
    ratios = Cell(tmp_path).rack_ratios()
    assert sorted(round(float(ratio), 5) for ratio in ratios) == [0.9] * 3 + [1.12] * 5


def test_of_a_single_rack_none_is_cut(tmp_path):
    write_spec(tmp_path, cell("slack", 200, 20, single_rack=True), 1)
    (ratio,) = Cell(tmp_path).rack_ratios()
    assert round(float(ratio), 5) == 1.12


@pytest.mark.parametrize(("kind", "distinct"), [("slack", 1), ("noisy", 10)])
def test_pods_of_a_class_use_the_same_unless_noise_is_asked_for(kind, distinct, tmp_path):
    write_spec(tmp_path, cell(kind, 400, 40), 2)
    found = Cell(tmp_path)
    uses = {found.use[pod["metadata"]["namespace"], pod["metadata"]["name"]] for pod in found.pods[:20]}
    assert len(uses) >= distinct
    assert (len(uses) == 1) == (distinct == 1)
    for pod in found.pods:
        use = found.use[pod["metadata"]["namespace"], pod["metadata"]["name"]]
        assert 0 < use <= Fraction(milli(pod), 1000)


def test_a_constrained_cell_begins_with_all_its_constraints_kept(tmp_path):
    write_spec(tmp_path, cell("constrained", 1000, 100), 3)
    nodes = {node["metadata"]["name"]: node for node in load(tmp_path / "nodes.json")}
    zones, spread, alone = {}, {}, Counter()
    kept = Counter()
    for pod in load(tmp_path / "pods.json"):
        node, spec, app = nodes[pod["spec"]["nodeName"]], pod["spec"], pod["metadata"]["labels"]["app"]
        zone = node["metadata"]["labels"]["topology.kubernetes.io/zone"]
        if node["spec"].get("taints"):
            assert spec["tolerations"][0]["key"] == node["spec"]["taints"][0]["key"]
            kept["tolerated"] += 1
        affinity = spec.get("affinity", {})
        if "nodeAffinity" in affinity:
            assert zone in json.dumps(affinity["nodeAffinity"])
            zones.setdefault(app, set()).add(zone)
        if "podAntiAffinity" in affinity:
            alone[app, node["metadata"]["name"]] += 1
        if "topologySpreadConstraints" in spec:
            spread.setdefault(app, Counter())[zone] += 1
            skew = spec["topologySpreadConstraints"][0]["maxSkew"]
    assert kept["tolerated"] > 0
    assert zones
    assert set(alone.values()) == {1}
    assert spread
    for counts in spread.values():
        per_zone = [counts[zone] for zone in ("zone-a", "zone-b", "zone-c")]
        assert max(per_zone) - min(per_zone) <= skew
    assert load(tmp_path / "poddisruptionbudgets.json")
    assert len(load(tmp_path / "daemonsets.json")) == 1


def test_every_pods_owner_is_in_the_lists(slack_cell, tmp_path):
    write_cell(tmp_path, pods=200, nodes=20, seed=1)
    deployments = {item["metadata"]["uid"] for item in load(tmp_path / "deployments.json")}
    replica_sets = {item["metadata"]["uid"]: item for item in load(tmp_path / "replicasets.json")}
    for pod in load(tmp_path / "pods.json"):
        (owner,) = pod["metadata"]["ownerReferences"]
        (above,) = replica_sets[owner["uid"]]["metadata"]["ownerReferences"]
        assert above["uid"] in deployments


def test_an_unknown_kind_is_refused_with_the_kinds_there_are():
    with pytest.raises(UsageError, match=r"'soft'.*\n.*slack"):
        cell("soft", 10, 5)


def test_too_few_pods_for_the_utilisation_are_refused_by_number(tmp_path, capsys):
    code = main([str(tmp_path), "--pods", "45", "--nodes", "40", "--kind", "packed"])
    assert code == 2
    assert "45 pods" in capsys.readouterr().err


def test_budgets_are_written_with_three_decimals(slack_cell):
    assert all(len(domain["budget"].split(".")[1]) == len("123W") for domain in slack_cell.domains)
