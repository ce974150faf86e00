"""The openb trace as a site whose pods can be given use over time: services on servers, racks, rows and feeds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from powerplane.adapters.openb_files import WHOLE_CARD, TraceNodes, TracePods, read_nodes, read_pods
from powerplane.adapters.openb_packing import pack
from powerplane.adapters.openb_power import NodePowers, node_powers
from powerplane.models.objects import Node, ObjectMeta
from powerplane.models.snapshot import NO_BUDGET, PodTable, PodTemplate, Snapshot
from powerplane.models.topology import PowerDomain, PowerTopology

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

RACK_NODES = 20
RACKS_PER_ROW = 10
ROWS_PER_FEED = 4
LEVELS = ("rack", "row", "feed")


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """Servers with pods on them.

    Parameters
    ----------
    snapshot : Snapshot
        Its pods are those of the trace that found a place; their use is their request.
    service : int64 array, shape (P,)
        Number of each pod's service, from 0.
    service_qos : tuple of str
        Length S: LS, BE, Burstable, Guaranteed.
    request_cores, card_watts : float64 arrays, shape (P,)
        CPU request, and what the pod's cards draw at most above idle; 0 without cards.
    models : tuple of tuple of str, length P
        Models of cards that each pod may run on; empty for any.
    """

    snapshot: Snapshot
    service: Integers
    service_qos: tuple[str, ...]
    request_cores: Floats
    card_watts: Floats
    models: tuple[tuple[str, ...], ...]

    @property
    def placed(self) -> sparse.csr_array:
        """1 where a pod (column) runs on a node (row), shape (N, P)."""
        pods = self.snapshot.pods
        shape = (len(self.snapshot.nodes), len(pods))
        return sparse.csr_array((np.ones(len(pods)), (pods.node, np.arange(len(pods)))), shape=shape)

    @property
    def kinds(self) -> dict[str, str]:
        """Kind by domain."""
        return {domain.name: domain.kind for domain in self.snapshot.topology.domains}


def read_site(
    data: Path, random: np.random.Generator, *, variant: str = "default", service_pods: tuple[int, int] = (2, 100)
) -> Site:
    """Read the trace, pack it, and make services and domains of it.

    Parameters
    ----------
    data : Path
        The folder of the data sets, ``openb`` among them.
    random : numpy.random.Generator
        Draws the sizes of services.
    variant : str
        Of the pod list.
    service_pods : (int, int)
        Pods of one shape (request, cards, models, class) are cut into services of sizes between these, small ones more
        often (log-uniform): the trace names no owners.
    """
    nodes, pods = read_nodes(data / "openb", "all_node"), read_pods(data / "openb", variant)
    place = pack(nodes, pods)
    powers = node_powers(nodes)
    keep = np.flatnonzero(place >= 0)
    service, qos = _services(pods, keep, random, service_pods)
    request = pods.cpu_milli[keep] / 1000
    return Site(
        snapshot=_snapshot(nodes, powers, place[keep], service, request),
        service=service,
        service_qos=qos,
        request_cores=request,
        card_watts=pods.gpu_milli[keep] / WHOLE_CARD * powers.card_range_mw[place[keep]] / 1000,
        models=tuple(pods.models[pod] for pod in keep.tolist()),
    )


def _services(
    pods: TracePods, keep: Integers, random: np.random.Generator, sizes: tuple[int, int]
) -> tuple[Integers, tuple[str, ...]]:
    shapes: dict[tuple[int, int, tuple[str, ...], str], list[int]] = {}
    for at, pod in enumerate(keep.tolist()):
        shape = (int(pods.cpu_milli[pod]), int(pods.gpu_milli[pod]), pods.models[pod], pods.qos[pod])
        shapes.setdefault(shape, []).append(at)
    service = np.zeros(len(keep), dtype=np.int64)
    qos: list[str] = []
    for shape, members in shapes.items():
        at = 0
        while at < len(members):
            size = int(np.exp(random.uniform(np.log(sizes[0]), np.log(sizes[1] + 1))))
            service[members[at : at + size]] = len(qos)
            qos.append(str(shape[-1]))
            at += size
    return service, tuple(qos)


def _snapshot(
    nodes: TraceNodes, powers: NodePowers, place: NDArray[np.int32], service: Integers, request: Floats
) -> Snapshot:
    count = len(place)
    cpu = np.zeros(int(service.max()) + 1)
    cpu[service] = request
    names = tuple(f"pod-{at}" for at in range(count))
    return Snapshot(
        digest="openb",
        as_of_s=0,
        resources=("cpu",),
        nodes=tuple(Node(metadata=ObjectMeta(name=name)) for name in nodes.names),
        allocatable=nodes.cpu_milli[:, None],
        node_curve=powers.curves,
        node_budget_mw=np.full(len(nodes.names), NO_BUDGET, dtype=np.int64),
        topology=_topology(nodes.names),
        templates=tuple(
            PodTemplate("openb", f"Deployment/service-{row}", (), (round(1000 * cores),))
            for row, cores in enumerate(cpu.tolist())
        ),
        pods=PodTable(
            namespaces=("openb",) * count,
            names=names,
            uids=names,
            node=place,
            template=service.astype(np.int32),
            use_ucores=np.rint(request * 1e6).astype(np.int64),
            accelerator_mw=np.zeros(count, dtype=np.int64),
            measured=np.ones(count, dtype=np.bool_),
            started_s=np.zeros(count, dtype=np.int64),
        ),
        disruption_budgets=(),
        namespace_labels={},
    )


def _topology(nodes: tuple[str, ...]) -> PowerTopology:
    racks = [nodes[at : at + RACK_NODES] for at in range(0, len(nodes), RACK_NODES)]
    rows = -(-len(racks) // RACKS_PER_ROW)
    feeds = -(-rows // ROWS_PER_FEED)
    return PowerTopology(
        (
            *(PowerDomain(f"feed-{feed}", "feed", NO_BUDGET) for feed in range(feeds)),
            *(PowerDomain(f"row-{row}", "row", NO_BUDGET, (f"feed-{row // ROWS_PER_FEED}",)) for row in range(rows)),
            *(
                PowerDomain(f"rack-{at}", "rack", NO_BUDGET, (f"row-{at // RACKS_PER_ROW}",), members)
                for at, members in enumerate(racks)
            ),
        )
    )
