"""Budgets that no migration can hold: those below what their nodes draw without any pod."""

from collections.abc import Sequence

import numpy as np

from powerplane.models.curves import PowerCurve
from powerplane.models.errors import InputError
from powerplane.models.incidence import compile_incidence
from powerplane.models.quantities import format_watts
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerTopology


def check_idle(node_names: tuple[str, ...], powers: Sequence[tuple[PowerCurve, int]], topology: PowerTopology) -> None:
    """Raise InputError where a node's or domain's budget is below the idle draw of its nodes.

    Parameters
    ----------
    node_names : tuple of str, length N
    powers : sequence of (PowerCurve, int), length N
        Curve and budget in milliwatts of each node.
    topology : PowerTopology
        Every domain is checked in every situation: with all feeds alive, and with each one lost.
    """
    for name, (curve, budget_mw) in zip(node_names, powers, strict=True):
        if budget_mw < curve.idle_mw:
            raise _hopeless(f"node {name!r}", budget_mw, curve.idle_mw, "it draws")
    incidence = compile_incidence(topology, node_names)
    idle_mw = incidence.weights @ np.array([curve.idle_mw for curve, _ in powers], dtype=np.int64)
    kinds = {domain.name: domain.kind for domain in topology.domains}
    for row, (domain, lost) in enumerate(zip(incidence.domain, incidence.lost, strict=True)):
        # Python's integers: a budget times the scale may exceed 64 bits.
        draw, budget_mw = int(idle_mw[row]), int(incidence.budget_mw[row])
        if budget_mw != NO_BUDGET and draw > budget_mw * incidence.scale:
            who = f"{kinds[domain]} {domain!r}" + (f", with {lost!r} lost," if lost else "")
            raise _hopeless(who, budget_mw, -(-draw // incidence.scale), "its nodes draw")


def _hopeless(who: str, budget_mw: int, idle_mw: int, draws: str) -> InputError:
    return InputError(
        f"{who} may draw {format_watts(budget_mw)}, but {draws} {format_watts(idle_mw)} even when idle",
        f"raise the budget to at least {format_watts(idle_mw)}, or switch nodes off: no migration can help",
    )
