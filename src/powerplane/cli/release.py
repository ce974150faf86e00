"""``powerplane release``."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated

from cyclopts import Group, Parameter
from prometheus_client import CollectorRegistry

from powerplane.actuator.giving_back import foretell, give_back
from powerplane.adapters.cluster_access import ClusterAccess, open_cluster
from powerplane.adapters.log_lines import log_to_stderr
from powerplane.adapters.measured import Measured
from powerplane.admission.gates.release_all import free_all, list_gated
from powerplane.admission.gates.release_run import ReleaseRun, ReleaseSettings
from powerplane.cli.controller_options import (
    LEASE_NAMESPACE,
    replica_name,
    run_until_ended,
    serve_metrics,
)
from powerplane.cli.exit_codes import OK
from powerplane.cli.measured_options import NOT_MEASURED, MeasuredFrom, MeasuredOptions
from powerplane.cli.options import Context, Kubeconfig
from powerplane.cli.output import print_text, warn
from powerplane.cli.progress import progress
from powerplane.models.errors import UsageError

RUN = Group("With --run", sort_key=3)


def release(
    *,
    release_all: Annotated[
        bool, Parameter(name="--all", negative=(), help="Every pod behind our gate, whatever the budgets.")
    ] = False,
    yes: Annotated[
        bool, Parameter(negative=(), help="With --all: do it; without this the pods are only named.")
    ] = False,
    run: Annotated[bool, Parameter(negative=(), help="As headroom comes, until it is ended.")] = False,
    namespace: Annotated[str, Parameter(group=RUN, help="Of the Lease.")] = LEASE_NAMESPACE,
    identity: Annotated[str | None, Parameter(group=RUN, help="This replica's name; default the host's.")] = None,
    operations_port: Annotated[int | None, Parameter(group=RUN, help="Port of /metrics, on 127.0.0.1.")] = None,
    measured: MeasuredFrom = NOT_MEASURED,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> int:
    """Let pods go that wait behind the gate powerplane.dev/power.

    With --run as headroom comes, in order; under the account powerplane-gate-releaser it needs nothing else of
    PowerPlane's, and `powerplane serve --release-gates` does the same. With --prometheus, what nodes are measured to
    draw beyond what is known is given to nobody. SIGTERM or Ctrl-C ends it.

    With --all everybody at once, whatever the budgets: the way out when PowerPlane is gone for good. It needs the API
    server only. First stop the webhook (`kubectl delete mutatingwebhookconfiguration powerplane`), or new pods are
    held again. Pods that a move took out of their ReplicaSet are given back to it; where that is gone, they are
    evicted. Without --yes nothing is changed.
    """
    if release_all == run:
        raise UsageError("nothing says which pods to let go", "give one of --all and --run")
    if yes and run:
        raise UsageError("--yes goes with --all", "leave it out")
    if not run and measured != NOT_MEASURED:
        raise UsageError("options for measured watts go with --run", "leave them out")
    opened = partial(open_cluster, kubeconfig, context)
    if run:
        settings = ReleaseSettings(replica_name(identity), namespace)
        return _run(settings, operations_port, measured, opened)
    access = opened()
    if yes:
        _free(access)
    else:
        _foretell(access)
    return OK


def _free(access: ClusterAccess) -> None:
    """Give back who is out of a ReplicaSet, then lift gates: a ReplicaSet deletes first who has no node yet."""
    try:
        with progress("giving pods back to their ReplicaSets"):
            give_back(access, print_text)
    finally:
        with progress("letting pods go"):
            count = free_all(access)
        print_text(f"{count} pods")


def _foretell(access: ClusterAccess) -> None:
    out, waiting = foretell(access), list_gated(access)
    for each in out:
        print_text(each.text)
    for pod in waiting:
        print_text(f"{pod.namespace}/{pod.name}")
    if out:
        warn(f"{len(out)} pods are out of their ReplicaSet, which would change as told: add --yes to do it")
    warn(f"{len(waiting)} pods would be let go, whatever the budgets: add --yes to do it")


def _run(
    settings: ReleaseSettings,
    operations_port: int | None,
    measured: MeasuredOptions,
    opened: Callable[[], ClusterAccess],
) -> int:
    log_to_stderr()

    def figures() -> Mapping[str, tuple[float, float]]:
        """Look when asked: the feed comes first, and starts last."""
        return releaser.figures()

    feed = measured.feed(figures)
    registry = CollectorRegistry()
    releaser = ReleaseRun(opened(), settings, registry, measured=Measured(feed.samples) if feed else None)
    serve_metrics(registry, operations_port)
    run_until_ended(releaser, feed)
    return OK
