"""Plans made by hand for the checker's tests: true in all that they state, unless a test says otherwise."""

from collections.abc import Sequence
from typing import Any

import msgspec

from powerplane.models.plan import DomainDraw, Move, Plan
from powerplane.models.snapshot import Snapshot
from powerplane.solver.check import CheckReport, check


def move(snapshot: Snapshot, pod: str, target: str, wave: int = 1, source: str = "") -> Move:
    """Move a pod by its name; from where the snapshot has it, unless told."""
    row = snapshot.pods.names.index(pod)
    return Move(
        namespace=snapshot.pods.namespaces[row],
        pod=pod,
        uid=snapshot.pods.uids[row],
        source=source or snapshot.node_names[snapshot.pods.node[row]],
        target=target,
        watts=0.0,
        wave=wave,
    )


def true_plan(snapshot: Snapshot, moves: Sequence[Move], **changes: Any) -> Plan:
    """Return a plan that states what the checker itself finds."""
    plan = Plan(
        status="feasible",
        objective="disruption",
        cost=float(len(moves)),
        bound=float(len(moves)),
        gap=0.0,
        seed=0,
        seconds=0.0,
        snapshot=snapshot.digest,
        moves=tuple(moves),
    )
    report = check(snapshot, plan)
    domains = tuple(
        DomainDraw(
            name=each.name,
            kind=each.kind,
            budget_watts=None if each.budget_mw is None else each.budget_mw / 1000,
            before_watts=float(each.before_mw) / 1000,
            after_watts=float(each.after_mw) / 1000,
            lost=each.lost,
        )
        for each in report.domains
    )
    stated = {"domains": domains, "overload_watts": float(report.overload_mw) / 1000}
    if report.overload_mw:
        stated["status"] = "infeasible"
    return msgspec.structs.replace(plan, **(stated | changes))


def verdict(snapshot: Snapshot, moves: Sequence[Move], **changes: Any) -> CheckReport:
    """Check a plan that is true in what it states, but for the changes."""
    return check(snapshot, true_plan(snapshot, moves, **changes))


def kinds(report: CheckReport) -> set[tuple[str, int | None]]:
    """Kinds of the violations, with their waves."""
    return {(violation.kind, violation.wave) for violation in report.violations}
