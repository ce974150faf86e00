"""The loop: second by second the feed that is lost, the plan that is carried out, breakers that warm and trip."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from powerplane.models.plan import Plan
from powerplane.models.snapshot import NO_BUDGET, Snapshot
from powerplane.models.topology import PowerDomain, PowerTopology
from powerplane.simulator.breaker import BreakerHeat, heat_after
from powerplane.simulator.cluster import Cluster, Draw
from powerplane.simulator.history import Event, Run
from powerplane.simulator.power import Reading, read_domains, surviving
from powerplane.simulator.recovery import recover
from powerplane.simulator.rollout import Rollout
from powerplane.simulator.scenario import Scenario


def simulate(scenario: Scenario, plan: Plan | None = None) -> Run:
    """Let a scenario happen, with a plan carried out after the loss, or without one.

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
    world = _World(scenario, Cluster(scenario))
    rollout = Rollout(world.cluster, plan) if plan is not None else None
    for second in range(scenario.ends_s):
        world.lose_what_is_due(second)
        if rollout is not None:
            world.carry_out(rollout, second)
        world.recover_what_is_due(second)
        world.draw(second, rollout)
    return world.history(rollout)


@dataclass(slots=True, eq=False)
class _World:
    """The cluster, its breakers, and all that was seen so far."""

    scenario: Scenario
    cluster: Cluster
    heats: list[BreakerHeat] = field(init=False)
    due: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    recover_at: set[int] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    tripped: dict[str, int] = field(default_factory=dict)
    rows: list[dict[str, NDArray[np.generic]]] = field(default_factory=list)
    served: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.heats = [BreakerHeat() for _ in self.scenario.snapshot.topology.domains]
        self.due[self.scenario.lost_at_s] = [(self.scenario.lost_feed, f"{self.scenario.lost_feed} is lost")]
        self.served = _services(self.scenario.snapshot)

    def say(self, second: int, text: str) -> None:
        if text:
            self.events.append(Event(second, text))

    def lose_what_is_due(self, second: int) -> None:
        for domain, text in self.due.pop(second, []):
            before = self.cluster.serving & self.served
            self.cluster.lose(domain)
            stopped = int((before & ~self.cluster.serving).sum())
            self.say(second, f"{text}: {stopped:,} pods stop" if stopped else text)
            if stopped:
                self.recover_at.add(second + self.scenario.pace.not_ready_s)

    def carry_out(self, rollout: Rollout, second: int) -> None:
        if self.tripped:
            rollout.give_up(f"{next(iter(self.tripped))} tripped")
        done = rollout.done
        self.say(second, rollout.step(second))
        if rollout.done and not done:
            self.say(second, f"{rollout.moved} pods moved in {rollout.waves_done} waves, all ready")

    def recover_what_is_due(self, second: int) -> None:
        if second in self.recover_at:
            found, waiting = recover(self.cluster)
            self.say(second, f"Kubernetes gives up the dark nodes: {found} pods find another, {waiting} wait for one")

    def draw(self, second: int, rollout: Rollout | None) -> None:
        domains = self.scenario.domains_at(second)
        draw = self.cluster.draw_at(second)
        for i, breaker in enumerate(domain.breaker for domain in domains):
            if breaker is None or self.heats[i].tripped:
                continue
            self.heats[i] = heat_after(self.heats[i], breaker, float(draw.domain_mw[i]), 1)
            if self.heats[i].tripped:
                self._trip(second + 1, domains[i].name)
        self._record(domains, draw, rollout)

    def _trip(self, second: int, domain: str) -> None:
        self.tripped[domain] = second
        self.due.setdefault(second, []).append((domain, f"the breaker of {domain} trips"))

    def _record(self, domains: tuple[PowerDomain, ...], draw: Draw, rollout: Rollout | None) -> None:
        alive = set(self.cluster.wiring.alive)
        moving = rollout.moving() if rollout is not None else np.zeros_like(self.cluster.serving)
        row = {
            "domain_mw": draw.domain_mw,
            "node_mw": draw.node_mw,
            "budget_mw": [domain.budget_mw for domain in domains],
            "rating_mw": [d.breaker.rating_mw if d.breaker else NO_BUDGET for d in domains],
            "heat": [heat.share for heat in self.heats],
            "dark": [domain.name not in alive for domain in domains],
            "down": (self.served & ~self.cluster.serving & ~moving).sum(),
            "moving": moving.sum(),
        }
        self.rows.append({name: np.asarray(values) for name, values in row.items()})

    def history(self, rollout: Rollout | None) -> Run:
        return Run(
            domains=tuple(domain.name for domain in self.scenario.snapshot.topology.domains),
            **{name: np.stack([row[name] for row in self.rows]) for name in self.rows[0]},
            events=tuple(self.events),
            tripped=self.tripped,
            moved=rollout.moved if rollout is not None else 0,
            waves=rollout.waves_done if rollout is not None else 0,
            broken=tuple(each for each in self._last_readings() if each.over),
            node=self.cluster.node,
        )

    def _last_readings(self) -> tuple[Reading, ...]:
        whole = PowerTopology(self.scenario.domains_at(self.scenario.ends_s - 1))
        node_mw = np.asarray(self.rows[-1]["node_mw"], dtype=np.int64)
        left = surviving(whole, self.cluster.lost)
        return read_domains(left, self.scenario.snapshot.node_names, node_mw)


def _services(snapshot: Snapshot) -> NDArray[np.bool_]:
    daemons = [template.owner.startswith("DaemonSet/") for template in snapshot.templates]
    result: NDArray[np.bool_] = ~np.array(daemons, dtype=bool)[snapshot.pods.template]
    return result
