"""What any request may end in, and what to start hostile requests from."""

import json
import time

from tests.scheduler_extender.asking import Reply, filter_body, go_json, pod

from powerplane.models.power_tree import NodeFigures, compile_tree
from powerplane.models.topology import PowerDomain, PowerTopology
from powerplane.scheduler_extender.state import ExtenderState

FILTER_MEMBERS = {"Nodes", "NodeNames", "FailedNodes", "FailedAndUnresolvableNodes", "Error"}
REFUSALS = (400, 404, 405, 408, 411, 413, 415, 503)

META = {"n1": {"Pods": [{"UID": "v"}], "NumPDBViolations": 1}}
NODES = {"metadata": {}, "items": [{"metadata": {"name": "n1"}, "status": {"images": None}}]}

SEEDS: list[tuple[int, bytes]] = [
    (0, filter_body()),
    (1, filter_body()),
    (0, go_json({"pod": pod(), "nodenames": ["n1", "x"]})),
    (0, go_json({"Pod": pod(), "Nodes": NODES, "NodeNames": None})),
    (2, go_json({"Pod": pod(), "NodeNameToVictims": None, "NodeNameToMetaVictims": META})),
    (2, go_json({"Pod": pod(), "NodeNameToVictims": {"n1": {"Pods": [pod()]}}})),
    (3, go_json({"PodName": "p", "PodNamespace": "d", "PodUID": "u", "Node": "n1"})),
    (0, b'{"Pod":{"metadata":{"uid":"u","uid":"v"}},"NodeNames":["\xff\\ud800"],"x":[1e999,NaN,-0]}'),
]


def real_answers() -> ExtenderState:
    """The real state, ready, of three nodes in a rack that has room for some hundred pods."""
    names = ("n1", "n2", "n3")
    rack = PowerDomain("rack-1", "rack", 10_000_000, nodes=names)
    state = ExtenderState(time.monotonic)
    state.use_tree(compile_tree(PowerTopology((rack,)), [NodeFigures(name, 5_000_000, 100_000) for name in names]))
    state.unready = ""
    return state


def judge(path: str, reply: Reply) -> None:
    """Ensures that a reply refuses, or answers whole; a filter never with an object that lacks its nodes."""
    told = json.loads(reply.body)
    if reply.status != 200:
        assert reply.status in REFUSALS, reply
        assert set(told) == {"Error"}
        assert told["Error"]
    elif path.endswith("filter"):
        assert set(told) == FILTER_MEMBERS
        assert told["NodeNames"] is not None or told["Nodes"] is not None
    elif path.endswith("prioritize"):
        assert all(0 <= one["Score"] <= 10 and isinstance(one["Host"], str) for one in told)
    elif path.endswith("preempt"):
        assert set(told) == {"NodeNameToMetaVictims"}
    else:
        assert set(told) == {"Error"}
