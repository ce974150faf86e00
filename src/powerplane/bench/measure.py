"""One method on one snapshot, in a process of its own, so that its peak memory is its own.

``python -m powerplane.bench.measure DIR --method powerplane --seconds 10 --seed 1`` prints one ``Measurement`` as JSON.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import msgspec

from powerplane.adapters.snapshot_directory import read_snapshot
from powerplane.bench.baselines import BaselineResult, greedy_repair, refit
from powerplane.bench.command import as_command
from powerplane.bench.energy_baselines import drain, repack
from powerplane.bench.ledger import Ledger
from powerplane.bench.measurement import Measurement
from powerplane.models.errors import UsageError
from powerplane.models.snapshot import Snapshot
from powerplane.solver.check import check
from powerplane.solver.compose import compose_plan
from powerplane.solver.formulate import Formulation, formulate
from powerplane.solver.problem import Problem
from powerplane.solver.result import Result

Baseline = Callable[..., BaselineResult]

BASELINES: dict[str, Baseline] = {
    "greedy": greedy_repair,
    "first-fit": lambda problem, **how: refit(problem, fit="first", lift="enough", **how),
    "best-fit": lambda problem, **how: refit(problem, fit="best", lift="enough", **how),
    "first-fit-anew": lambda problem, **how: refit(problem, fit="first", lift="all", **how),
    "best-fit-anew": lambda problem, **how: refit(problem, fit="best", lift="all", **how),
    "drain": drain,
    "repack": repack,
}


def measure(directory: Path, *, method: str, objective: str, seconds: float, seed: int, workers: int) -> Measurement:
    """Read a snapshot and run one method on it.

    Parameters
    ----------
    method : str
        "powerplane", "twin", a key of ``BASELINES``, or "snapshot" to stop once the problem is stated.

    Raises
    ------
    PowerPlaneError
        When the snapshot cannot be read, or the method is unknown.
    """
    began = time.monotonic()
    snapshot = read_snapshot(directory)
    read_s = time.monotonic() - began
    read_rss = _peak_mib()
    formulation = formulate(snapshot)
    base = Measurement(
        method=method,
        objective=objective,
        seed=seed,
        pods=len(snapshot.pods),
        nodes=len(snapshot.nodes),
        classes=formulation.problem.class_count,
        found_overload_watts=Ledger(formulation.problem).overload_mw() / 1000,
        snapshot_seconds=read_s,
        formulate_seconds=time.monotonic() - began - read_s,
        snapshot_rss_mib=read_rss,
    )
    if method == "snapshot":
        found = base
    elif method in BASELINES:
        found = _with_baseline(base, BASELINES[method](formulation.problem, clock=time.monotonic, seconds=seconds))
    elif method == "powerplane":
        found = _with_solver(base, snapshot, formulation, seconds=seconds, workers=workers)
    elif method == "twin":
        found = _with_twin(base, formulation.problem, seconds=seconds)
    else:
        known = ", ".join(("powerplane", "twin", *BASELINES, "snapshot"))
        raise UsageError(f"there is no method named {method!r}", f"use one of: {known}")
    return msgspec.structs.replace(found, rss_mib=_peak_mib())


def _with_baseline(base: Measurement, result: BaselineResult) -> Measurement:
    return msgspec.structs.replace(
        base,
        status="feasible" if not result.overload_mw and not result.unplaced else "stuck",
        moves=result.moves,
        cost=result.cost / 1000,
        overload_watts=result.overload_mw / 1000,
        unplaced=result.unplaced,
        draw_watts=result.draw_mw / 1000,
        asleep_watts=result.asleep_mw / 1000,
        solve_seconds=result.seconds,
    )


def _with_solver(
    base: Measurement, snapshot: Snapshot, formulation: Formulation, *, seconds: float, workers: int
) -> Measurement:
    # Imported by name: a baseline's peak memory should not contain a solver that it does not use.
    solve = import_module("powerplane.solver.solve").solve
    began = time.monotonic()
    result: Result = solve(
        formulation.problem,
        objective=base.objective,
        seconds=seconds,
        seed=base.seed,
        clock=time.monotonic,
        workers=workers,
    )
    spent = time.monotonic() - began
    after = Ledger(formulation.problem)
    for flow in result.flows:
        after.put(flow.pod_class, flow.source, -flow.count)
        after.put(flow.pod_class, flow.target, flow.count)
    solved = msgspec.structs.replace(
        _with_end(base, after),
        status=result.status,
        moves=sum(flow.count for flow in result.flows),
        waves=len({flow.wave for flow in result.flows}),
        cost=result.cost / 1000,
        bound=result.bound / 1000,
        gap=result.gap,
        overload_bound_watts=result.overload_bound_mw / 1000,
        first_feasible_s=first_feasible_s(result),
        solve_seconds=spent,
    )
    began = time.monotonic()
    report = check(snapshot, compose_plan(snapshot, formulation, result, [()] * len(result.flows)))
    return msgspec.structs.replace(
        solved,
        checked=report.ok,
        check_seconds=time.monotonic() - began,
        note="" if report.ok else str(report.violations[0]),
    )


def _with_twin(base: Measurement, problem: Problem, *, seconds: float) -> Measurement:
    solve_twin = import_module("powerplane.solver.twin").solve_twin
    began = time.monotonic()
    result = solve_twin(problem, seconds=seconds)
    spent = time.monotonic() - began
    after = Ledger(problem)
    for pod_class, counts in result.final_counts.items():
        for node in range(problem.node_count):
            if change := counts.get(node, 0) - int(after.counts[pod_class, node]):
                after.put(pod_class, node, change)
    bound = result.bound / 1000
    return msgspec.structs.replace(
        _with_end(base, after),
        status=result.status,
        bound=bound,
        gap=(after.cost() / 1000 - bound) / bound if bound else None,
        solve_seconds=spent,
    )


def _with_end(base: Measurement, after: Ledger) -> Measurement:
    """What a placement is worth, added up by the bench's own ledger."""
    used = after.counts.sum(axis=0) > 0
    return msgspec.structs.replace(
        base,
        moves=sum(flow.count for flow in after.flows()),
        cost=after.cost() / 1000,
        overload_watts=after.overload_mw() / 1000,
        draw_watts=int(after.node_mw.sum()) / 1000,
        asleep_watts=int(after.node_mw[used].sum()) / 1000,
    )


def first_feasible_s(result: Result) -> float | None:
    """Seconds until the first plan without overload; None where there is none."""
    return next((at for at, _, overload_mw, _ in result.trail if overload_mw == 0), None)


def _peak_mib() -> float:
    """Peak resident memory of this process, and of the largest it started, in MiB."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024


@as_command
def main(arguments: list[str] | None = None) -> int:
    """Measure from the command line; the result goes to stdout as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m powerplane.bench.measure", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--method", default="powerplane")
    parser.add_argument("--objective", default="disruption", choices=("disruption", "energy"))
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(arguments)
    found = measure(
        given.directory,
        method=given.method,
        objective=given.objective,
        seconds=given.seconds,
        seed=given.seed,
        workers=given.workers,
    )
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
