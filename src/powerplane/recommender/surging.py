"""Which moves of a plan may surge: for a while both pods draw, and every domain above both must have the watts for it.

A domain that only one of the two nodes is under draws at most what it does in some part of a wave anyway, and budgets
hold in every part. A domain above both draws the pod twice until the first one goes.
"""

from collections.abc import Iterable, Mapping
from math import floor

from powerplane.models.plan import Move, Plan
from powerplane.models.topology import PowerTopology


def surging(
    plan: Plan, wanted: Iterable[str], topology: PowerTopology, budgets_mw: Mapping[str, int]
) -> frozenset[str]:
    """Return the UIDs of the pods whose successors may come first.

    Parameters
    ----------
    plan : Plan
        Checked.
    wanted : iterable of str
        UIDs of pods whose owners allow it.
    topology : PowerTopology
    budgets_mw : mapping
        By domain, as they are in force; a domain that is not named may draw as much as it likes.
    """
    asked = frozenset(wanted)
    if not any(move.uid in asked for move in plan.moves):
        return frozenset()
    above = _domains_above(topology)
    draws = {each.name: max(each.before_watts, each.after_watts) for each in plan.domains}
    found: set[str] = set()
    for wave in sorted({move.wave for move in plan.moves}):
        moves = [move for move in plan.moves if move.wave == wave]
        room = _room_watts(moves, draws, above, budgets_mw)
        for move in moves:
            both = above.get(move.source, frozenset()) & above.get(move.target, frozenset())
            limited = [name for name in both if name in budgets_mw]
            if move.uid in asked and all(move.watts <= room.get(name, 0.0) for name in limited):
                found.add(move.uid)
                for name in limited:
                    room[name] -= move.watts
        for move in moves:
            for name in above.get(move.target, frozenset()) - above.get(move.source, frozenset()):
                draws[name] = draws.get(name, 0.0) + move.watts
    return frozenset(found)


def _room_watts(
    moves: Iterable[Move],
    draws: Mapping[str, float],
    above: Mapping[str, frozenset[str]],
    budgets_mw: Mapping[str, int],
) -> dict[str, float]:
    """What domains may draw beyond the most that they draw in any part of a wave; arrivals come before departures."""
    worst = dict(draws)
    for move in moves:
        for name in above.get(move.target, frozenset()) - above.get(move.source, frozenset()):
            worst[name] = worst.get(name, 0.0) + move.watts
    return {name: floor(budgets_mw[name] / 1000 - watts) for name, watts in worst.items() if name in budgets_mw}


def _domains_above(topology: PowerTopology) -> dict[str, frozenset[str]]:
    """Names of all domains that each node draws through."""
    domains = {domain.name: domain for domain in topology.domains}
    above: dict[str, frozenset[str]] = {}

    def of(name: str) -> frozenset[str]:
        if name not in above:
            above[name] = frozenset((name,)).union(*(of(parent) for parent in domains[name].parents))
        return above[name]

    found: dict[str, frozenset[str]] = {}
    for domain in topology.domains:
        for node in domain.nodes:
            found[node] = found.get(node, frozenset()) | of(domain.name)
    return found
