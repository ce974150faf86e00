"""One policy over the day: what each workload's accelerators were asked for and did, and how near breakers came."""

from math import ceil
from pathlib import Path

import msgspec
import numpy as np

from powerplane.bench.operating.operate import Operate
from powerplane.models.api.capping_policy import Lever
from powerplane.recommender.rounds import Pace
from powerplane.simulator.compare import POLICIES, make_policy
from powerplane.simulator.outcomes import Outcome, Recorder
from powerplane.simulator.planning import Planner
from powerplane.simulator.policies import Policy, Together
from powerplane.simulator.scenario_file import Study
from powerplane.simulator.throttling import Throttle
from powerplane.simulator.workload import Floats
from powerplane.simulator.world import World

CHAT, TRAIN = "Deployment/chat", "Deployment/train"
OPERATED = ("operate", "operate+throttle")
DAYS = (*POLICIES, *OPERATED)
"""Policies that a day can be run under."""

LEVERS: tuple[Lever, ...] = ("migrate",)
SOLVE_S, PERIOD_S = 0.4, 300.0
"""Wall seconds for each plan of the operator, and time between two whole rounds while the same budget stays broken; one
that breaks anew is planned for at once."""

POINTS = 144
"""Of the curves: one in ten minutes of a whole day."""


class Served(msgspec.Struct, frozen=True):
    """What came of a day.

    Parameters
    ----------
    servers, seed : int
    policy : str
    trips : int
        Times that a breaker passed its time-current curve.
    dark_s : float
        Seconds without power after that, summed over breakers.
    above_rating_s : float
        Seconds above a breaker's rating, summed.
    nearest : float
        The most heat that one overload gathered, as a share of what trips.
    over_budget_minutes : float
        Summed over domains, racks included.
    chat_asked, chat_done, train_asked, train_done : float
        Seconds of a whole accelerator.
    kwh : float
    moves : int
        Pods that a plan moved, or that a person deleted.
    plans, evictions, refusals : int
        Of the operator: plans that it published, evictions that were accepted, and refused for a disruption budget.
    down_s : float
        Of the operator: seconds without service in which a move leaves its workload one pod short, on average.
    short_pod_hours : float
        Pods of chat and training that did not serve, for whatever reason, over time.
    tokens : float
        Of chat, read and written; 0 where it is not known what an accelerator serves in a second.
    racks, feeds : tuple of float
        The highest draw of any rack over its budget and of any feed over its rating, in each part of the day.
    """

    servers: int
    seed: int
    policy: str
    trips: int
    dark_s: float
    above_rating_s: float
    nearest: float
    over_budget_minutes: float
    chat_asked: float
    chat_done: float
    train_asked: float
    train_done: float
    kwh: float
    moves: int
    plans: int = 0
    evictions: int = 0
    refusals: int = 0
    down_s: float = 0.0
    short_pod_hours: float = 0.0
    tokens: float = 0.0
    racks: tuple[float, ...] = ()
    feeds: tuple[float, ...] = ()

    @property
    def chat_share(self) -> float:
        """Of the chat that was asked for."""
        return self.chat_done / self.chat_asked if self.chat_asked else 1.0

    @property
    def train_share(self) -> float:
        """Of the training that was asked for."""
        return self.train_done / self.train_asked if self.train_asked else 1.0

    @property
    def tokens_per_joule(self) -> float:
        """Tokens of chat for all energy that the cluster drew, training's included."""
        return self.tokens / (self.kwh * 3.6e6) if self.kwh else 0.0


def run_day(
    study: Study, policy: str, planner: Planner | None, directory: Path, tokens_a_second: float = 0.0
) -> tuple[Served, Outcome]:
    """Run the day under a policy.

    Parameters
    ----------
    study : Study
    policy : str
        One of ``DAYS``.
    planner : callable or None
        For policies of the simulator that plan.
    directory : Path
        For the operator's files.
    tokens_a_second : float
        That one accelerator serves.

    Returns
    -------
    Served, Outcome
        The figures, and all that the report's pictures need.
    """
    world = World(study.spec)
    operate = Operate(world, study.sensors, _pace(study), directory, LEVERS) if policy in OPERATED else None
    acting = _acting(study, policy, world, planner, operate)
    recorder, step_s = Recorder(world), study.spec.step_s
    count = len(study.spec.workloads)
    asked, done, short_s = np.zeros(count), np.zeros(count), 0.0
    for _ in range(ceil(study.spec.duration_s / step_s)):
        acting.act()
        recorder.keep(world.step(step_s))
        more_asked, more_done = device_work(world)
        asked += step_s * more_asked
        done += step_s * more_done
        short_s += step_s * short_pods(world)
    outcome = recorder.outcome(policy, acting.moves)
    owners = [template.owner for template in study.spec.base.templates]
    chat, train = owners.index(CHAT), owners.index(TRAIN)
    figures = outcome.figures
    served = Served(
        servers=len(world.nodes),
        seed=study.spec.seed,
        policy=policy,
        trips=figures.trips,
        dark_s=sum(study.spec.duration_s - at_s for at_s in outcome.tripped.values()),
        above_rating_s=sum(each.lasted_s for each in outcome.overloads),
        nearest=max((each.heat for each in outcome.overloads), default=0.0),
        over_budget_minutes=figures.over_minutes,
        chat_asked=float(asked[chat]),
        chat_done=float(done[chat]),
        train_asked=float(asked[train]),
        train_done=float(done[train]),
        kwh=figures.energy_kwh,
        moves=figures.moves,
        short_pod_hours=short_s / 3600,
        tokens=float(done[chat]) * tokens_a_second,
        racks=_highest(world, outcome, "rack"),
        feeds=_highest(world, outcome, "feed"),
    )
    return _with_tally(served, operate), outcome


def device_work(world: World) -> tuple[Floats, Floats]:
    """What is asked of each workload and done right now, in whole accelerators, shape (T,) each."""
    demand, holder = world.demand, world.demand.device_pod
    work = demand.now(world.now_s).device_work * world.moment().load.device_speed
    held = holder >= 0
    count = len(demand.cores)
    done = np.bincount(world.pods.template[holder[held]], work[held], count)
    asked = demand.levels(world.now_s) * demand.device_level * demand.accelerators * demand.replicas
    return asked, np.asarray(done, dtype=np.float64)


def short_pods(world: World) -> float:
    """How many pods of Deployments do not serve, of those that are wanted."""
    demand = world.demand
    return float(np.maximum(demand.replicas - demand.serving(), 0.0).sum())


def _pace(study: Study) -> Pace:
    return Pace(period_s=PERIOD_S, deadline_s=SOLVE_S, seed=study.spec.seed)


def _acting(study: Study, policy: str, world: World, planner: Planner | None, operate: Operate | None) -> Policy:
    if operate is None:
        return make_policy(study, policy, world, planner)
    if policy == "operate":
        return operate
    return Together(Throttle(world, study.throttling, study.sensors), operate)


def _with_tally(served: Served, operate: Operate | None) -> Served:
    if operate is None:
        return served
    tally = operate.tally
    return msgspec.structs.replace(
        served,
        plans=tally.plans,
        evictions=tally.evictions,
        refusals=tally.refusals,
        down_s=float(np.mean(tally.down_s)) if tally.down_s else 0.0,
    )


def _highest(world: World, outcome: Outcome, kind: str) -> tuple[float, ...]:
    """The highest load of a kind's domains over what they may carry, in each of ``POINTS`` parts of the run."""
    rows = [row for row, domain in enumerate(world.domains()) if domain.kind == kind]
    most = world.supply.breakers.rating_watts if kind == "feed" else world.supply.budget_watts
    shares = (outcome.series.watts[:, rows] / most[rows]).max(axis=1)
    edges = np.linspace(0, len(shares), min(POINTS, len(shares)), endpoint=False).astype(np.int64)
    return tuple(round(share, 4) for share in np.maximum.reduceat(shares, edges).tolist())
