"""``powerplane claims run`` and ``check``."""

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

from powerplane.adapters.claim_feature import shares_capacity
from powerplane.adapters.cluster_access import ClusterAccess, open_cluster
from powerplane.adapters.cluster_look import ClusterLook
from powerplane.admission.claims.run import ClaimRun, ClaimSettings
from powerplane.cli.exit_codes import FAULTY, OK
from powerplane.cli.measured_feed import OwnQuery, measured_feed
from powerplane.cli.options import Context, Kubeconfig
from powerplane.cli.output import print_text
from powerplane.cli.serve import REPLICAS, OwnLabel, OwnSeries
from powerplane.cli.watts_source import CaFile, Headers, NodeLabels, PrometheusUrl, TokenFile, WattsFrom, labels
from powerplane.models.errors import InputError, UnreachableError

ABSENT = "this API server does not let claims share a device's capacity"
OTHER_LOCKS = "Kubernetes 1.36 does (feature DRAConsumableCapacity); take another lock: Partition, Extender or Gate"


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
    operations_port: Annotated[int | None, Parameter(help="Port of /metrics, on 127.0.0.1.")] = None,
) -> int:
    """Offer every budget as a device that pods claim watts from, so that the scheduler's own accounting holds it.

    Each domain with a budget, and each node that has one, is a ResourceSlice; the templates that pods name are made in
    their namespaces. Only pods that claim are held; what others draw is taken off what is offered. SIGTERM or Ctrl-C
    ends it; what is offered stays.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    measured = WattsFrom(prometheus, None, token_file, ca_file, labels(header), labels(node_label))

    def figures() -> Mapping[str, tuple[float, float]]:
        """Look when asked: the feed comes first, and starts last."""
        return controller.figures()

    feed = measured_feed(measured, OwnQuery(watts, watts_label), figures)
    access = open_cluster(kubeconfig, context)
    if _shares(access) is False:
        raise InputError(ABSENT, OTHER_LOCKS)
    settings = ClaimSettings(identity or os.environ.get("POD_NAME") or socket.gethostname(), namespace)
    registry = CollectorRegistry()
    controller = ClaimRun(access, settings, registry, samples=feed.samples if feed else dict)
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


def check(*, kubeconfig: Kubeconfig = None, context: Context = None) -> int:
    """Say whether this cluster can hold budgets by claims: a slice is sent for a trial, and nothing is stored.

    Exit code 3 where it cannot.
    """
    found = _shares(open_cluster(kubeconfig, context))
    if found is None:
        raise UnreachableError(
            "whether claims may share a device could not be tried",
            "grant the right to create resourceslices (resource.k8s.io), or ask as powerplane-claims",
        )
    print_text("claims may share a device's capacity: the lock Claims can be had" if found else ABSENT)
    return OK if found else FAULTY


def _shares(access: ClusterAccess) -> bool | None:
    return shares_capacity(ClusterLook(access))
