"""``powerplane explain``: a move, a pod, a domain, or what cannot hold together."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from powerplane.cli.exit_codes import OK
from powerplane.cli.explaining.domain import explain_domain
from powerplane.cli.explaining.move import explain_move
from powerplane.cli.explaining.pod import explain_pod
from powerplane.cli.explaining.situation import Ground, places_after, stand_on
from powerplane.cli.loading import load_plan, load_snapshot, require_same_snapshot
from powerplane.cli.options import PlanOption, SnapshotDir
from powerplane.cli.output import describe_conflict, print_text
from powerplane.cli.progress import progress
from powerplane.models.plan import Plan
from powerplane.solver.formulate import formulate

PodName = Annotated[str, Parameter(help="The pod, as namespace/name.")]
MaybePlan = Annotated[
    Path | None, Parameter(name="--plan", help="Plan to explain it with; without one, the cluster as it is.")
]


def move(pod: PodName, /, *, plan: PlanOption, snapshot: SnapshotDir) -> int:
    """Say which budgets break without a move, and by how much.

    All other moves of the plan are carried out, this one is not.
    """
    with progress("reading the snapshot"):
        ground, stated = _read(snapshot, plan)
        lines = explain_move(ground, stated, pod)
    return _print(lines)


def pod(pod: PodName, /, *, snapshot: SnapshotDir, plan: MaybePlan = None) -> int:
    """Say what a pod counts as, whether it may move, where it could go and why not elsewhere."""
    with progress("reading the snapshot"):
        ground, stated = _read_any(snapshot, plan)
        places = places_after(ground.snapshot, stated.moves if stated else ())
        lines = explain_pod(ground, formulate(ground.snapshot), stated, places, pod)
    return _print(lines)


def domain(
    name: Annotated[str, Parameter(help="The domain's name in topology.yaml.")],
    /,
    *,
    snapshot: SnapshotDir,
    plan: MaybePlan = None,
) -> int:
    """Say what a domain draws in every situation, from which pods, and how long its breaker bears it."""
    with progress("reading the snapshot"):
        ground, stated = _read_any(snapshot, plan)
        places = places_after(ground.snapshot, stated.moves if stated else ())
        lines = explain_domain(ground, ground.snapshot.pods.node, places, name)
    return _print(lines)


def conflict(*, plan: PlanOption, snapshot: SnapshotDir) -> int:
    """Say which budgets and rules cannot hold together, and what would free them."""
    with progress("reading the snapshot"):
        _, stated = _read(snapshot, plan)
    return _print(explain_conflict(stated))


def explain_conflict(plan: Plan) -> list[str]:
    """Return what cannot hold together, a line each."""
    left = f"{plan.overload_watts:g} W stay above budgets"
    if plan.conflict is None and not plan.overload_watts:
        return ["no conflict: every budget holds after the plan"]
    if plan.conflict is None:
        known = "proven to be unavoidable" if plan.status == "infeasible" else "not proven to be unavoidable"
        return [f"{left}, {known}; no set of budgets and rules could be named that cannot hold together"]
    return [f"{left} in the best plan found", *describe_conflict(plan.conflict)]


def _read(directory: Path, plan_path: Path) -> tuple[Ground, Plan]:
    stated = load_plan(plan_path)
    snapshot = load_snapshot(directory)
    require_same_snapshot(stated, snapshot, plan_path, directory)
    return stand_on(snapshot), stated


def _read_any(directory: Path, plan_path: Path | None) -> tuple[Ground, Plan | None]:
    return _read(directory, plan_path) if plan_path else (stand_on(load_snapshot(directory)), None)


def _print(lines: list[str]) -> int:
    for line in lines:
        print_text(line)
    return OK
