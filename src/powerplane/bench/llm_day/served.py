"""One policy over the day: what each workload's accelerators were asked for and did, and how near breakers came."""

from math import ceil

import msgspec
import numpy as np

from powerplane.simulator.compare import make_policy
from powerplane.simulator.outcomes import Outcome, Recorder
from powerplane.simulator.planning import Planner
from powerplane.simulator.scenario_file import Study
from powerplane.simulator.workload import Floats
from powerplane.simulator.world import World

CHAT, TRAIN = "Deployment/chat", "Deployment/train"


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

    @property
    def chat_share(self) -> float:
        """Of the chat that was asked for."""
        return self.chat_done / self.chat_asked if self.chat_asked else 1.0

    @property
    def train_share(self) -> float:
        """Of the training that was asked for."""
        return self.train_done / self.train_asked if self.train_asked else 1.0


def run_day(study: Study, policy: str, planner: Planner | None) -> tuple[Served, Outcome]:
    """Run the day under a policy.

    Parameters
    ----------
    study : Study
    policy : str
    planner : callable or None

    Returns
    -------
    Served, Outcome
        The figures, and all that the report's pictures need.
    """
    world = World(study.spec)
    acting, recorder = make_policy(study, policy, world, planner), Recorder(world)
    step_s = study.spec.step_s
    asked, done = np.zeros(len(study.spec.workloads)), np.zeros(len(study.spec.workloads))
    for _ in range(ceil(study.spec.duration_s / step_s)):
        acting.act()
        recorder.keep(world.step(step_s))
        more_asked, more_done = device_work(world)
        asked += step_s * more_asked
        done += step_s * more_done
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
    )
    return served, outcome


def device_work(world: World) -> tuple[Floats, Floats]:
    """What is asked of each workload and done right now, in whole accelerators, shape (T,) each."""
    demand, holder = world.demand, world.demand.device_pod
    work = demand.now(world.now_s).device_work * world.moment().load.device_speed
    held = holder >= 0
    count = len(demand.cores)
    done = np.bincount(world.pods.template[holder[held]], work[held], count)
    asked = demand.levels(world.now_s) * demand.device_level * demand.accelerators * demand.replicas
    return asked, np.asarray(done, dtype=np.float64)
