"""``powerplane claims run`` and ``check``."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from powerplane.adapters.claim_feature import shares_capacity
from powerplane.adapters.cluster_access import ClusterAccess, open_cluster
from powerplane.adapters.cluster_look import ClusterLook
from powerplane.adapters.log_lines import log_to_stderr
from powerplane.admission.claims.run import ClaimRun, ClaimSettings
from powerplane.cli.controller_options import (
    LEASE_NAMESPACE,
    Identity,
    LeaseNamespace,
    OperationsPort,
    replica_name,
    run_until_ended,
    serve_metrics,
)
from powerplane.cli.exit_codes import FAULTY, OK
from powerplane.cli.measured_options import NOT_MEASURED, MeasuredFrom
from powerplane.cli.options import Context, Kubeconfig
from powerplane.cli.output import print_text
from powerplane.models.errors import InputError, UnreachableError

ABSENT = "this API server does not let claims share a device's capacity"
OTHER_LOCKS = "Kubernetes 1.36 does (feature DRAConsumableCapacity); take another lock: Partition, Extender or Gate"


def run(
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    measured: MeasuredFrom = NOT_MEASURED,
    namespace: LeaseNamespace = LEASE_NAMESPACE,
    identity: Identity = None,
    operations_port: OperationsPort = None,
) -> int:
    """Offer every budget as a device that pods claim watts from, so that the scheduler's own accounting holds it.

    Each domain with a budget, and each node that has one, is a ResourceSlice; the templates that pods name are made in
    their namespaces. Only pods that claim are held; what others draw is taken off what is offered. SIGTERM or Ctrl-C
    ends it; what is offered stays.
    """
    log_to_stderr()

    def figures() -> Mapping[str, tuple[float, float]]:
        """Look when asked: the feed comes first, and starts last."""
        return controller.figures()

    feed = measured.feed(figures)
    access = open_cluster(kubeconfig, context)
    if _shares(access) is False:
        raise InputError(ABSENT, OTHER_LOCKS)
    settings = ClaimSettings(replica_name(identity), namespace)
    registry = CollectorRegistry()
    controller = ClaimRun(access, settings, registry, samples=feed.samples if feed else dict)
    serve_metrics(registry, operations_port)
    run_until_ended(controller, feed)
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
