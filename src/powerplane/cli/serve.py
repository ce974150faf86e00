"""``powerplane serve``."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.log_lines import log_to_stderr
from powerplane.adapters.measured import Measured
from powerplane.adapters.serving.server import Background
from powerplane.adapters.serving.tls import SCHEDULER_NAME, TlsFiles
from powerplane.admission.gates.release_run import ReleaseSettings
from powerplane.admission.lock_watch import lock_watch
from powerplane.admission.metrics import AdmissionMetrics
from powerplane.cli.controller_options import (
    LEASE_NAMESPACE,
    REPLICAS,
    Identity,
    LeaseNamespace,
    LogLines,
    replica_name,
)
from powerplane.cli.exit_codes import OK
from powerplane.cli.measured_feed import history_opening
from powerplane.cli.measured_options import NOT_MEASURED, MeasuredFrom
from powerplane.cli.options import Context, Kubeconfig, parse_duration
from powerplane.cli.serve_certificates import NO_OPTIONS, Certificates
from powerplane.cli.serve_webhook import (
    ReleaseGates,
    WebhookCert,
    WebhookHost,
    WebhookKey,
    WebhookOptions,
    WebhookPort,
    make_webhook,
    run_releaser,
)
from powerplane.models.errors import UsageError
from powerplane.scheduler_extender.metrics import ExtenderMetrics
from powerplane.scheduler_extender.run import ExtenderRun, RunSettings
from powerplane.scheduler_extender.server import ServerSettings
from powerplane.scheduler_extender.server import serve as serve_answers

LOG = logging.getLogger(__name__)

LISTEN = Group("Listening", sort_key=3)


def serve(
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    host: Annotated[str, Parameter(group=LISTEN, help="Address of the scheduler's questions.")] = "127.0.0.1",
    port: Annotated[int, Parameter(group=LISTEN, help="Port of the scheduler's questions; 0 takes any.")] = 9443,
    tls_cert: Annotated[
        Path | None, Parameter(group=LISTEN, help="Our certificate; read again when it changes.")
    ] = None,
    tls_key: Annotated[Path | None, Parameter(group=LISTEN, help="Its key.")] = None,
    client_ca: Annotated[Path | None, Parameter(group=LISTEN, help="Authority of the scheduler's certificate.")] = None,
    client_name: Annotated[
        list[str] | None, Parameter(group=LISTEN, help=f"Names that may ask; default {SCHEDULER_NAME}.")
    ] = None,
    operations_port: Annotated[
        int | None, Parameter(group=LISTEN, help="A second, plain port for health and metrics alone.")
    ] = None,
    operations_host: Annotated[str, Parameter(group=LISTEN, help="Its address.")] = "127.0.0.1",
    namespace: LeaseNamespace = LEASE_NAMESPACE,
    lease: Annotated[
        str, Parameter(group=REPLICAS, help="Lease that says which replica answers; empty: this is the only one.")
    ] = "powerplane",
    identity: Identity = None,
    quiet: Annotated[
        str, Parameter(group=REPLICAS, help="How long nobody else's pods may be bound before a replica takes over.")
    ] = "2s",
    measured: MeasuredFrom = NOT_MEASURED,
    webhook_port: WebhookPort = None,
    webhook_host: WebhookHost = "127.0.0.1",
    webhook_cert: WebhookCert = None,
    webhook_key: WebhookKey = None,
    certificates: Certificates = NO_OPTIONS,
    release_gates: ReleaseGates = False,
    bind_pods: Annotated[bool, Parameter(negative=(), help="Answer the verb bind, too; needs the right to.")] = False,
    log_format: LogLines = "text",
    verbose: Annotated[bool, Parameter(negative=(), help="Log more to stderr.")] = False,
) -> int:
    """Answer the scheduler: filter, prioritize, preempt and bind, by the budgets of nodes, racks, rows and feeds.

    With --webhook-port it also answers the API server's admission reviews: new pods are given their predicted watts
    as a request, where a policy in mode Initial or Enforce is for them; with --prometheus by what their workloads' pods
    used, which a process of its own reads.

    It reads nodes, pods, PowerDomains, policies and PlacementPlans, and keeps every new pod under their budgets. It
    writes the statuses of our objects, an annotation on one node when refused pods should be tried again, and its
    Leases; with --webhook-secret also that Secret, and caBundle of our webhooks; nothing else. SIGTERM or Ctrl-C ends
    it.
    """
    log_to_stderr(log_format, verbose=verbose)
    webhook_settings = WebhookOptions(
        webhook_port, webhook_host, webhook_cert, webhook_key, certificates.secret
    ).settings()
    whose = replica_name(identity)
    certificate_settings = certificates.settings(whose, namespace)

    def figures() -> Mapping[str, tuple[float, float]]:
        """Look when asked: the feed comes first, and starts last."""
        return run.figures()

    feed = measured.feed(figures)
    access = open_cluster(kubeconfig, context)
    settings = RunSettings(
        identity=whose,
        namespace=namespace,
        lease=lease,
        quiet_s=parse_duration(quiet, "--quiet"),
        bind=bind_pods,
    )
    run = ExtenderRun(access, settings, Measured(feed.samples) if feed else None)
    listening = ServerSettings(
        host=host,
        port=port,
        tls=_tls(tls_cert, tls_key, client_ca, client_name),
        operations_host=operations_host,
        operations_port=operations_port,
    )
    if not lease:
        LOG.warning("no Lease: a second replica would give the same headroom again")
    if feed is not None:
        feed.start()
    metrics = ExtenderMetrics(run.reading)
    background: list[Background] = [run.run]
    if release_gates:
        gates = ReleaseSettings(identity=settings.identity, namespace=namespace)
        # Each keeps books of its own, and so measures what is beyond them by itself.
        beyond = Measured(feed.samples) if feed else None
        background.append(lambda: run_releaser(access, gates, metrics.registry, beyond))
    if webhook_settings is None:
        serve_answers(run.state, listening, metrics, background)
        return OK
    locks = lock_watch(access, run.asked_ago_s, namespace)
    history = history_opening(measured.watts_from(), kubeconfig, context)
    answered = AdmissionMetrics(metrics.registry)
    webhook = make_webhook(access, webhook_settings, answered, locks, certificate_settings, history=history)
    serve_answers(run.state, listening, metrics, [*background, *webhook.background], [webhook.listen])
    return OK


def _tls(
    certificate: Path | None, key: Path | None, client_ca: Path | None, client_names: list[str] | None
) -> TlsFiles | None:
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise UsageError("--tls-cert and --tls-key go together", "give both, or neither on a loopback address")
    return TlsFiles(certificate, key, client_ca, tuple(client_names or (SCHEDULER_NAME,)))
