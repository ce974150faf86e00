"""One scenario under several policies, each in a world of its own that starts from the same seed."""

from collections.abc import Callable
from math import ceil

from powerplane.models.errors import InputError
from powerplane.simulator.by_hand import ByHand
from powerplane.simulator.outcomes import Outcome, Recorder
from powerplane.simulator.planning import Planner, Planning
from powerplane.simulator.policies import Nothing, Policy, Static, Together
from powerplane.simulator.scenario_file import Study
from powerplane.simulator.throttling import Throttle
from powerplane.simulator.world import World

Tell = Callable[[str, float], None]
"""Told the policy and the share of its run that is done."""

POLICIES = ("none", "static", "by-hand", "throttle", "plan", "plan+throttle")
TELL_EVERY = 50
ROUNDING = 1e-9


def run_policy(study: Study, name: str, planner: Planner | None, tell: Tell | None = None) -> Outcome:
    """Run a scenario under one policy.

    Parameters
    ----------
    study : Study
    name : str
        One of ``POLICIES``.
    planner : callable or None
        Needed by those that plan.
    tell : callable, optional

    Raises
    ------
    InputError
        For an unknown policy, or one that plans without a planner.
    """
    world = World(study.spec)
    policy = make_policy(study, name, world, planner)
    recorder = Recorder(world)
    step_s, duration_s = study.spec.step_s, study.spec.duration_s
    steps = ceil(duration_s / step_s - ROUNDING)
    for step in range(steps):
        policy.act()
        recorder.keep(world.step(min(step_s, duration_s - step * step_s)))
        if tell is not None and step % TELL_EVERY == 0:
            tell(name, step / steps)
    return recorder.outcome(name, policy.moves)


def make_policy(study: Study, name: str, world: World, planner: Planner | None) -> Policy:
    """Return a policy for a world."""
    if name not in POLICIES:
        raise InputError(f"no policy {name!r}", f"policies are: {', '.join(POLICIES)}")
    if name == "none":
        return Nothing()
    if name == "static":
        return Static(world, study.throttling)
    if name == "by-hand":
        return ByHand(world, study.by_hand, study.sensors)
    throttle = Throttle(world, study.throttling, study.sensors)
    if name == "throttle":
        return throttle
    if planner is None:
        raise InputError(f"policy {name!r} has no planner", "pass one")
    planning = Planning(world, study.planning, study.sensors, planner)
    return planning if name == "plan" else Together(throttle, planning)
