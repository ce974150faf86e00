"""``powerplane topology``: where nodes hang, from all who tell, as a topology.yaml."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from powerplane.adapters.object_lists import NodeItem, parse_list
from powerplane.adapters.reading import read_file
from powerplane.adapters.telemetry.following import Opened
from powerplane.adapters.telemetry.topology import located
from powerplane.adapters.telemetry.topology_yaml import topology_yaml
from powerplane.adapters.telemetry.unanswered import no_answer
from powerplane.adapters.topology_file import parse_topology
from powerplane.cli.exit_codes import OK
from powerplane.cli.harmless import harmless
from powerplane.cli.options import Context, Kubeconfig, SnapshotOption, TopologyFile
from powerplane.cli.output import print_data
from powerplane.cli.progress import progress
from powerplane.cli.watts_source import (
    CaFile,
    Headers,
    NodeLabels,
    PrometheusUrl,
    RedfishFile,
    TelemetryDir,
    TokenFile,
    WattsFrom,
    labels,
    open_source,
)
from powerplane.models.errors import InputError, UsageError
from powerplane.models.objects import Node
from powerplane.models.telemetry.metric_labels import PLACE
from powerplane.models.telemetry.metrics import SCRAPED
from powerplane.models.telemetry.places import Located
from powerplane.models.telemetry.readings import SourceReading

TIMEOUT_S = 30.0
WINDOW_S = 300.0
MOST_TOLD = 20
PLACING = tuple(row for row in SCRAPED if row.quantity == "info" or row.kept == PLACE)
"""Rows that tell names or places of nodes."""


def topology(
    *,
    prometheus: PrometheusUrl = None,
    telemetry: TelemetryDir = None,
    redfish: RedfishFile = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    header: Headers = None,
    node_label: NodeLabels = None,
    snapshot: SnapshotOption = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    topology: TopologyFile = None,
) -> int:
    """Print where nodes hang as a topology.yaml, to which budgets are then added.

    Nodes are those of the live cluster, or of a snapshot directory. A node is placed by --topology, else by its labels,
    else by what its chassis says by Redfish, directly or through Telegraf. Who placed how many, who is not placed, and
    who disagrees goes to stderr. Nothing is changed anywhere.
    """
    watts = WattsFrom(prometheus, telemetry, token_file, ca_file, labels(header), labels(node_label), redfish)
    asks = any((prometheus, telemetry, redfish))
    if not asks and (token_file or ca_file or header or node_label):
        raise UsageError(
            "--token-file, --ca-file, --header and --node-label are for a Prometheus", "give --prometheus URL"
        )
    opened = open_source(watts, timeout_s=TIMEOUT_S, meanings=PLACING) if asks else None
    with progress("reading nodes") as say:
        nodes = _nodes(snapshot, kubeconfig, context)
        if opened:
            say(f"asking {opened.where}")
        readings = _read(opened) if opened else ()
        file = parse_topology(read_file(topology), nodes, topology.name) if topology else None
    found = located(nodes, readings, file)
    if not found.topology.domains:
        raise InputError(
            f"nobody says where any of the {len(nodes)} nodes hangs",
            f"label them: kubectl label node {nodes[0].metadata.name} powerplane.dev/rack=NAME",
        )
    print_data(topology_yaml(found.topology).encode())
    for line in told(found):
        sys.stderr.write(harmless(f"{line}\n"))
    return OK


def told(found: Located) -> list[str]:
    """What a person is to know of a topology: by whom nodes are placed, who is not, and who disagrees."""
    counts = Counter(found.origin.values())
    lines = [f"{count} {'node' if count == 1 else 'nodes'} by {who}" for who, count in counts.items()]
    lines += [f"nobody says where {node} hangs" for node in found.homeless[:MOST_TOLD]]
    lines += [f"… and {len(found.homeless) - MOST_TOLD} more"] if len(found.homeless) > MOST_TOLD else []
    lines += found.disagreements[:MOST_TOLD]
    more = len(found.disagreements) - MOST_TOLD
    return [*lines, f"… and {more} more"] if more > 0 else lines


def _nodes(snapshot: Path | None, kubeconfig: Path | None, context: str | None) -> Sequence[Node]:
    if snapshot is None:
        from powerplane.cli.site_live import list_nodes  # noqa: PLC0415  # the Kubernetes client: a second to import

        nodes: Sequence[Node] = list_nodes(kubeconfig, context)
    elif kubeconfig or context:
        raise UsageError("--snapshot stands for a cluster already", "leave --kubeconfig and --context out")
    else:
        data = read_file(snapshot / "nodes.json", example="kubectl get nodes -A -o json > nodes.json")
        nodes = tuple(parse_list(data, NodeItem, "nodes.json"))
    if not nodes:
        raise InputError("there are no nodes", "check the context: `kubectl config get-contexts`")
    return nodes


def _read(opened: Opened) -> tuple[SourceReading, ...]:
    at_s = opened.moments[-1] if opened.moments else time.time()
    readings = opened.source.read(at_s, WINDOW_S)
    if readings and all(reading.error for reading in readings):
        raise no_answer(opened, readings[0].error)
    return readings
