"""``powerplane workloads``."""

import time
from dataclasses import replace
from typing import Annotated

import msgspec
import numpy as np
from cyclopts import Group, Parameter

from powerplane.cli.exit_codes import OK
from powerplane.cli.measuring import load_measured, measured_from
from powerplane.cli.options import (
    Context,
    Format,
    Kubeconfig,
    PowerFile,
    SnapshotOption,
    TopologyFile,
    UsageFile,
    parse_duration,
)
from powerplane.cli.output import print_data, stdout_console
from powerplane.cli.progress import progress
from powerplane.cli.watts_options import NO_SOURCE, Source
from powerplane.cli.watts_source import MetricsServer
from powerplane.cli.workloads_histories import Asked, Form, Past, read_metric
from powerplane.cli.workloads_table import print_workloads_table
from powerplane.cli.workloads_view import WorkloadsView, totals_view, unmeasured_nodes, workload_views
from powerplane.models.errors import UsageError
from powerplane.models.watts.workloads import workload_watts

PAST = Group("The past", sort_key=4)
SHOWN = Group("Shown", sort_key=5)
LONGEST_S = 30 * 86_400.0


def workloads(
    *,
    source: Source = NO_SOURCE,
    metrics_server: MetricsServer = False,
    snapshot: SnapshotOption = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    topology: TopologyFile = None,
    power: PowerFile = None,
    usage: UsageFile = None,
    history: Annotated[str, Parameter(group=PAST, help="How far back demand and throughput look, such as 7d.")] = "24h",
    demand: Annotated[
        bool, Parameter(group=PAST, negative="--no-demand", help="Tell what workloads will want, by their history.")
    ] = True,
    throughput: Annotated[
        str | None,
        Parameter(group=PAST, help="Metric of pods' work to set against watts: vllm:generation_tokens_total."),
    ] = None,
    throughput_is: Annotated[
        Form, Parameter(group=PAST, help="What it is; auto: a counter where its name ends in _total, _sum or _count.")
    ] = "auto",
    namespace: Annotated[str | None, Parameter(group=SHOWN, help="Only the workloads of this namespace.")] = None,
    output: Annotated[Format, Parameter(name=["--output", "-o"], group=SHOWN, help="Form on stdout.")] = "table",
) -> int:
    """Say what each workload draws now and will want, and how much work a watt does.

    Idle watts, the dynamic watts of all workloads and what no pod is known to draw add up to what was measured, to
    the milliwatt; accelerators count to their pods whole. Demand is that of all pods of a workload at their target
    together, with bounds that widen with little history. Nothing is changed anywhere.
    """
    watts_from = replace(source.watts_from(), metrics_server=metrics_server, kubeconfig=kubeconfig, context=context)
    if watts_from.prometheus is None and watts_from.telemetry is None and watts_from.redfish is None:
        raise UsageError("workloads' watts have to be measured", "give --prometheus URL, or --telemetry DIR")
    history_s = parse_duration(history, "--history")
    if history_s > LONGEST_S:
        raise UsageError(f"--history {history} is more than 30 days", "give a shorter one: demand forgets in days")
    asked = read_metric(throughput, throughput_is) if throughput is not None else None
    with progress("reading the snapshot") as say:
        opened = measured_from(watts_from)
        assert opened is not None
        files = (topology, power, usage)
        state = load_measured(snapshot, opened, kubeconfig=kubeconfig, context=context, files=files, say=say)
        watts = workload_watts(state.parted, state.round.nodes)
        past = Past(opened, state, watts, history_s, say)
        view = _view(past, asked, demand=demand, namespace=namespace)
    if output == "table":
        print_workloads_table(view, stdout_console())
    else:
        as_json = msgspec.json.format(msgspec.json.encode(view), indent=2) + b"\n"
        print_data(as_json if output == "json" else msgspec.yaml.encode(view))
    return OK


def _view(past: Past, asked: Asked | None, *, demand: bool, namespace: str | None) -> WorkloadsView:
    watts, state = past.watts, past.state
    notes = []
    bounds = past.demand() if demand and past.known else None
    if demand and bounds is None:
        notes.append(f"{past.opened.where} has no history of what pods used, so what they will want is not told.")
    elif bounds is not None and not np.isfinite(bounds[:, 1]).any():
        notes.append("The history is too short to tell what workloads will want; ask for a longer one, or wait.")
    done = past.throughput(asked) if asked is not None and past.known else None
    if asked is not None and not done:
        notes.append(f"{past.opened.where} has no history of what pods used, so no work can be set against watts.")
    rows = workload_views(watts, bounds, done)
    if namespace is not None:
        kept = tuple(row for row in rows if row.namespace == namespace)
        if not kept:
            there = ", ".join(sorted({row.namespace for row in rows})[:10]) or "none"
            raise UsageError(f"no workload of namespace {namespace!r} has a pod on a node", f"there are: {there}")
        rows = kept
        notes.append(f"Shown are the workloads of {namespace}; the sums are those of all.")
    at_s = past.opened.moments[-1] if past.opened.moments else time.time()
    return WorkloadsView(
        at_seconds=at_s,
        measured_nodes=int(watts.measured.sum()),
        unmeasured=unmeasured_nodes(state.stated, watts),
        totals=totals_view(watts),
        workloads=rows,
        history_seconds=past.history_s if demand or asked is not None else 0.0,
        notes=tuple(notes),
    )
