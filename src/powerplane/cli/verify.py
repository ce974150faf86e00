"""``powerplane verify``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from powerplane.cli.exit_codes import ERROR, OK, OVERLOADED
from powerplane.cli.loading import load_plan, require_same_snapshot
from powerplane.cli.measuring import load_state, measured_from
from powerplane.cli.options import SnapshotDir
from powerplane.cli.output import print_text
from powerplane.cli.progress import progress
from powerplane.cli.quantile import HistoryLength, Quantile, at_quantile, check_quantile
from powerplane.cli.watts_source import TelemetryDir, WattsFrom
from powerplane.models.quantities import format_watts
from powerplane.solver.check import CheckReport, check

BUDGET_KINDS = ("domain-budget", "node-budget")


def verify(
    plan: Annotated[Path, Parameter(help="Plan, as `powerplane plan -o json` or `--out` wrote it.")],
    /,
    *,
    snapshot: SnapshotDir,
    telemetry: TelemetryDir = None,
    quantile: Quantile = None,
    history: HistoryLength = None,
) -> int:
    """Add up every watt, request and rule of a plan again, from nothing.

    Replays the plan wave by wave on the snapshot that it was made from, with a part that shares no code with the
    solver. Exit code 0: nothing is wrong. 3: the plan breaks a budget, or leaves one broken. 1: it breaks another rule,
    states what is not so, or is no plan of this snapshot. A plan that was made on recorded watts is verified with the
    same --telemetry, and the same --quantile where there was one; one that was made on a live Prometheus cannot be
    verified later, since that tells other watts by then.
    """
    measured = measured_from(WattsFrom(telemetry=telemetry))
    history_s = check_quantile(quantile, history, measured)
    with progress("reading the plan") as say:
        stated = load_plan(plan)
        say("reading the snapshot")
        state, _ = load_state(snapshot, measured, kubeconfig=None, context=None, files=(None, None, None), say=say)
        if quantile is not None and measured is not None:
            state = at_quantile(state, measured, quantile, history_s, say)
        require_same_snapshot(stated, state, plan, snapshot)
        say("adding every watt up again")
        report = check(state, stated)
    for line in describe(report):
        print_text(line)
    if report.overload_mw or any(violation.kind in BUDGET_KINDS for violation in report.violations):
        return OVERLOADED
    return OK if report.ok else ERROR


def describe(report: CheckReport) -> list[str]:
    """Return what the checker found, a line each."""
    lines = [str(violation) for violation in report.violations]
    for reading in report.domains:
        if reading.budget_mw is not None and reading.after_mw > reading.budget_mw:
            lost = f" when {reading.lost} is lost" if reading.lost else ""
            over = format_watts(int(-(-(reading.after_mw - reading.budget_mw) // 1)))
            lines.append(f"{reading.kind} {reading.name} stays {over} above its budget{lost}")
    verdict = "holds" if report.ok and not report.overload_mw else "does not hold"
    return [*lines, f"the plan {verdict}: {report.moves} moves replayed, {len(report.violations)} violations"]
