"""``powerplane node-watts run`` and ``off``."""

import socket
from collections.abc import Mapping
from typing import Annotated

from cyclopts import Parameter
from prometheus_client import CollectorRegistry

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.lease import LeaseElector
from powerplane.adapters.log_lines import log_to_stderr
from powerplane.cli.controller_options import (
    LEASE_NAMESPACE,
    REPLICAS,
    Identity,
    LeaseNamespace,
    OperationsPort,
    replica_name,
    run_until_ended,
    serve_metrics,
)
from powerplane.cli.exit_codes import OK
from powerplane.cli.measured_options import NOT_MEASURED, MeasuredFrom
from powerplane.cli.options import Context, Kubeconfig, parse_duration
from powerplane.cli.output import print_text, warn
from powerplane.cli.progress import progress
from powerplane.node_watts.controller import ControllerSettings
from powerplane.node_watts.run import LEASE, NodeWattsRun, NodeWattsSettings
from powerplane.node_watts.take_off import take_off


def run(
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    measured: MeasuredFrom = NOT_MEASURED,
    namespace: LeaseNamespace = LEASE_NAMESPACE,
    identity: Identity = None,
    settle: Annotated[
        str, Parameter(help="How long the scheduler may still believe a number that was lowered.")
    ] = "2s",
    operations_port: OperationsPort = None,
) -> int:
    """Advertise watts on nodes, so that the scheduler's own accounting holds every budget, with no extender.

    Each node offers `powerplane.dev/watts`; the nodes of a domain offer together no more than its budget leaves to
    pods, and watts are shifted to where pods wait. Only pods that request the resource are held. SIGTERM or Ctrl-C ends
    it; what is advertised stays, until `powerplane node-watts off` takes it away.
    """
    log_to_stderr()

    def figures() -> Mapping[str, tuple[float, float]]:
        """Look when asked: the feed comes first, and starts last."""
        return controller.figures()

    feed = measured.feed(figures)
    access = open_cluster(kubeconfig, context)
    settings = NodeWattsSettings(
        identity=replica_name(identity),
        namespace=namespace,
        controller=ControllerSettings(settle_s=parse_duration(settle, "--settle")),
    )
    registry = CollectorRegistry()
    controller = NodeWattsRun(access, settings, registry, samples=feed.samples if feed else dict)
    serve_metrics(registry, operations_port)
    run_until_ended(controller, feed)
    return OK


def off(
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Annotated[str, Parameter(group=REPLICAS, help="Of the controller's Lease.")] = LEASE_NAMESPACE,
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
