"""A made-up cluster's metrics under their real names and labels, for Prometheus to scrape; for measuring only.

``python -m powerplane.bench.watts.round_exporter --nodes 5000 --pods 100000`` prints its port, and serves
``/0`` to ``/19``, each a share of the nodes, until its input ends.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SHARES = 20
GPUS = 8
GPU_NODES = 10
"""One node in so many has GPUs."""
SLICES = 10
"""Control groups of the system, of which cAdvisor shows many on each node, and which no one asks for."""
CONTAINERS = 2
CORES = 0.4
"""Of each pod."""
GPU_WATTS = 300.0

Line = tuple[str, float, float]
"""A series, its value at the start, and how much it grows a second."""


def lines(share: int, nodes: int, pods: int) -> Iterator[Line]:
    """Yield every series of a share of the nodes."""
    for node in range(share, nodes, SHARES):
        yield from _node(node, pods // nodes)


def name_of(node: int) -> tuple[str, str]:
    """Name and address of a node."""
    return f"node-{node:05d}.cluster.example", f"10.{node >> 16}.{node >> 8 & 255}.{node & 255}"


def gpus_of(node: int) -> int:
    """How many GPUs a node has."""
    return 0 if node % GPU_NODES else GPUS


def watts_of(node: int) -> float:
    """What a node draws without its GPUs."""
    return 200.0 + node % 100


def _node(node: int, pods: int) -> Iterator[Line]:
    name, address = name_of(node)
    watts = watts_of(node)
    kepler = f'node_name="{name}",instance="{address}:28282",path="aggregated-package"'
    for zone, part in (("package", 0.6), ("dram", 0.1)):
        yield f'kepler_node_cpu_watts{{{kepler},zone="{zone}"}}', watts * part, 0.0
        yield f'kepler_node_cpu_joules_total{{{kepler},zone="{zone}"}}', 1e6, watts * part
    yield f'ipmi_dcmi_power_consumption_watts{{instance="{address}:9290"}}', watts + gpus_of(node) * GPU_WATTS, 0.0
    yield f'node_uname_info{{instance="{address}:9100",nodename="{name}",machine="x86_64",sysname="Linux"}}', 1.0, 0.0
    yield f'kube_node_info{{node="{name}",internal_ip="{address}",kubelet_version="v1.31.2"}}', 1.0, 0.0
    kubelet = f'node="{name}",instance="{address}:10250",cpu="total",metrics_path="/metrics/cadvisor",service="kubelet"'
    yield f'container_cpu_usage_seconds_total{{{kubelet},id="/"}}', 1e5, pods * CORES
    for each in range(SLICES):
        yield f'container_cpu_usage_seconds_total{{{kubelet},id="/system.slice/unit-{each}.service"}}', 1e3, 0.01
    for gpu in range(gpus_of(node)):
        yield from _gpu(name, address, node, gpu)
    for pod in range(pods):
        yield from _pod(name, address, kubelet, node * pods + pod)


def _gpu(name: str, address: str, node: int, gpu: int) -> Iterator[Line]:
    labels = (
        f'Hostname="{name}",instance="{address}:9400",gpu="{gpu}",UUID="GPU-{node:08x}-{gpu:04x}",'
        'modelName="NVIDIA H100 80GB HBM3",DCGM_FI_DRIVER_VERSION="550.90.07"'
    )
    yield f"DCGM_FI_DEV_POWER_USAGE{{{labels}}}", GPU_WATTS, 0.0
    yield f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{labels}}}", 1e9, GPU_WATTS * 1e3
    yield f"DCGM_FI_DEV_GPU_UTIL{{{labels}}}", 60.0, 0.0
    yield f"DCGM_FI_DEV_POWER_MGMT_LIMIT{{{labels}}}", 700.0, 0.0
    yield f"DCGM_FI_DEV_GPU_TEMP{{{labels}}}", 55.0, 0.0


def _pod(name: str, address: str, kubelet: str, number: int) -> Iterator[Line]:
    uid = f"{number:08x}-7cf8-453e-a3f5-755ef7ecd594"
    namespace, pod = f"team-{number % 200:03d}", f"service-{number % 5000:04d}-7d9c8b6f5d-{number:05x}"
    group = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid.replace('-', '_')}.slice"
    whose = f'{kubelet},namespace="{namespace}",pod="{pod}"'
    yield f'container_cpu_usage_seconds_total{{{whose},id="{group}"}}', 100.0, CORES
    for each in range(CONTAINERS):
        container = (
            f'container="c{each}",id="{group}/cri-containerd-{number:056x}{each:08x}.scope",name="{number:056x}{each:08x}",'
            f'image="registry.example/team/service@sha256:{number % 5000:064x}"'
        )
        yield f"container_cpu_usage_seconds_total{{{whose},{container}}}", 50.0, CORES / CONTAINERS
    shares = (
        f'node_name="{name}",instance="{address}:28282",pod_id="{uid}",pod_name="{pod}",pod_namespace="{namespace}"'
    )
    for zone, watts in (("package", 3.0), ("dram", 0.5)):
        yield f'kepler_pod_cpu_watts{{{shares},state="running",zone="{zone}"}}', watts, 0.0
    owned = f'namespace="{namespace}",pod="{pod}",uid="{uid}"'
    made_by = 'created_by_kind="ReplicaSet",created_by_name="service-7d9c8b6f5d",host_network="false"'
    yield f'kube_pod_info{{{owned},node="{name}",{made_by}}}', 1.0, 0.0
    yield f'kube_pod_owner{{{owned},owner_kind="ReplicaSet",owner_name="service-7d9c8b6f5d"}}', 1.0, 0.0


class _Pages:
    """Pages by share, made anew for the moment at which they are asked for."""

    def __init__(self, nodes: int, pods: int) -> None:
        self._lines = [list(lines(share, nodes, pods)) for share in range(SHARES)]
        self._began = time.monotonic()

    def page(self, share: int) -> bytes:
        seconds = time.monotonic() - self._began
        # A reading that does not move is taken for a frozen one: each wavers by a tenth of a percent.
        waver = 1 + 1e-3 * (seconds % 1)
        return "".join(
            f"{series} {value + growth * seconds if growth else value * waver:.4f}\n"
            for series, value, growth in self._lines[share]
        ).encode()


def main(arguments: list[str] | None = None) -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--pods", type=int, required=True)
    given = parser.parse_args(arguments)
    pages = _Pages(given.nodes, given.pods)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.page(int(self.path.rpartition("/")[2]))
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
