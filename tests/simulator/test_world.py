import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.simulator.worlds import SMALL, study_of

from powerplane.models.breakers import Breaker
from powerplane.models.errors import InputError
from powerplane.models.topology import PowerTopology
from powerplane.simulator.breaker import seconds_to_trip
from powerplane.simulator.limits import NVML, OUT_OF_BAND, RAPL, Means
from powerplane.simulator.pods import EXISTING, Phase
from powerplane.simulator.scenario_file import Study
from powerplane.simulator.spec import Happening, WorldSpec
from powerplane.simulator.workload import Steady
from powerplane.simulator.world import World


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study_of(SMALL, tmp_path_factory.mktemp("world"))


def run(world: World, seconds: float, step_s: float = 5.0) -> None:
    for _ in range(round(seconds / step_s)):
        world.step(step_s)


def check_books(world: World) -> None:
    """Every pod once, and what nodes have free is what their pods leave."""
    pods, placer, base = world.pods, world.owners.placer, world.spec.base
    rows = pods.rows(*EXISTING)
    serials = pods.serial[rows]
    assert len(set(serials.tolist())) == len(serials)
    assert sorted([*rows.tolist(), *pods._free]) == list(range(len(pods)))
    taken = np.zeros_like(base.allocatable)
    for row in rows.tolist():
        for node in {int(pods.node[row]), int(pods.target[row])} - {-1}:
            taken[node] += placer.requests[pods.template[row]]
    assert (base.allocatable - taken == placer.free).all()
    assert (placer.free >= 0).all()
    waiting = pods.phase[rows] == Phase.WAITING
    assert ((pods.node[rows] == -1) == waiting).all()
    held = world.demand.device_pod
    for row in rows.tolist():
        wants = world.demand.accelerators[pods.template[row]]
        places = len({int(pods.node[row]), int(pods.target[row])} - {-1})
        assert (held == row).sum() == wants * places


def test_a_row_or_feed_carries_exactly_what_its_nodes_draw(study: Study) -> None:
    world = World(study.spec)
    for _ in range(60):
        moment = world.step(5.0)[0]
        by_name = dict(zip(world.supply.names, moment.domain_watts.tolist(), strict=True))
        row_1 = sum(moment.load.wall[i] for i, name in enumerate(world.nodes) if name.startswith("row-1"))
        assert by_name["feed-a"] + by_name["feed-b"] == pytest.approx(row_1)
        assert by_name["row-1"] == pytest.approx(row_1)
        assert by_name["row-1-rack-01"] + by_name["row-1-rack-02"] == pytest.approx(row_1)
        assert by_name["feed-c"] == pytest.approx(by_name["row-2"])


def test_the_parts_of_a_node_never_add_up_to_more_than_the_node(study: Study) -> None:
    world = World(study.spec)
    run(world, 600)
    truth = world.truth()
    devices = np.bincount(truth.gpu_node, truth.gpu_watts, len(truth.nodes))
    parts = truth.cpu_watts + truth.dram_watts + truth.fan_watts + devices
    assert (parts <= truth.wall_watts + 1e-6).all()
    assert (truth.wall_watts > 0).all()


def test_truth_names_every_pod_once_and_its_cores_are_those_of_its_node(study: Study) -> None:
    world = World(study.spec)
    run(world, 600)
    truth = world.truth()
    assert len(set(truth.pod_uid)) == len(truth.pod_uid)
    assert len(set(zip(truth.pod_namespace, truth.pod_name, strict=True))) == len(truth.pod_name)
    placed = truth.pod_node >= 0
    busy = np.bincount(truth.pod_node[placed], truth.pod_cores[placed], len(truth.nodes))
    assert busy == pytest.approx(truth.busy_cores)
    served = truth.gpu_pod[truth.gpu_pod >= 0]
    owners = {truth.pod_owner[i] for i in served.tolist()}
    assert owners == {"Deployment/chat", "Deployment/train"}
    assert len(served) == 6


def test_the_same_seed_gives_the_same_run_and_another_one_another(study: Study) -> None:
    def history(spec_study: Study) -> bytes:
        world = World(spec_study.spec)
        watts = [world.step(5.0)[0].load.wall for _ in range(200)]
        return np.array(watts).tobytes() + "".join(world.truth().pod_uid).encode()

    other = dataclasses.replace(study, spec=dataclasses.replace(study.spec, seed=4))
    assert history(study) == history(study)
    assert history(study) != history(other)


def test_load_depends_on_time_and_seed_alone_not_on_what_a_policy_did(study: Study) -> None:
    left, limited = World(study.spec), World(study.spec)
    limited.limit_nodes(np.arange(len(limited.nodes)), np.full(len(limited.nodes), 150.0))
    for _ in range(100):
        assert left.step(5.0)[0].asked == pytest.approx(limited.step(5.0)[0].asked)


@pytest.mark.parametrize("kind", [RAPL, OUT_OF_BAND])
def test_a_node_is_at_its_limit_within_the_reaction_time_and_not_before_it_begins(study: Study, kind: Means) -> None:
    world = World(study.spec)
    run(world, 60)
    draw = world.moment().load.wall.copy()
    limits = np.maximum(0.8 * draw, world.machines.idle + world.machines.device_idle)
    world.limit_nodes(np.arange(len(draw)), limits, kind)
    assert world.moment().load.wall == pytest.approx(draw)
    run(world, kind.dead_s * 0.9, 0.05)
    assert world.moment().load.limited_speed == pytest.approx(np.ones(len(draw)))
    run(world, kind.reaction_s - kind.dead_s * 0.9 + 0.1, 0.05)
    for _ in range(100):
        load = world.step(1.0)[0].load
        floor = world.machines.idle + world.machines.device_idle + load.fans
        assert (load.wall <= np.maximum(limits, floor) + 1e-6).all()
    assert (load.limited_speed < 1.0).any()


def test_what_a_limit_takes_comes_back_when_it_is_taken_away(study: Study) -> None:
    free, world = World(study.spec), World(study.spec)
    node = world.nodes[0]
    world.set_limit(node, 120.0)
    run(world, 60)
    run(free, 60)
    assert world.moment().load.wall[0] < free.moment().load.wall[0]
    world.set_limit(node, None)
    run(world, 60)
    run(free, 60)
    assert world.moment().load.wall[0] == pytest.approx(free.moment().load.wall[0])


def test_an_accelerator_is_at_its_limit_a_second_later_and_pays_for_it(study: Study) -> None:
    world = World(study.spec)
    run(world, 60)
    truth = world.truth()
    hungry = int(truth.gpu_watts.argmax())
    assert truth.gpu_watts[hungry] > 600
    world.set_device_limit(truth.gpu_uuid[hungry], 350.0)
    run(world, NVML.reaction_s + 0.2, 0.1)
    after = world.truth()
    assert after.gpu_watts[hungry] <= 350.0 + 1e-6
    assert after.gpu_limit_watts[hungry] == pytest.approx(350.0)
    assert world.moment().load.device_speed[hungry] < 0.9


def test_a_limit_below_the_lowest_is_taken_as_the_lowest(study: Study) -> None:
    world = World(study.spec)
    uuid = world.spec.devices.uuid[0]
    world.set_device_limit(uuid, 1.0)
    run(world, 10)
    assert world.truth().gpu_limit_watts[0] == pytest.approx(world.spec.devices.lowest_limit_watts[0])


def test_unknown_names_are_refused(study: Study) -> None:
    world = World(study.spec)
    for wrong in (
        lambda: world.set_limit("nobody", 100.0),
        lambda: world.set_limit(world.nodes[0], 100.0, "wishes"),
        lambda: world.set_device_limit("GPU-0", 100.0),
        lambda: world.lose("feed-z"),
    ):
        with pytest.raises(InputError):
            wrong()


def steady(study: Study) -> WorldSpec:
    """The same cluster with a load that holds still."""
    workloads = tuple(
        dataclasses.replace(w, wobble=0.0, trace=Steady(), autoscaling=None, arrivals=None)
        for w in study.spec.workloads
    )
    return dataclasses.replace(study.spec, workloads=workloads)


def with_breaker(
    spec: WorldSpec, domain: str, rating_watts: float, curve: tuple[tuple[float, float], ...]
) -> WorldSpec:
    """The same cluster with another breaker."""
    domains = tuple(
        dataclasses.replace(d, breaker=Breaker(int(rating_watts * 1000), curve)) if d.name == domain else d
        for d in spec.base.topology.domains
    )
    base = dataclasses.replace(spec.base, topology=PowerTopology(domains))
    return dataclasses.replace(spec, base=base)


@pytest.mark.parametrize("times_over", [1.05, 1.17, 1.3, 2.6, 4.0])
def test_a_breaker_trips_at_the_second_of_its_curve_also_inside_a_step(study: Study, times_over: float) -> None:
    curve = ((1.05, 300.0), (1.3, 77.7), (2.0, 23.3), (5.0, 4.0))
    spec = steady(study)
    watts = float(World(spec).moment().domain_watts[-4])
    name = World(spec).supply.names[-4]
    assert name == "feed-c"
    spec = with_breaker(spec, name, watts / times_over * (1 - 1e-9), curve)
    world = World(spec)
    moments = []
    while not world.tripped:
        moments += world.step(7.0)
    breaker = spec.base.topology.by_name[name].breaker
    assert breaker is not None
    expected = seconds_to_trip(breaker, watts * 1000)
    assert world.tripped[name] == pytest.approx(expected, rel=1e-6)
    ended = [moment.at_s + moment.lasted_s for moment in moments]
    assert any(at_s == pytest.approx(expected, rel=1e-6) for at_s in ended)
    assert world.moment().domain_watts[-4] == 0.0


def test_packages_come_to_the_temperature_of_a_steady_load_with_their_time_constant(study: Study) -> None:
    world = World(study.spec)
    machines = world.machines
    load = world.moment().load
    goal = machines.inlet + 45.0 * load.host / machines.peak
    machines.celsius = machines.inlet.copy()
    machines.pass_time(load, 60.0, 0.0)
    way = (machines.celsius - machines.inlet) / (goal - machines.inlet)
    assert way == pytest.approx(np.full(len(way), 1 - np.exp(-1)))
    for _ in range(30):
        machines.pass_time(load, 60.0, 0.0)
    assert machines.celsius == pytest.approx(goal)


def test_fans_draw_more_in_the_heat_and_follow_it_late(tmp_path: Path) -> None:
    hot = SMALL + "events:\n- {at: 5m, heat: {row: row-1, to: 38, over: 1s}}\n"
    world = World(study_of(hot, tmp_path).spec)
    run(world, 305)
    before = world.machines.extra_fans[0]
    run(world, 10)
    soon = world.machines.extra_fans[0]
    run(world, 600)
    late = world.machines.extra_fans[0]
    assert before == pytest.approx(0.0, abs=1.0)
    assert before < soon < late <= 30.0
    assert late > 0.85 * 30.0
    assert world.machines.extra_fans[-1] == pytest.approx(0.0, abs=1e-9)
    assert (world.factors()[[world.supply.row["feed-a"], world.supply.row["row-1-rack-01"]]] < 0.9).all()
    assert world.factors()[world.supply.row["feed-c"]] == 1.0


def test_a_feed_in_two_rows_bears_what_the_hotter_one_leaves_it(tmp_path: Path) -> None:
    text = SMALL.replace("feeds: [feed-c]}", "feeds: [feed-a, feed-c], inlet: 35}")
    world = World(study_of(text, tmp_path).spec)
    shares = dict(zip(world.supply.names, world.factors().tolist(), strict=True))
    assert shares["feed-a"] == shares["feed-c"] == pytest.approx(0.9)
    assert shares["feed-b"] == shares["row-1"] == 1.0


def test_a_lost_feed_darkens_what_has_no_other_and_its_pods_come_back_with_it(study: Study) -> None:
    world = World(study.spec)
    run(world, 60)
    before = world.owners.serving_count()
    world.lose("feed-c")
    assert world.owners.lost_count() == before - world.owners.serving_count() > 0
    assert (world.moment().load.wall[[name.startswith("row-2") for name in world.nodes]] == 0).all()
    run(world, 60)
    check_books(world)
    world.restore("feed-c")
    run(world, study.spec.boot_s + 60)
    assert world.owners.lost_count() == 0
    check_books(world)


def test_pods_of_a_node_that_stays_dark_find_another_or_wait(study: Study) -> None:
    world = World(study.spec)
    run(world, 60)
    uids = set(world.truth().pod_uid)
    world.lose("feed-c")
    run(world, study.spec.pace.not_ready_s + 60)
    check_books(world)
    assert any("gives up the dark nodes" in note.text for note in world.notes)
    dark = ~world.supply.lit
    moved = [world.pods.node[row] for row in world.pods.rows(Phase.RUNNING, Phase.STARTING).tolist()]
    assert not dark[moved].any()
    assert set(world.truth().pod_uid) - uids


def test_a_moved_pod_serves_on_while_it_leaves_then_starts_with_a_surge_elsewhere(study: Study) -> None:
    world = World(study.spec)
    run(world, 60)
    row = int(next(r for r in world.pods.rows(Phase.RUNNING) if world.demand.shared[world.pods.template[r]]))
    source = int(world.pods.node[row])
    target = next(i for i in range(len(world.nodes)) if i != source and world.owners.fits(row, i))
    uid = world.pods.name_and_uid(row)[1]
    world.owners.move(row, target, world.now_s, grace_s=10.0, start_s=15.0)
    check_books(world)
    run(world, 5)
    assert world.serving([row])[0]
    assert world.pods.node[row] == source
    run(world, 10)
    assert not world.serving([row])[0]
    assert world.owners.moving_count() == 1
    assert world.pods.node[row] == target
    assert world.pods.name_and_uid(row)[1] != uid
    run(world, 20)
    assert world.serving([row])[0]
    assert world.owners.moved == 1
    check_books(world)


def test_an_autoscaler_follows_the_load_up_at_once_and_down_after_five_minutes(tmp_path: Path) -> None:
    text = SMALL.replace("load: {chance: 5%, bursts: {perDay: 20}}", "load: {}")
    study = study_of(text + "events:\n- {at: 10m, load: {workload: shop, times: 0.5}}\n", tmp_path)
    world = World(study.spec)
    template = 0
    run(world, 600)
    before = int(world.demand.serving()[template])
    run(world, 200)
    assert int(world.demand.serving()[template]) == before
    run(world, 200)
    assert int(world.demand.serving()[template]) == pytest.approx(before / 2, abs=2)
    world.demand.rescale("shop", 1.0)
    run(world, 120)
    assert int(world.demand.serving()[template]) == before


def test_the_load_of_jobs_is_how_many_come_not_how_hard_they_work(tmp_path: Path) -> None:
    text = SMALL.replace("use: 95%}", "use: 95%, load: {daily: [[0, 50%]]}}")
    world = World(study_of(text, tmp_path).spec)
    before = world.pods.made
    running = []
    for _ in range(720):
        world.step(5.0)
        running.append(world.demand.serving()[2])
    assert np.mean(running) == pytest.approx(0.5 * 60 * 10 / 60, rel=0.5)
    rows = [row for row in world.pods.rows(Phase.RUNNING).tolist() if world.pods.template[row] == 2]
    assert world.demand.pod_cores(world.now_s)[rows] == pytest.approx(0.95 * 2, rel=0.06)
    assert world.pods.made > before


def test_pods_that_keep_apart_never_share_a_node(study: Study) -> None:
    world = World(study.spec)
    run(world, 300)
    assert world.owners.placer.held[1].max() == 1


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1000),
    losses=st.lists(
        st.tuples(st.sampled_from(["feed-a", "feed-b", "feed-c", "row-1"]), st.integers(0, 1500), st.integers(60, 900)),
        max_size=4,
    ),
    moves=st.lists(st.tuples(st.integers(0, 70), st.integers(0, 17), st.integers(0, 300)), max_size=6),
)
def test_no_pod_is_lost_or_doubled_whatever_is_lost_and_moved(
    study: Study, seed: int, losses: list[tuple[str, int, int]], moves: list[tuple[int, int, int]]
) -> None:
    happenings = [Happening(float(at), "lose", name) for name, at, _ in losses]
    happenings += [Happening(float(at + lasts), "restore", name) for name, at, lasts in losses]
    spec = dataclasses.replace(study.spec, seed=seed, happenings=tuple(sorted(happenings, key=lambda each: each.at_s)))
    world = World(spec)
    for step in range(300):
        for row, target, at in moves:
            running = world.pods.phase[row] == Phase.RUNNING and world.pods.node[row] != target
            plain = not world.demand.accelerators[world.pods.template[row]]
            if at == step and running and plain and world.owners.fits(row, target):
                world.owners.move(row, target, world.now_s, 7.0, 9.0)
        world.step(5.0)
        if step % 20 == 0:
            check_books(world)
    check_books(world)
    existing = np.bincount(world.pods.template[world.pods.rows(*EXISTING)], minlength=6)
    for template in (1, 3, 4):
        assert existing[template] == study.spec.workloads[template].replicas
    assert existing[5] == len(world.nodes)


def test_energy_is_power_times_time_in_any_steps(study: Study) -> None:
    world = World(study.spec)
    moments = [moment for _ in range(50) for moment in world.step(5.0)]
    assert sum(moment.lasted_s for moment in moments) == pytest.approx(world.now_s) == pytest.approx(250.0)
