"""A story run second by second: the feed that is lost, the plan that is carried out, breakers that warm and trip."""

from dataclasses import dataclass, field
from math import ceil

import numpy as np
from numpy.typing import NDArray

from powerplane.models.plan import Plan
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerTopology
from powerplane.simulator.from_snapshot import workloads_of
from powerplane.simulator.history import Event, Run
from powerplane.simulator.migration import Rollout
from powerplane.simulator.moment import Moment
from powerplane.simulator.power import Reading, read_domains, surviving
from powerplane.simulator.scenario import Scenario
from powerplane.simulator.spec import Happening, WorldSpec
from powerplane.simulator.world import World


def world_of(scenario: Scenario) -> World:
    """Return a story's world at second 0."""
    spec = WorldSpec(
        base=scenario.snapshot,
        workloads=workloads_of(scenario.snapshot),
        fan_watts=scenario.fan_mw / 1000,
        climates=scenario.climates,
        happenings=(Happening(scenario.lost_at_s, "lose", scenario.lost_feed),),
        pace=scenario.pace,
        seed=scenario.seed,
        duration_s=scenario.ends_s,
        step_s=1.0,
    )
    return World(spec)


def simulate(scenario: Scenario, plan: Plan | None = None) -> Run:
    """Let a story happen, with a plan carried out after the loss, or without one.

    Parameters
    ----------
    scenario : Scenario
    plan : Plan or None
        Made from ``scenario.snapshot_at(…)``; None leaves the cluster to Kubernetes alone.

    Returns
    -------
    Run
        The same for the same scenario and plan, bit for bit.

    Raises
    ------
    InputError
        When the plan speaks of pods or nodes that the scenario does not have.
    """
    world = world_of(scenario)
    rollout = Rollout(world, plan, scenario.planned_at_s) if plan is not None else None
    recorder = _Recorder(scenario, world)
    for _ in range(scenario.ends_s):
        if rollout is not None:
            _carry_out(rollout, world)
        recorder.keep(world.step(1.0))
    return recorder.history(rollout)


def _carry_out(rollout: Rollout, world: World) -> None:
    if world.tripped:
        rollout.give_up(f"{next(iter(world.tripped))} tripped")
    done = rollout.done
    world.say(rollout.step())
    if rollout.done and not done:
        world.say(f"{rollout.moved} pods moved in {rollout.waves_done} waves, all ready")


@dataclass(slots=True, eq=False)
class _Recorder:
    """All that is seen of a run, a row a second, in the exact milliwatts that plans are made of."""

    scenario: Scenario
    world: World
    rows: list[dict[str, NDArray[np.generic]]] = field(default_factory=list)

    def keep(self, moments: tuple[Moment, ...]) -> None:
        """Keep a second: draws as it began, and the heat that breakers had at its end."""
        world, first = self.world, moments[0]
        domains = world.supply.topology.domains
        breakers = world.supply.breakers
        node_mw = np.rint(first.load.wall * 1000).astype(np.int64)
        row = {
            "domain_mw": -(-(first.wiring.weights @ node_mw) // first.wiring.scale),
            "node_mw": node_mw,
            "budget_mw": [
                NO_BUDGET if d.budget_mw == NO_BUDGET else int(d.budget_mw * factor)
                for d, factor in zip(domains, first.factor.tolist(), strict=True)
            ],
            "rating_mw": [
                int(d.breaker.rating_mw * factor) if d.breaker else NO_BUDGET
                for d, factor in zip(domains, first.factor.tolist(), strict=True)
            ],
            "heat": breakers.share.copy(),
            "dark": [name not in set(first.wiring.alive) for name in world.supply.names],
            "down": first.lost,
            "moving": first.moving,
        }
        self.rows.append({name: np.asarray(values) for name, values in row.items()})

    def history(self, rollout: Rollout | None) -> Run:
        """Put the run together."""
        world = self.world
        return Run(
            domains=world.supply.names,
            **{name: np.stack([row[name] for row in self.rows]) for name in self.rows[0]},
            events=tuple(Event(ceil(note.at_s), note.text) for note in world.notes),
            tripped={name: ceil(at_s) for name, at_s in world.tripped.items()},
            moved=rollout.moved if rollout is not None else 0,
            waves=rollout.waves_done if rollout is not None else 0,
            broken=tuple(each for each in self._last_readings() if each.over),
            node=world.pods.node[: len(self.scenario.snapshot.pods)].copy(),
        )

    def _last_readings(self) -> tuple[Reading, ...]:
        whole = PowerTopology(self.scenario.domains_at(self.scenario.ends_s - 1))
        node_mw = np.asarray(self.rows[-1]["node_mw"], dtype=np.int64)
        left = surviving(whole, self.world.supply.lost)
        return read_domains(left, self.scenario.snapshot.node_names, node_mw)
