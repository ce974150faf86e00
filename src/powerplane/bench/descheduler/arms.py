"""Ways to set up descheduler's LowNodeUtilization for watts, from its documentation and its published source.

With ``metricsUtilization.source: Prometheus`` the query gives each node a number between 0 and 1, of which whole
percent are kept. A number beyond 1 ends the plugin's run for the whole cluster. What a pod draws is not known to it:
it evicts one pod a run from each node above ``targetThresholds``, or as many as ``evictionLimits.node`` says.
"""

from dataclasses import dataclass
from typing import Literal

Query = Literal["share", "fullest"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to set it up.

    Parameters
    ----------
    query : "share" or "fullest"
        A node's watts over its share of its tightest domain's budget; or how full the fullest domain above it is.
    clamped : bool
        Whether the query ends in ``clamp_max(…, 1)``.
    low_percent, target_percent : int
        ``thresholds`` and ``targetThresholds``.
    per_node : int or None
        ``evictionLimits.node``; None for none, which means one pod a node and run.
    in_all : int or None
        ``maxNoOfPodsToEvictTotal``, for one run.
    node_fit : bool
        Whether the evictor spares pods that fit on no other node.
    interval_s : int
        ``deschedulingInterval``.
    cordoned : bool
        Whether an operator cordons all nodes of the cut domain until every budget holds.
    """

    name: str
    query: Query
    clamped: bool = True
    low_percent: int = 98
    target_percent: int = 99
    per_node: int | None = None
    in_all: int | None = None
    node_fit: bool = False
    interval_s: int = 300
    cordoned: bool = False


ARMS = (
    Arm("shares, query as it is", "share", clamped=False),
    Arm("shares", "share"),
    Arm("shares, 5 a node", "share", per_node=5, node_fit=True, interval_s=60),
    Arm("domains", "fullest", node_fit=True, interval_s=60),
    Arm("domains, cordoned", "fullest", node_fit=True, interval_s=60, cordoned=True),
    Arm("domains, cordoned, 5 a run", "fullest", in_all=5, node_fit=True, interval_s=60, cordoned=True),
)
"""The first two as the documentation leads to; the others as somebody sets them up who knows both sides."""
