"""``powerplane plan``."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from powerplane.cli.exit_codes import OK, OVERLOADED
from powerplane.cli.loading import write_file
from powerplane.cli.measuring import load_state, measured_from, node_draws
from powerplane.cli.options import (
    Context,
    Kubeconfig,
    Objective,
    OutputFormat,
    PowerFile,
    SnapshotOption,
    TopologyFile,
    UsageFile,
    parse_duration,
)
from powerplane.cli.output import encode_for, print_plan
from powerplane.cli.progress import progress
from powerplane.cli.quantile import HistoryLength, Quantile, at_quantile, check_quantile
from powerplane.cli.report import write_report
from powerplane.cli.watts_options import NO_SOURCE, Source
from powerplane.cli.watts_source import MetricsServer

DEADLINE_HELP = (
    "Wall-clock time, such as 30s or 2m, for the best plan that is found by then; where none holds every budget, "
    "saying why may take as long again."
)


def plan(
    *,
    snapshot: SnapshotOption = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    topology: TopologyFile = None,
    power: PowerFile = None,
    usage: UsageFile = None,
    source: Source = NO_SOURCE,
    metrics_server: MetricsServer = False,
    quantile: Quantile = None,
    history: HistoryLength = None,
    objective: Annotated[
        Objective, Parameter(help="What to spare once all budgets hold: moves (disruption), or watts (energy).")
    ] = "disruption",
    deadline: Annotated[str, Parameter(help=DEADLINE_HELP)] = "10s",
    seed: Annotated[int, Parameter(help="Seed of every random choice.")] = 0,
    output: OutputFormat = "table",
    report: Annotated[Path | None, Parameter(help="Write a page with pictures there as well (HTML).")] = None,
    out: Annotated[
        Path | None, Parameter(help="Write the plan there as well: YAML for .yaml and .yml, otherwise JSON.")
    ] = None,
) -> int:
    """Find the least disruptive moves that hold every budget.

    Reads a snapshot directory or, without --snapshot, the live cluster together with --topology and --power. Nothing
    is changed anywhere. With --prometheus or --telemetry each node draws what was measured, by the best source that
    can be believed; one that nothing measures counts at its worst case, and no pod is put on it or taken off it.
    With --quantile 0.95 budgets hold for that share of the time, by what pods used over the last week.
    Every plan that is shown has been checked: all watts, requests and rules added up again at every point of every
    wave by a part that shares no code with the solver.
    """
    began = time.monotonic()
    seconds = parse_duration(deadline, "--deadline")
    with progress("reading the snapshot") as say:
        files = (topology, power, usage)
        watts = source.watts_from()
        watts = replace(watts, metrics_server=metrics_server, kubeconfig=kubeconfig, context=context)
        measured = measured_from(watts)
        history_s = check_quantile(quantile, history, measured)
        state, looked = load_state(snapshot, measured, kubeconfig=kubeconfig, context=context, files=files, say=say)
        if quantile is not None and measured is not None:
            state = at_quantile(state, measured, quantile, history_s, say)
        from powerplane.recommender.planning import make_plan  # noqa: PLC0415  # solvers: half a second, not for refused input

        found = make_plan(
            state,
            objective=objective,
            deadline_s=seconds,
            seed=seed,
            say=say,
            clock=lambda: time.monotonic() - began,
        )
        found = msgspec.structs.replace(found, nodes=node_draws(looked)) if looked else found
        if out:
            write_file(out, encode_for(out, found))
        if report:
            say(f"writing {report}")
            write_report(report, state, found, title="PowerPlane plan")
    print_plan(state, found, output)
    return OK if found.overload_watts == 0 else OVERLOADED
