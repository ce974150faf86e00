"""Answers from a plain table of headroom by node: real, and small enough to be checked by eye."""

import asyncio
import math
from collections.abc import Callable

import msgspec

from powerplane.models.quantities import parse_quantity
from powerplane.scheduler_extender.answers import FilterAnswer, PreemptAnswer
from powerplane.scheduler_extender.wire import BindArgs, FilterArgs, PreemptArgs

WATTS = "powerplane.dev/watts"


def asked_watts(args: FilterArgs | PreemptArgs) -> int:
    """What the pod's containers ask for together."""
    requests = [c.resources.requests or {} for c in args.pod.spec.containers if c.resources]
    return math.ceil(sum(parse_quantity(amount) for found in requests if (amount := found.get(WATTS)) is not None))


class TableAnswers:
    """Places by a node's headroom in watts; an unknown node is unresolvable."""

    def __init__(self, headroom: dict[str, int] | None = None) -> None:
        self.headroom = {"n1": 40, "n2": 400, "n3": 100} if headroom is None else headroom
        self.missing = ""
        self.bound: list[BindArgs] = []
        self.bind_wait_s = 0.0
        self.before: Callable[[], None] = lambda: None

    def filter(self, args: FilterArgs) -> FilterAnswer:
        self.before()
        watts = asked_watts(args)
        unknown = {name: "no such node" for name in args.node_names if name not in self.headroom}
        failed = {name: "no headroom" for name in args.node_names if self.headroom.get(name, watts) < watts}
        if not unknown and not failed:
            return FilterAnswer()
        passing = tuple(name for name in args.node_names if name not in unknown and name not in failed)
        return FilterAnswer(passing, failed, unknown)

    def prioritize(self, args: FilterArgs) -> bytes:
        self.before()
        most = max(self.headroom.values())
        scores = [{"Host": n, "Score": 10 * self.headroom.get(n, 0) // most} for n in args.node_names]
        return msgspec.json.encode(scores)

    def preempt(self, args: PreemptArgs) -> PreemptAnswer:
        self.before()
        return PreemptAnswer({node: found for node, found in args.victims.items() if node in self.headroom})

    async def bind(self, args: BindArgs) -> str:
        self.before()
        await asyncio.sleep(self.bind_wait_s)
        self.bound.append(args)
        return "" if args.node in self.headroom else "no such node"

    def ready(self) -> tuple[bool, str]:
        return not self.missing, self.missing
