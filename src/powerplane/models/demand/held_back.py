"""A snapshot whose budgets are lessened by what demand may add, so that a plan on it holds at a stated quantile."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from powerplane.models.demand.history import PodHistory
from powerplane.models.demand.margins import Margins, margins_of
from powerplane.models.demand.memory import ClusterDemand
from powerplane.models.demand.replay import Learnt, learn_factors
from powerplane.models.demand.replay import told as how_learnt
from powerplane.models.demand.spreads import domain_spreads
from powerplane.models.draws import node_draws_mw, row_draws_mw
from powerplane.models.incidence import compile_incidence
from powerplane.models.quantities import format_watts
from powerplane.models.snapshot import NO_BUDGET, Snapshot
from powerplane.models.topology import PowerDomain, PowerTopology

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What a quantile takes off budgets.

    Parameters
    ----------
    snapshot : Snapshot
        With the lessened budgets, and sentences that say so.
    kept_mw : dict of str to int
        Milliwatts that each domain's budget was lessened by; only domains with a budget.
    """

    snapshot: Snapshot
    kept_mw: dict[str, int]


def hold_back(snapshot: Snapshot, demand: ClusterDemand, level: float, history: PodHistory | None = None) -> HeldBack:
    """Lessen the budgets of domains by what they may draw beyond now.

    Parameters
    ----------
    snapshot : Snapshot
        As it is now.
    demand : ClusterDemand
        Of its workloads.
    level : float
        Share of the time for which budgets have to hold, from 0.5 up to, not including, 1.
    history : PodHistory, optional
        What the snapshot's pods used, by which the model's spread is corrected: see ``replay``.

    Notes
    -----
    With D the present draw of a row of domains and Q the quantile of what it draws over time, the budget B becomes
    B − max(0, Q − D): a plan that keeps the present draw under it keeps both D and, as far as its moves leave the
    spread as it is, Q under B. The moves' own effect on the spread is seen by the next plan.
    """
    spreads = domain_spreads(snapshot, demand)
    learnt = learn_factors(snapshot, spreads, history, level) if history is not None else Learnt({}, {}, 0)
    found = margins_of(spreads, level=level, factors=learnt.factors)
    less = _less_mw(snapshot, found)
    domains = tuple(_lessened(domain, less.get(domain.name, 0)) for domain in snapshot.topology.domains)
    kept = {domain.name: less[domain.name] for domain in snapshot.topology.domains if domain.budget_mw != NO_BUDGET}
    told = _sentences(snapshot, found, kept, level)
    if history is not None:
        told = (*told, how_learnt(learnt.windows, learnt.short))
    held = replace(snapshot, topology=PowerTopology(domains), assumptions=(*told, *snapshot.assumptions))
    return HeldBack(held, kept)


def _less_mw(snapshot: Snapshot, found: Margins) -> dict[str, int]:
    """By domain the most that any of its rows may draw beyond now."""
    now = row_draws_mw(compile_incidence(snapshot.topology, snapshot.node_names), node_draws_mw(snapshot))
    more = np.maximum(found.spreads.mean_mw + found.keep_mw - now, 0)
    less: dict[str, int] = {}
    for domain, mw in zip(found.spreads.domain, more.tolist(), strict=True):
        less[domain] = max(mw, less.get(domain, 0))
    return less


def _lessened(domain: PowerDomain, less_mw: int) -> PowerDomain:
    if domain.budget_mw == NO_BUDGET:
        return domain
    return replace(domain, budget_mw=max(0, domain.budget_mw - less_mw))


def _sentences(snapshot: Snapshot, found: Margins, kept: dict[str, int], level: float) -> tuple[str, ...]:
    pods, unseen = int((snapshot.pods.node >= 0).sum()), found.spreads.unseen
    most = max(kept, key=lambda name: kept[name], default="")
    example = f": {format_watts(kept[most])} in {most!r}, the most" if most and kept[most] else ""
    told = [
        f"Budgets are lessened by what domains were seen to draw beyond now in all but {1 - level:.3g} of the time"
        f"{example}; before and after are still what is drawn now."
    ]
    if unseen:
        told.append(
            f"{unseen:,} of {pods:,} pods are of workloads without a history: what they request beyond their use is "
            "kept back for each of them."
        )
    return tuple(told)
