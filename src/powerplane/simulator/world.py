"""The simulated cluster while it runs: one step after another, and what is so in between."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from powerplane.models.errors import InputError
from powerplane.models.topology import PowerDomain
from powerplane.simulator.derating import Deratings
from powerplane.simulator.limits import MEANS, NO_LIMIT, NVML, RAPL, Means
from powerplane.simulator.load import Demand
from powerplane.simulator.machines import Machines
from powerplane.simulator.moment import Moment, Note
from powerplane.simulator.owners import Owners
from powerplane.simulator.pods import Phase, PodTable
from powerplane.simulator.spec import Happening, WorldSpec
from powerplane.simulator.supply import Supply
from powerplane.simulator.truth import Truth
from powerplane.simulator.truth_of import tell_truth

Floats = NDArray[np.float64]

SHORTEST_S = 1e-6


class World:
    """A cluster with physics.

    Parameters
    ----------
    spec : WorldSpec

    Notes
    -----
    Within a step everything but breakers holds still. A breaker that trips inside a step ends it there: what hangs
    below goes dark at that very moment, and the rest of the step goes on without it.
    """

    def __init__(self, spec: WorldSpec) -> None:
        self.spec = spec
        self.now_s = 0.0
        self.nodes = spec.base.node_names
        self.row = {name: i for i, name in enumerate(self.nodes)}
        self.supply = Supply(spec.base.topology, self.nodes)
        self.machines = Machines(spec)
        self._deratings = Deratings(spec.climates, self.supply.names)
        self.pods = PodTable(spec.base, spec.seed)
        self.demand = Demand(spec, self.pods)
        self.owners = Owners(spec, self.pods, self.demand)
        self.notes: list[Note] = []
        self.tripped: dict[str, float] = {}
        self.trips: list[tuple[str, float]] = []
        self.ready_s = np.zeros(len(self.nodes))
        self._due = sorted(spec.happenings, key=lambda each: each.at_s)
        self._moment: Moment | None = None
        self.owners.begin(self.ready)
        self._settle_heat()

    @property
    def ready(self) -> NDArray[np.bool_]:
        """Nodes that take pods, shape (N,)."""
        result: NDArray[np.bool_] = self.supply.lit & (self.ready_s <= self.now_s)
        return result

    def step(self, dt_s: float) -> tuple[Moment, ...]:
        """Let some seconds pass.

        Returns
        -------
        tuple of Moment
            One, or more where breakers tripped inside.
        """
        self._begin()
        moments: list[Moment] = []
        left = dt_s
        while left > SHORTEST_S:
            moment = self._look()
            limits = moment.limits_s
            lasts = min(left, self.supply.breakers.first_trip_s(limits))
            gone = self.supply.breakers.pass_time(limits, lasts)
            self.machines.pass_time(moment.load, lasts, self.now_s)
            self.now_s += lasts
            left -= lasts
            moments.append(replace(moment, lasted_s=lasts))
            for row in gone:
                self._trip(self.supply.names[row])
        self.demand.turn(dt_s)
        self._moment = None
        return tuple(moments)

    def truth(self) -> Truth:
        """What is so right now, for sensors and for comparison with what they say."""
        return tell_truth(self, self._look().load)

    def moment(self) -> Moment:
        """What holds right now."""
        return self._look()

    def lose(self, domain: str, why: str = "") -> None:
        """Take power from a domain, and from all that has no other; pods there stop at once."""
        self._known(domain)
        before = self.owners.serving_count()
        self.supply.lose(domain)
        given_up = self.now_s + self.spec.pace.not_ready_s
        self.owners.darken(self.supply.lit, given_up)
        stopped = before - self.owners.serving_count()
        text = why or f"{domain} is lost"
        self.say(f"{text}: {stopped:,} pods stop" if stopped else text)
        self._moment = None

    def restore(self, domain: str) -> None:
        """Give a domain its power back; nodes that were dark boot, then their pods start again."""
        self._known(domain)
        before = self.supply.lit
        self.supply.restore(domain)
        self.tripped.pop(domain, None)
        back = self.supply.lit & ~before
        self.ready_s[back] = self.now_s + self.spec.boot_s
        self.say(f"{domain} has power again")
        self._moment = None

    def set_limit(self, node: str, watts: float | None, means: str = RAPL.name) -> None:
        """Limit what a whole node draws at the wall; None takes the limit away.

        Raises
        ------
        InputError
            For a node or means that is not known.
        """
        if node not in self.row or means not in MEANS:
            raise InputError(f"no node {node!r} or no means {means!r}", f"means are: {', '.join(MEANS)}")
        self.limit_nodes(np.array([self.row[node]]), np.array([NO_LIMIT if watts is None else watts]), MEANS[means])

    def limit_nodes(self, rows: NDArray[np.int64], watts: Floats, means: Means = RAPL) -> None:
        """Limit nodes by their rows; ``NO_LIMIT`` takes a limit away."""
        self.machines.node_limits.order(rows, watts, self.now_s, self._look().load.wall[rows], means)
        self._moment = None

    def limit_devices(self, rows: NDArray[np.int64], watts: Floats, means: Means = NVML) -> None:
        """Limit accelerators by their rows; ``NO_LIMIT`` takes a limit away."""
        self.machines.device_limits.order(rows, watts, self.now_s, self._look().load.device[rows], means)
        self._moment = None

    def set_device_limit(self, uuid: str, watts: float | None) -> None:
        """Limit one accelerator by its UUID."""
        devices = self.spec.devices.uuid
        if uuid not in devices:
            raise InputError(f"no accelerator {uuid!r}", "name one of the truth's gpu_uuid")
        self.limit_devices(np.array([devices.index(uuid)]), np.array([NO_LIMIT if watts is None else watts]))

    def say(self, text: str) -> None:
        """Note that something happened."""
        if text:
            self.notes.append(Note(self.now_s, text))

    def factors(self) -> Floats:
        """Share of their budgets and ratings that the heat leaves domains now, shape (D,)."""
        return self._deratings.at(self.now_s)

    def serving(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether rows of pods do their work."""
        phase = self.pods.phase[np.asarray(rows)]
        result: NDArray[np.bool_] = (phase == Phase.RUNNING) | (phase == Phase.LEAVING)
        return result

    def domains(self) -> tuple[PowerDomain, ...]:
        """The topology's domains."""
        return self.supply.topology.domains

    def _begin(self) -> None:
        while self._due and self._due[0].at_s <= self.now_s + SHORTEST_S:
            self._happen(self._due.pop(0))
        self.say(self.owners.act(self.now_s, self.supply.lit, self.ready))
        self._moment = None

    def _happen(self, what: Happening) -> None:
        if what.what == "lose":
            self.lose(what.name)
        elif what.what == "restore":
            self.restore(what.name)
        elif what.what == "say":
            self.say(what.name)
        elif what.what == "budget":
            self.supply.budget_watts[self.supply.row[what.name]] = what.value
            self.say(f"{what.name} may draw {what.value / 1000:g} kW from now on")
        else:
            self.demand.rescale(what.name, what.value)
            self.say(f"the load of {what.name} is {what.value:g} times what it was sized for")

    def _trip(self, domain: str) -> None:
        self.tripped[domain] = self.now_s
        self.trips.append((domain, self.now_s))
        self.lose(domain, f"the breaker of {domain} trips")

    def _look(self) -> Moment:
        if self._moment is None:
            self._moment = self._reckon()
        return self._moment

    def _reckon(self) -> Moment:
        wanted = self.demand.now(self.now_s)
        load = self.machines.load(
            wanted.node_cores, wanted.device_use, wanted.node_device_watts, self.supply.lit, self.now_s
        )
        factor = self.factors()
        domain_watts = self.supply.loads(load.wall)
        done = float((wanted.node_work * load.speed).sum())
        limited = float((wanted.node_work * (1.0 - load.limited_speed)).sum())
        return Moment(
            at_s=self.now_s,
            lasted_s=0.0,
            load=load,
            domain_watts=domain_watts,
            budget_watts=self.supply.budget_watts * factor,
            factor=factor,
            asked=wanted.asked,
            done=done,
            limited=limited,
            asked_devices=wanted.asked_devices,
            done_devices=float((wanted.device_work * load.device_speed).sum()),
            lost=self.owners.lost_count(),
            moving=self.owners.moving_count(),
            waiting=self.owners.waiting_count(),
            wiring=self.supply.wiring,
            limits_s=self.supply.breakers.limits_s(domain_watts, factor),
        )

    def _settle_heat(self) -> None:
        load = self._look().load
        self.machines.pass_time(load, 1e6, 0.0)
        self._moment = None

    def _known(self, domain: str) -> None:
        if domain not in self.supply.row:
            raise InputError(f"no domain {domain!r}", f"the domains are: {', '.join(self.supply.names[:20])}")
