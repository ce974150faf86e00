"""What workloads are remembered to use: it outlives restarts, stands in for what is not measured, and is kept small."""

import msgspec
import numpy as np
import pytest
from tests.recommender.world import BEGAN_S, Cluster, Watching

from powerplane.adapters.telemetry.following import Opened
from powerplane.models.demand.memory import FORGET_S, DemandMemory
from powerplane.models.telemetry.metrics import MEANINGS
from powerplane.models.telemetry.node_readings import PodReadings
from powerplane.models.telemetry.precedence import POD_USE_SOURCES
from powerplane.models.telemetry.readings import Entity, SeriesBlock
from powerplane.recommender.demanding import CHECKPOINT_S, MOST_CHECKPOINTS, RULES, Demanding, learn, owners_of

CPU = next(row for row in MEANINGS if row.quantity == "pod cpu cores" and row.pod and row.kind == "counter")


def seen(pods: int = 3, app: str = "web"):
    cluster = Cluster({"r1": None})
    cluster.run(app, "r1-n0", pods)
    watching = Watching(cluster)
    watching.watch()
    return watching.books.seen()


def readings(names, cores) -> PodReadings:
    count = len(names)
    nothing = np.full(count, np.nan)
    return PodReadings(
        ("default",) * count, tuple(names), ("",) * count, ("",) * count,
        np.array(cores, dtype=float), nothing, nothing, np.zeros(count),
    )  # fmt: skip


def taught(rounds: int = 30, cores: float = 0.5) -> tuple[Demanding, object]:
    objects, demand = seen(), Demanding()
    names = [name for _, name in owners_of(objects)]
    for number in range(rounds):
        demand.observe(objects, readings(names, [cores] * len(names)), BEGAN_S + 60 * number)
    return demand, objects


def test_pods_of_which_nothing_is_measured_count_by_what_their_workload_uses():
    demand, objects = taught()
    rows = demand.usual(objects)
    assert len(rows) == 3
    for row in rows:
        assert row.use_ucores == pytest.approx(500_000, rel=0.05)
        assert row.accelerator_mw is None


def test_a_workload_that_was_seen_for_a_moment_counts_for_nothing():
    demand, objects = taught(rounds=2)
    assert demand.usual(objects) == []


def test_what_was_learned_outlives_a_restart():
    demand, objects = taught()
    now_s = BEGAN_S + 60 * 30
    written = demand.to_write(now_s)
    assert [each.spec.owner for each in written] == ["default/ReplicaSet/web-rs"]
    anew = Demanding()
    assert anew.put_back([msgspec.to_builtins(each) for each in written], now_s) == []
    assert anew.usual(objects)[0].use_ucores == pytest.approx(500_000, rel=0.05)


def test_a_checkpoint_is_written_again_only_once_there_is_something_new_to_keep():
    demand, objects = taught()
    now_s = BEGAN_S + 60 * 30
    for each in demand.to_write(now_s):
        demand.written(each)
    assert demand.to_write(now_s) == []
    names = [name for _, name in owners_of(objects)]
    demand.observe(objects, readings(names, [0.5] * 3), now_s + CHECKPOINT_S + 60)
    assert len(demand.to_write(now_s)) == 1


def test_few_checkpoints_are_written_in_one_round_and_all_in_the_end():
    demand = Demanding()
    rows = demand.memory.rows([f"default/Deployment/w{number}" for number in range(3 * MOST_CHECKPOINTS)])
    demand.memory.observe(rows, np.full(len(rows), 0.5), np.full(len(rows), np.nan), BEGAN_S)
    owners = set()
    for _ in range(3):
        found = demand.to_write(BEGAN_S)
        assert len(found) == MOST_CHECKPOINTS
        for each in found:
            demand.written(each)
            owners.add(each.spec.owner)
    assert len(owners) == 3 * MOST_CHECKPOINTS
    assert demand.to_write(BEGAN_S) == []


def test_checkpoints_that_are_too_old_are_named_and_those_that_cannot_be_read_hold_up_nothing():
    demand, _ = taught()
    written = [msgspec.to_builtins(each) for each in demand.to_write(BEGAN_S)]
    broken = {"metadata": {"name": "broken"}, "spec": {"owner": "x"}}
    anew = Demanding()
    names = anew.put_back([broken, *written], BEGAN_S + 2 * FORGET_S)
    assert names == [each["metadata"]["name"] for each in written]
    assert not anew.memory.row_of


def test_history_takes_the_place_of_checkpoints_where_it_knows_better():
    demand, objects = taught(cores=0.5)
    learned = DemandMemory(RULES)
    (row,) = learned.rows(["default/Deployment/other"]).tolist()
    learned.observe(np.array([row]), np.array([2.0]), np.array([np.nan]), BEGAN_S)
    demand.adopt(learned, BEGAN_S + 3600)
    assert set(demand.memory.row_of) == {"default/Deployment/other", "default/ReplicaSet/web-rs"}
    assert demand.usual(objects)[0].use_ucores == pytest.approx(500_000, rel=0.05)


class Past:
    """A Prometheus that has a day of one metric: each pod uses a quarter of a core."""

    def history(self, meaning, start_s, end_s, step_s):
        assert end_s - start_s == 7 * 86_400
        if meaning.source != POD_USE_SOURCES[0] or meaning.quantity != "pod cpu cores":
            return SeriesBlock(meaning, (), np.zeros(1, dtype=np.int64), np.empty(0), np.empty(0))
        at_s = np.arange(end_s - 86_400, end_s, step_s)
        each = 0.25 * (at_s - at_s[0]) / meaning.scale if meaning.kind == "counter" else np.full(len(at_s), 0.25)
        pods = tuple(Entity(namespace="default", pod=f"web-{number}") for number in range(3))
        return SeriesBlock(meaning, pods, np.arange(4) * len(at_s), np.tile(at_s, 3), np.tile(each, 3))


def test_history_is_learned_from_by_owner():
    objects = seen()
    memory = learn(Opened(Past(), (), "http://prometheus:9090"), owners_of(objects))
    demand = Demanding(memory)
    assert demand.usual(objects)[0].use_ucores == pytest.approx(250_000, rel=0.05)


def test_nothing_is_learned_where_no_pods_are_known():
    assert learn(Opened(Past(), (), "http://prometheus:9090"), {}) is None


def test_rounds_keep_what_they_learn_and_never_write_over_what_they_could_not_read():
    cluster = Cluster({"r1": 900.0})
    cluster.run("web", "r1-n0", 3)
    cluster.enforce()
    watching = Watching(cluster)
    watching.outside.checkpoints = lambda: None
    for _ in range(40):
        watching.look(5)
    assert not watching.outside.kept
