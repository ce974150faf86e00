"""What an extender answers from in measurements: the real books of a large cluster, or nothing at all."""

import json
import time

from powerplane.adapters.node_rates import Draw
from powerplane.models.power_tree import NodeFigures, compile_tree
from powerplane.models.topology import SHARED, PowerDomain, PowerTopology
from powerplane.scheduler_extender.answers import Answers, FilterAnswer, PreemptAnswer
from powerplane.scheduler_extender.facts import PodFact
from powerplane.scheduler_extender.state import ExtenderState
from powerplane.scheduler_extender.wire import BindArgs, FilterArgs, PreemptArgs

PODS_ON_A_NODE = 10
POD_MW = 75_000
BASE_MW = 150_000
RACK_NODES, ROW_RACKS = 20, 10


def books(nodes: int) -> Answers:
    """The real state: racks on rows on two feeds, ten pods a node, and each tenth rack without room."""
    names = node_names(nodes)
    racks = [names[at : at + RACK_NODES] for at in range(0, nodes, RACK_NODES)]
    drawn_mw = BASE_MW + PODS_ON_A_NODE * POD_MW
    feeds = [PowerDomain(f"feed-{side}", "feed", 2 * nodes * drawn_mw) for side in "ab"]
    rows = [
        PowerDomain(f"row-{at}", "row", 2 * ROW_RACKS * RACK_NODES * drawn_mw, ("feed-a", "feed-b"), (), None, SHARED)
        for at in range(-(-len(racks) // ROW_RACKS))
    ]
    domains = [
        PowerDomain(
            f"rack-{at}",
            "rack",
            len(rack) * drawn_mw * (100 if at % 10 == 0 else 112) // 100,
            (f"row-{at // ROW_RACKS}",),
            tuple(rack),
        )
        for at, rack in enumerate(racks)
    ]
    state = ExtenderState(time.monotonic)
    state.use_tree(
        compile_tree(PowerTopology((*feeds, *rows, *domains)), [NodeFigures(n, base_mw=BASE_MW) for n in names])
    )
    for at in range(nodes * PODS_ON_A_NODE):
        state.see_pod(bound_pod(at, names[at % nodes]))
    state.unready = ""
    return state


def bound_pod(at: int, node: str) -> PodFact:
    """A pod that runs."""
    name = f"bound-{at}"
    return PodFact(name, "d", name, node, "", Draw(POD_MW), 0, False, False, "", at, "", own=False)


class Nothing:
    """Passes every node and scores them alike: what is left is the server's own time."""

    def __init__(self, nodes: int) -> None:
        scores = [{"Host": name, "Score": 5} for name in node_names(nodes)]
        self._scores = json.dumps(scores, separators=(",", ":")).encode()

    def filter(self, args: FilterArgs) -> FilterAnswer:  # noqa: ARG002  # the seam's names
        """Pass all."""
        return FilterAnswer()

    def prioritize(self, args: FilterArgs) -> bytes:  # noqa: ARG002  # the seam's names
        """Score all alike."""
        return self._scores

    def preempt(self, args: PreemptArgs) -> PreemptAnswer:
        """Allow all."""
        return PreemptAnswer(args.victims)

    async def bind(self, args: BindArgs) -> str:  # noqa: ARG002  # the seam's names
        """Bind nothing."""
        return "this binds nothing"

    def ready(self) -> tuple[bool, str]:
        """Ready."""
        return True, ""


def node_names(nodes: int) -> list[str]:
    """Names as long as real ones."""
    return [f"worker-{at:05d}.zone-a.example" for at in range(nodes)]
