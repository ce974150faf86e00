"""What a domain draws: by situation, by pod, and against its breaker."""

from math import isinf

import numpy as np

from powerplane.cli.explaining.situation import Ground, Integers, Places, find_domain
from powerplane.cli.report import words
from powerplane.models.breakers import Breaker
from powerplane.models.curves import milliwatts_at
from powerplane.models.quantities import format_watts
from powerplane.models.snapshot import NO_BUDGET
from powerplane.simulator.breaker import seconds_to_trip

TOP_PODS = 10


def explain_domain(ground: Ground, before: Places, after: Places, name: str) -> list[str]:
    """Return what a domain draws, a line each.

    Parameters
    ----------
    ground : Ground
    before, after : int32 arrays, shape (P,)
        Node of each pod now and after the plan.
    name : str
        The domain.
    """
    domain = ground.snapshot.topology.by_name[find_domain(ground.snapshot, name)]
    rows = [row for row, one in enumerate(ground.incidence.domain) if one == name]
    budget = "no budget" if domain.budget_mw == NO_BUDGET else f"budget {format_watts(domain.budget_mw)}"
    under = ground.snapshot.topology.nodes_under(name)
    lines = [f"{domain.kind} {name}: {budget}, {words.count(len(under), 'node')}"]
    now, then = (ground.row_mw(ground.node_mw(places)) for places in (before, after))
    for row in rows:
        lines += _situation(ground, row, int(now[row]), int(then[row]), domain.breaker)
    return [
        *lines,
        f"top pods by the watts that go with each ({_case(ground, rows[0])}):",
        *(f"  {line}" for line in _top_pods(ground, after, rows[0])),
    ]


def _case(ground: Ground, row: int) -> str:
    lost = ground.incidence.lost[row]
    return f"{lost} lost" if lost else "all alive"


def _situation(ground: Ground, row: int, now_mw: int, then_mw: int, breaker: Breaker | None) -> list[str]:
    budget = int(ground.incidence.budget_mw[row])
    text = f"  {_case(ground, row)}: {_both(format_watts(now_mw), format_watts(then_mw))}"
    if budget != NO_BUDGET:
        room = budget - then_mw
        text += f", {format_watts(abs(room))} {'of headroom' if room >= 0 else 'over'}"
    return [text, *(f"    {line}" for line in _breaker(breaker, now_mw, then_mw))]


def _both(now: str, then: str) -> str:
    return now if now == then else f"{now} now, {then} after the plan"


def _breaker(breaker: Breaker | None, now_mw: int, then_mw: int) -> list[str]:
    if breaker is None:
        return []
    return [f"breaker of {format_watts(breaker.rating_mw)} {_both(_trip(breaker, now_mw), _trip(breaker, then_mw))}"]


def _trip(breaker: Breaker, load_mw: int) -> str:
    seconds = seconds_to_trip(breaker, load_mw)
    times = f"at {load_mw / breaker.rating_mw:.2f} times its rating"
    return f"never trips {times}" if isinf(seconds) else f"trips in {words.seconds(seconds)} {times}"


def _top_pods(ground: Ground, places: Places, row: int) -> list[str]:
    snapshot = ground.snapshot
    weights = ground.incidence.weights[[row]].toarray()[0]
    pods = np.flatnonzero((places >= 0) & (weights[places] > 0))
    share = pod_watts(ground, places, pods) * weights[places[pods]] // ground.incidence.scale
    order = np.lexsort((pods, -share))[:TOP_PODS]
    return [
        f"{format_watts(int(share[i]))}  {ground.pod_name(int(pods[i]))} on {snapshot.node_names[places[pods[i]]]}"
        for i in order.tolist()
    ] or ["none"]


def pod_watts(ground: Ground, places: Places, pods: Integers) -> Integers:
    """Milliwatts that each pod's node would draw less without it, shape like ``pods``."""
    snapshot = ground.snapshot
    use = np.zeros(len(snapshot.nodes), dtype=np.int64)
    bound = places >= 0
    np.add.at(use, places[bound], snapshot.pods.use_ucores[bound])
    result = snapshot.pods.accelerator_mw[pods].copy()
    for kind in ground.kinds:
        mine = np.isin(places[pods], kind.nodes)
        present = use[places[pods[mine]]]
        without = present - snapshot.pods.use_ucores[pods[mine]]
        result[mine] += milliwatts_at(kind.knots_ucores, kind.knots_mw, present)
        result[mine] -= milliwatts_at(kind.knots_ucores, kind.knots_mw, without)
    return result
