"""The extender's state over two racks of two nodes, with a clock that tests put forward."""

from powerplane.scheduler_extender.state import ExtenderState

RACKS = {"r1": ["a", "b"], "r2": ["c", "d"]}
NAMES = ("a", "b", "c", "d")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def state_of(power, clock, **options):
    state = ExtenderState(clock, **options)
    state.use_tree(power)
    state.unready = ""
    return state
