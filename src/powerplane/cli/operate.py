"""``powerplane operate``."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter
from prometheus_client import CollectorRegistry, ProcessCollector

from powerplane.actuator.ground_books import Demands
from powerplane.actuator.limits import Limits
from powerplane.actuator.run import Actuator
from powerplane.actuator.run import Settings as ActuatorSettings
from powerplane.actuator.windows import read_window
from powerplane.adapters.cluster_access import ClusterAccess, open_cluster
from powerplane.adapters.log_lines import log_to_stderr
from powerplane.adapters.telemetry.round_worker import node_meanings
from powerplane.adapters.telemetry.work import WorkReader
from powerplane.cli.controller_options import (
    LEASE_NAMESPACE,
    Identity,
    LeaseNamespace,
    LogLines,
    replica_name,
    run_until_ended,
)
from powerplane.cli.exit_codes import OK
from powerplane.cli.operations import Address, read_address, run_with_operations
from powerplane.cli.options import Context, Kubeconfig, parse_duration, parse_memory
from powerplane.cli.trace_options import Ending, OfService, TracesTo, of_service, open_traces
from powerplane.cli.watts_source import (
    CaFile,
    Headers,
    NodeLabels,
    PrometheusUrl,
    RedfishFile,
    TokenFile,
    WattsFrom,
    certificate_file,
    check_url,
    labels,
    open_source,
    request_headers,
)
from powerplane.models.errors import UsageError
from powerplane.recommender.looking import Sources
from powerplane.recommender.rounds import Pace
from powerplane.recommender.run import Recommender
from powerplane.recommender.run import Settings as RecommenderSettings

DECIDING = Group("Deciding", sort_key=5)
ACTING = Group("Acting", sort_key=6)

NODES_TIMEOUT_S, WHOLE_TIMEOUT_S = 4.0, 10.0
"""For one look at nodes, of which there is one every five seconds, and at pods as well."""

HISTORY_TIMEOUT_S = 30.0

RECOMMENDER, ACTUATOR = "powerplane-recommender", "powerplane-actuator"
"""By which names their traces are told."""

Part = Literal["recommender", "actuator"]


def operate(
    *,
    only: Annotated[
        Part | None, Parameter(help="Run one part alone, under an account of its own; default both.")
    ] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    prometheus: PrometheusUrl = None,
    redfish: RedfishFile = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    header: Headers = None,
    node_label: NodeLabels = None,
    period: Annotated[str, Parameter(group=DECIDING, help="Between two whole rounds where nothing presses.")] = "60s",
    deadline: Annotated[str, Parameter(group=DECIDING, help="For solving.")] = "4s",
    lead: Annotated[
        str, Parameter(group=DECIDING, help="How long acting takes: what will be broken within it is acted on now.")
    ] = "3m",
    seed: Annotated[int, Parameter(group=DECIDING, help="Of the solver.")] = 0,
    solver_memory: Annotated[
        str, Parameter(group=DECIDING, help="That the process that solves may ask for; beyond it there is no plan.")
    ] = "1Gi",
    power: Annotated[
        Path | None, Parameter(group=DECIDING, help="power.yaml, where PowerDomains do not say what nodes draw.")
    ] = None,
    most_per_node: Annotated[int, Parameter(group=ACTING, help="Moves at once from a node, and to one.")] = 4,
    most_per_namespace: Annotated[int, Parameter(group=ACTING, help="Moves at once in a namespace.")] = 50,
    most_per_workload: Annotated[int, Parameter(group=ACTING, help="Moves at once of one workload.")] = 8,
    most_at_once: Annotated[int, Parameter(group=ACTING, help="Moves at once in all.")] = 100,
    most_per_hour: Annotated[int, Parameter(group=ACTING, help="Evictions in an hour.")] = 1000,
    window: Annotated[
        list[str] | None,
        Parameter(group=ACTING, negative=(), help="Hours for moving, such as 'Mon-Fri 22:00-06:00 Europe/Berlin'."),
    ] = None,
    need_extender: Annotated[
        bool, Parameter(group=ACTING, negative=(), help="Act only while the extender lives, whatever policies say.")
    ] = False,
    namespace: LeaseNamespace = LEASE_NAMESPACE,
    identity: Identity = None,
    metrics_address: Address = None,
    traces_to: TracesTo = None,
    log_format: LogLines = "text",
) -> int:
    """Hold the budgets all day: decide which pods must move, and move them.

    What may be done is said by policies, not here: only pods that a policy in mode Enforce names with the lever migrate
    or evict are moved, only with throttle are any given less CPU in place, and without any such policy nothing is done.
    Nothing is done without fresh watts, past a PodDisruptionBudget, or while the webhook is gone. One replica decides
    and one acts, by Lease; more stand by. `powerplane stop` ends all moves at once. SIGTERM or Ctrl-C ends it; whoever
    is started next goes on.
    """
    watts = WattsFrom(prometheus, None, token_file, ca_file, labels(header), labels(node_label), redfish)
    parts: list[Callable[[ClusterAccess, CollectorRegistry, OfService], Recommender | Actuator]] = []
    name = replica_name(identity)
    if only != "actuator":
        sources = _sources(watts)
        pace = Pace(
            period_s=parse_duration(period, "--period"),
            deadline_s=parse_duration(deadline, "--deadline"),
            lead_s=parse_duration(lead, "--lead"),
            seed=seed,
        )
        solver_bytes = parse_memory(solver_memory, "--solver-memory")
        deciding = RecommenderSettings(name, namespace, pace=pace, power_file=power, solver_bytes=solver_bytes)
        parts.append(
            lambda access, registry, of: Recommender(access, deciding, registry, sources, spans=of(RECOMMENDER))
        )
    elif watts != WattsFrom():
        raise UsageError("the actuator measures nothing itself", "leave options for measured watts out")
    if only != "recommender":
        most = (most_per_node, most_per_namespace, most_per_workload, most_at_once, most_per_hour)
        if min(most) < 1:
            raise UsageError("a limit of moves is below 1", "to move nothing: powerplane stop, or --only recommender")
        limits = Limits(*most)
        demands = Demands(extender=need_extender, windows=tuple(read_window(each) for each in window or ()))
        acting = ActuatorSettings(name, namespace, limits=limits, demands=demands)
        parts.append(lambda access, registry, of: Actuator(access, acting, registry, spans=of(ACTUATOR)))
    where = read_address(metrics_address)
    log_to_stderr(log_format)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    traces = open_traces(traces_to, registry)
    access = open_cluster(kubeconfig, context)
    both = Both([make(access, registry, of_service(traces)) for make in parts], traces)
    if where is None:
        run_until_ended(both)
    else:
        run_with_operations(both, registry, where)
    return OK


class Both:
    """Parts that begin in their order, and end in the other.

    Parameters
    ----------
    parts : sequence
    traces : Ending, optional
        Of all of them: it ends last.
    """

    def __init__(self, parts: Sequence[Recommender | Actuator], traces: Ending | None = None) -> None:
        self._parts = parts
        self._traces = traces

    def start(self) -> None:
        """Begin."""
        for part in self._parts:
            part.start()

    def stop(self) -> None:
        """End."""
        for part in reversed(self._parts):
            part.stop()
        if self._traces is not None:
            self._traces.stop()

    def trouble(self) -> str:
        """Why some part can decide nothing; "" where all is well."""
        return "; ".join(told for part in self._parts if (told := part.trouble()))


def _sources(watts: WattsFrom) -> Sources:
    """Where to look for watts; a look at nodes alone asks for less.

    Raises
    ------
    UsageError, InputError
        For options that name no source, or one that cannot be used.
    """
    nodes = open_source(watts, timeout_s=NODES_TIMEOUT_S, meanings=node_meanings())
    whole = open_source(watts, timeout_s=WHOLE_TIMEOUT_S)
    if watts.prometheus is None:
        return Sources(nodes, whole)
    # Of a Prometheus alone: BMCs keep no history. Each is used by a thread of its own.
    alone = replace(watts, redfish=None)
    of_nodes, of_pods = (open_source(alone, timeout_s=HISTORY_TIMEOUT_S) for _ in range(2))
    url, headers = check_url(watts.prometheus), request_headers(watts)
    work = WorkReader(url, headers=headers, ca_file=certificate_file(watts))
    return Sources(nodes, whole, of_nodes, of_pods, work)
