"""``powerplane node-watts run`` and ``off``."""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from typing import Annotated

from cyclopts import Parameter
from prometheus_client import CollectorRegistry, start_http_server

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.lease import LeaseElector
from powerplane.cli.exit_codes import OK
from powerplane.cli.measured_feed import OwnQuery, measured_feed
from powerplane.cli.options import Context, Kubeconfig, parse_duration
from powerplane.cli.output import print_text, warn
from powerplane.cli.progress import progress
from powerplane.cli.serve import REPLICAS, OwnLabel, OwnSeries
from powerplane.cli.watts_source import CaFile, Headers, NodeLabels, PrometheusUrl, TokenFile, WattsFrom, labels
from powerplane.node_watts.controller import ControllerSettings
from powerplane.node_watts.run import LEASE, NodeWattsRun, NodeWattsSettings
from powerplane.node_watts.take_off import take_off


def run(
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    prometheus: PrometheusUrl = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    header: Headers = None,
    node_label: NodeLabels = None,
    watts: OwnSeries = None,
    watts_label: OwnLabel = "node_name",
    namespace: Annotated[str, Parameter(group=REPLICAS, help="Of the Lease.")] = "powerplane-system",
    identity: Annotated[str | None, Parameter(group=REPLICAS, help="This replica's name; default the host's.")] = None,
    settle: Annotated[
        str, Parameter(help="How long the scheduler may still believe a number that was lowered.")
    ] = "2s",
    operations_port: Annotated[int | None, Parameter(help="Port of /metrics, on 127.0.0.1.")] = None,
) -> int:
    """Advertise watts on nodes, so that the scheduler's own accounting holds every budget, with no extender.

    Each node offers `powerplane.dev/watts`; the nodes of a domain offer together no more than its budget leaves to
    pods, and watts are shifted to where pods wait. Only pods that request the resource are held. SIGTERM or Ctrl-C ends
    it; what is advertised stays, until `powerplane node-watts off` takes it away.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    measured = WattsFrom(prometheus, None, token_file, ca_file, labels(header), labels(node_label))

    def figures() -> Mapping[str, tuple[float, float]]:
        """Look when asked: the feed comes first, and starts last."""
        return controller.figures()

    feed = measured_feed(measured, OwnQuery(watts, watts_label), figures)
    access = open_cluster(kubeconfig, context)
    settings = NodeWattsSettings(
        identity=identity or os.environ.get("POD_NAME") or socket.gethostname(),
        namespace=namespace,
        controller=ControllerSettings(settle_s=parse_duration(settle, "--settle")),
    )
    registry = CollectorRegistry()
    controller = NodeWattsRun(access, settings, registry, samples=feed.samples if feed else dict)
    if operations_port is not None:
        start_http_server(operations_port, "127.0.0.1", registry)
    over = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: over.set())
    if feed is not None:
        feed.start()
    controller.start()
    over.wait()
    controller.stop()
    return OK


def off(
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Annotated[str, Parameter(group=REPLICAS, help="Of the controller's Lease.")] = "powerplane-system",
    force: Annotated[bool, Parameter(negative=(), help="Go on though waiting pods would wait for ever.")] = False,
) -> int:
    """Take the watts off every node: the last step of an uninstall. Running pods stay.

    First stop the controller and whatever adds watts to new pods. Refused while pods that request watts wait for a
    node, which they would then do for ever.
    """
    access = open_cluster(kubeconfig, context)
    with progress("taking watts off the nodes"):
        done = take_off(access, LeaseElector(access, namespace, LEASE, f"off-{socket.gethostname()}"), force=force)
    print_text(f"{done.nodes} nodes")
    for pod in done.waiting:
        warn(f"pod {pod} requests watts and waits for ever: recreate it without them")
    return OK
