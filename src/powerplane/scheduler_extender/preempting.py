"""Preemption: which of the scheduler's proposals would make room under every budget, and with which victims.

The scheduler proposes victims by requests alone. A rack that is full of other nodes' pods stays full whoever leaves
this node, so such a proposal would kill for nothing. Victims whose leaving is not enough are added to, from the pods of
lower priority on the same node, the least important first; where even all of them are too few the node is dropped.
"""

from collections.abc import Mapping

from powerplane.scheduler_extender.answers import PreemptAnswer
from powerplane.scheduler_extender.facts import PodFact
from powerplane.scheduler_extender.ledger import Ledger
from powerplane.scheduler_extender.wire import Victims


def preempt(ledger: Ledger, demand_mw: int, priority: int, proposals: Mapping[str, Victims]) -> PreemptAnswer:
    """Answer a preemption.

    Parameters
    ----------
    ledger : Ledger
        Without the preemptor's own hold.
    demand_mw : int
        The preemptor's draw.
    priority : int
        The preemptor's.
    proposals : mapping of node name to Victims
    """
    kept = {}
    for node, victims in proposals.items():
        chosen = _enough(ledger, node, demand_mw, priority, victims)
        if chosen is not None and chosen.uids:
            kept[node] = chosen
    return PreemptAnswer(kept)


def _enough(ledger: Ledger, node: str, demand_mw: int, priority: int, victims: Victims) -> Victims | None:
    """The victims, added to where they free too little; None where nothing frees enough."""
    column = ledger.tree.index.get(node)
    if column is None:
        return victims
    wanting = demand_mw - int(ledger.room_mw[column])
    load = ledger.loads.get(node)
    pods = load.pods if load else {}
    wanting -= sum(_mw(ledger, column, pods[uid]) for uid in victims.uids if uid in pods)
    if wanting <= 0:
        return victims
    more: list[str] = []
    rest = [pod for uid, pod in pods.items() if uid not in victims.uids and pod.priority < priority]
    for pod in sorted(rest, key=lambda pod: (pod.priority, -_mw(ledger, column, pod), pod.uid)):
        if wanting <= 0:
            break
        more.append(pod.uid)
        wanting -= _mw(ledger, column, pod)
    return None if wanting > 0 else Victims((*victims.uids, *more), victims.pdb_violations)


def _mw(ledger: Ledger, column: int, pod: PodFact) -> int:
    return ledger.drawn_mw(pod.demand, column)
