"""Why a move is needed: what breaks when all of the plan happens but this."""

import numpy as np

from powerplane.cli.explaining.situation import Ground, Places, broken_budgets, find_pod, places_after
from powerplane.models.errors import InputError
from powerplane.models.plan import Move, Plan
from powerplane.models.quantities import format_watts


def explain_move(ground: Ground, plan: Plan, name: str) -> list[str]:
    """Return why the plan moves a pod, a line each.

    Parameters
    ----------
    ground : Ground
    plan : Plan
    name : str
        The pod as namespace/name.

    Raises
    ------
    InputError
        When there is no such pod, or the plan leaves it where it is.
    """
    pod = find_pod(ground.snapshot, name)
    moves = sorted((one for one in plan.moves if one.uid == ground.snapshot.pods.uids[pod]), key=lambda one: one.wave)
    if not moves:
        raise InputError(f"the plan does not move {name}", f"ask for the pod: powerplane explain pod {name} …")
    lines = [_told(name, move) for move in moves]
    broken = _broken_without(ground, plan, pod)
    if broken:
        return [*lines, "without it, all else of the plan done:", *(f"  {what}" for what in broken)]
    because = ", ".join(dict.fromkeys(reason for move in moves for reason in move.because))
    return [*lines, f"without it alone every budget and node still holds; the plan gives as its reason: {because}"]


def _told(name: str, move: Move) -> str:
    watts = format_watts(round(move.watts * 1000))
    return f"{name} moves from {move.source} to {move.target} in wave {move.wave} and frees {watts} there"


def _broken_without(ground: Ground, plan: Plan, pod: int) -> list[str]:
    """What is over its limit without the pod's moves and is not, or less, with them."""
    with_it = places_after(ground.snapshot, plan.moves)
    without = places_after(ground.snapshot, plan.moves, without=pod)
    held = {excess.what: excess.amount for excess in broken_budgets(ground, with_it)}
    worse = [one for one in broken_budgets(ground, without) if one.amount > held.get(one.what, one.limit)]
    return [str(one) for one in worse] + _overcommitted(ground, without, int(ground.snapshot.pods.node[pod]))


def _overcommitted(ground: Ground, places: Places, node: int) -> list[str]:
    """Resources of the pod's own node that its pods would ask more of than there is."""
    snapshot = ground.snapshot
    templates = snapshot.pods.template[places == node].tolist()
    asked = np.zeros(len(snapshot.resources), dtype=np.int64)
    for template in templates:
        asked += np.array(snapshot.templates[template].requests, dtype=np.int64)
    offered = snapshot.allocatable[node]
    return [
        f"node {snapshot.node_names[node]}: {snapshot.resources[i]} requests {asked[i]} of {offered[i]}"
        for i in np.flatnonzero(asked > offered).tolist()
    ]
