"""The real program, run as a person runs it, on a cluster small enough to add up by hand.

Four nodes of 10 cores draw 100 W idle and 200 W at peak; rack-1 holds n1 and n2, rack-2 n3 and n4. Each pod uses one
core, which is 10 W. n1 runs five pods and n2 four, so rack-1 draws 290 W; rack-2 draws 210 W with its one.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from powerplane.cli.main import run

Program = Callable[..., "Done"]
Json = dict[str, Any]


@dataclass(frozen=True)
class Done:
    """What a run of the program left."""

    code: int
    out: str
    err: str


def run_program(*arguments: object, env: dict[str, str] | None = None) -> Done:
    """Run ``python -m powerplane`` and wait for it."""
    command = [sys.executable, "-m", "powerplane", *map(str, arguments)]
    # Compiled modules are kept, as in an installed program: what starts slowly here would be slow there too.
    unwanted = ("POWERPLANE_DEBUG", "PYTHONDONTWRITEBYTECODE")
    surroundings = {name: value for name, value in os.environ.items() if name not in unwanted}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=surroundings | (env or {}), check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def process() -> Program:
    """Return the function that runs the program in a process of its own."""
    return run_program


@pytest.fixture(params=["inline", pytest.param("process", marks=pytest.mark.slow)])
def program(
    request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Program:
    """Return the function that runs the program.

    A process of its own spends most of a second on imports, so the quick tests call what the process would call; the
    slower suites run the same tests again in processes.
    """

    def run_inline(*arguments: object, env: dict[str, str] | None = None) -> Done:
        capfd.readouterr()
        with monkeypatch.context() as surroundings:
            surroundings.delenv("POWERPLANE_DEBUG", raising=False)
            surroundings.setattr(sys, "argv", ["powerplane"])
            for name, value in (env or {}).items():
                surroundings.setenv(name, value)
            code = run([str(argument) for argument in arguments])
        return Done(code, *capfd.readouterr())

    return run_program if request.param == "process" else run_inline


def node(name: str, cpu: str = "10") -> Json:
    """Return a node of 10 cores, 64 GiB and 110 pods."""
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"allocatable": {"cpu": cpu, "memory": "64Gi", "pods": "110"}},
    }


def pod(name: str, node_name: str, cpu: str = "1") -> Json:
    """Return a pod of a Deployment's ReplicaSet."""
    owner = {"kind": "ReplicaSet", "name": "web-1", "uid": "rs", "controller": True}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", "ownerReferences": [owner]},
        "spec": {
            "nodeName": node_name,
            "containers": [{"resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}],
        },
        "status": {"phase": "Running", "startTime": "2026-01-01T00:00:00Z"},
    }


@dataclass
class Cluster:
    """A snapshot directory in the making; a test spoils what it likes before ``write``."""

    directory: Path
    nodes: list[Json]
    pods: list[Json]
    topology: Json
    power: Json
    usage: list[str]

    def write(self) -> Path:
        """Write all files; what a test set to None is left out."""
        self.directory.mkdir(exist_ok=True)
        for name, items in (("nodes", self.nodes), ("pods", self.pods)):
            listed = {"apiVersion": "v1", "kind": "List", "items": items}
            (self.directory / f"{name}.json").write_text(json.dumps(listed))
        (self.directory / "topology.yaml").write_text(yaml.safe_dump(self.topology, sort_keys=False))
        (self.directory / "power.yaml").write_text(yaml.safe_dump(self.power, sort_keys=False))
        (self.directory / "usage.csv").write_text("\n".join(self.usage) + "\n")
        return self.directory

    def domain(self, name: str) -> Json:
        """Return a domain of the topology."""
        found: Json = next(one for one in self.topology["domains"] if one["name"] == name)
        return found


def small_cluster(directory: Path, rack_1: str = "1kW", rack_2: str = "1kW") -> Cluster:
    """Return the cluster of the module's first lines."""
    pods = [pod(f"web-{i}", where) for i, where in enumerate(["n1"] * 5 + ["n2"] * 4 + ["n3"])]
    usage = ["namespace,pod,cpu_cores,accelerator_watts", *(f"shop,web-{i},1," for i in range(len(pods)))]
    breaker = {"rating": "250W", "curve": [[1.1, 3600], [2, 60]]}
    domains = [
        {"name": "row-1", "kind": "row", "budget": "2kW"},
        {"name": "rack-1", "kind": "rack", "parents": ["row-1"], "budget": rack_1, "nodes": ["n1", "n2"]},
        {"name": "rack-2", "kind": "rack", "parents": ["row-1"], "budget": rack_2, "nodes": ["n3", "n4"]},
    ]
    domains[1]["breaker"] = breaker
    power = {"curves": {"server": [[0, 100], [1, 200]]}, "nodes": {"default": {"curve": "server"}}}
    nodes = [node(name) for name in ("n1", "n2", "n3", "n4")]
    return Cluster(directory, nodes, pods, {"domains": domains}, power, usage)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """Return a small cluster whose budgets all hold; not written yet."""
    return small_cluster(tmp_path / "snapshot")


@pytest.fixture
def hot_cluster(tmp_path: Path) -> Cluster:
    """Return a small cluster whose rack-1 has 270 W for its 290 W: two pods must leave it."""
    return small_cluster(tmp_path / "snapshot", rack_1="270W")


@pytest.fixture
def hopeless_cluster(tmp_path: Path) -> Cluster:
    """Return a small cluster whose racks have 235 W each, for 500 W in all: 35 W stay over, with rack-1 at 270 W."""
    return small_cluster(tmp_path / "snapshot", rack_1="235W", rack_2="235W")
