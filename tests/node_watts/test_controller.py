"""The controller step by step, with nothing random: what it writes, when, and when it is quiet."""

from dataclasses import replace

import pytest
from tests.node_watts.world import Flight, TrueNode, TruePod, World

from powerplane.node_watts.controller import Controller, ControllerSettings
from powerplane.node_watts.seen import Write
from powerplane.solver.partition_fill import Change

SETTINGS = ControllerSettings(settle_s=2.0, write_timeout_s=3.0, level_s=1e9)


class Stage:
    """One controller in one world in which nothing is late."""

    def __init__(self, world, settings=SETTINGS, *, fresh=False):
        self.world = world
        self.settings = settings
        self.controller = Controller(settings, world.now_s if fresh else world.now_s - 100)
        self.kinds: list[list[tuple[str, str, int]]] = []

    def tick(self, seconds=0.5, *, bind=True):
        self.world.remember()
        decisions = self.controller.decide(self.world.seen(0.0, 0.0), self.world.now_s)
        self.kinds.append([(write.kind, write.node, write.watts) for write in decisions.writes])
        self.world.flights += [Flight(write, self.world.now_s, False, 1) for write in decisions.writes]
        for flight, outcome in self.world.land():
            self.controller.note(flight.write, outcome, self.world.now_s)
        self.world.remember()
        if bind:
            for uid in sorted(self.world.pods):
                for name in self.world.names:
                    self.world.bind(uid, name, 0.0)
        self.world.now_s += seconds
        self.world.remember()
        self.world.check()
        return decisions

    def ticks(self, count, **more):
        return [self.tick(**more) for _ in range(count)][-1]

    @property
    def listed(self):
        return {name: node.listed for name, node in self.world.nodes.items()}


def rack(limit, nodes=2, cap=200):
    return World([[1] * nodes], [limit], [cap] * nodes, scale=1)


def test_nodes_that_list_nothing_get_their_share_in_one_round_and_then_it_is_quiet():
    stage = Stage(rack(200))
    stage.ticks(2)
    assert sum(stage.listed.values()) == pytest.approx(140, abs=2)
    written = stage.world.written
    stage.ticks(200)
    assert stage.world.written == written


def test_nothing_grows_until_a_predecessors_last_write_can_no_longer_land():
    stage = Stage(rack(200), fresh=True)
    stage.world.pods["p"] = TruePod(50, node="n0")
    stage.ticks(5)
    assert stage.listed == {"n0": 50, "n1": None}
    stage.ticks(5)
    assert stage.listed["n1"] is None
    stage.ticks(3)
    assert stage.listed["n1"]


def test_a_waiting_pod_gets_its_watts_by_close_settle_lower_open_and_raise():
    stage = Stage(rack(200))
    stage.ticks(2)
    stage.world.pods["big"] = TruePod(150)
    stage.kinds.clear()
    started = stage.world.now_s
    while not stage.world.pods["big"].node:
        stage.tick()
        assert stage.world.now_s < started + 10
    kinds = [kind for round_ in stage.kinds for kind, _, _ in round_]
    assert kinds[:2] == ["close", "watts"]
    assert set(kinds) == {"close", "watts", "open"}
    assert stage.world.now_s - started <= 4.0
    stage.ticks(3)
    assert not any(node.closed for node in stage.world.nodes.values())


def test_watts_that_are_held_back_go_to_a_waiting_pod_by_one_write():
    stage = Stage(rack(200, cap=200), replace(SETTINGS, change=Change(reserve_percent=40)))
    stage.ticks(2)
    assert sum(stage.listed.values()) <= 122
    stage.world.pods["p"] = TruePod(100)
    stage.kinds.clear()
    stage.tick()
    assert [len(round_) for round_ in stage.kinds] == [1]
    assert stage.world.pods["p"].node


def test_a_pod_that_was_bound_while_its_node_was_being_closed_is_counted_again():
    stage = Stage(rack(200))
    stage.ticks(2)
    stage.world.pods["big"] = TruePod(150)
    stage.tick()
    closing = next(name for name, node in stage.world.nodes.items() if node.closed)
    stage.world.pods["quick"] = TruePod(60, node=closing)
    stage.world.remember()
    stage.ticks(12)
    assert stage.listed[closing] >= 60
    assert not stage.world.pods["big"].node


def test_without_closing_nothing_grows_before_the_scheduler_has_settled():
    stage = Stage(rack(200), replace(SETTINGS, close_first=False))
    stage.ticks(2)
    stage.world.pods["big"] = TruePod(150)
    lowered = None
    for _ in range(20):
        before = stage.listed
        stage.tick()
        if lowered is None and sum(stage.listed.values()) < sum(before.values()):
            lowered = stage.world.now_s
        if stage.world.pods["big"].node:
            break
    assert lowered is not None
    assert stage.world.now_s - lowered >= 2.0


def test_a_budget_below_what_runs_brings_nodes_down_to_their_pods_and_tells_the_excess():
    stage = Stage(rack(300))
    stage.world.pods |= {"a": TruePod(90), "b": TruePod(80)}
    stage.ticks(4)
    stage.world.limits[0] = 100
    stage.world.forgive()
    decisions = stage.ticks(14)
    assert sum(stage.listed[name] or 0 for name in stage.listed) == 170
    assert [(each.domain, each.watts) for each in decisions.excess] == [("row0", 70)]


def test_a_zeroed_node_is_written_again_at_once_and_one_without_room_lists_nothing():
    stage = Stage(rack(200))
    stage.ticks(2)
    stage.world.nodes["n0"] = TrueNode(stage.world.next(), listed=0)
    stage.tick()
    assert stage.listed["n0"]
    stage.world.limits[0] = 0
    stage.world.forgive()
    stage.ticks(14)
    assert stage.listed == {"n0": None, "n1": None}


def test_a_zeroed_node_lists_again_what_the_scheduler_may_still_bind_by_before_it_gives_any_of_it():
    stage = Stage(rack(200))
    stage.ticks(3)
    stage.world.pods["big"] = TruePod(150)
    before = dict(stage.listed)
    stage.tick(0.1)
    giving = next(name for name, node in stage.world.nodes.items() if node.closed)
    stage.world.make(giving, listed=0)
    stage.tick(0.1)
    stage.world.pods["late"] = TruePod(before[giving])
    assert stage.world.bind("late", giving, 0.3)
    assert stage.listed[giving] == before[giving]


def test_a_node_that_lists_nothing_is_written_once_every_pod_bound_by_an_older_number_shows():
    world = rack(300)
    world.nodes["n0"] = TrueNode(world.next(), listed=150)
    world.pods["seen"] = TruePod(20, node="n0")
    world.remember()
    world.now_s += 1.0
    world.pods["not-yet"] = TruePod(60, node="n0")
    world.make("n0")
    world.remember()
    controller = Controller(SETTINGS, world.now_s)
    assert not [write for write in controller.decide(world.seen(0.0, 0.1), world.now_s).writes if write.node == "n0"]
    world.now_s += SETTINGS.settle_s
    world.remember()
    writes = controller.decide(world.seen(0.0, 0.1), world.now_s).writes
    assert [(write.node, write.watts) for write in writes if write.node == "n0"] == [("n0", 80)]


def test_a_fresh_controller_makes_up_for_a_pod_bound_by_the_number_of_a_machine_that_is_gone():
    stage = Stage(rack(300))
    stage.ticks(3)
    before = stage.listed["n0"]
    stage.world.pods["old"] = TruePod(20, node="n0")
    stage.world.make("n0", listed=0)
    stage.controller = Controller(SETTINGS, stage.world.now_s)
    stage.tick(0.1)
    assert stage.listed["n0"] == 20
    del stage.world.pods["old"]
    stage.world.pods["late"] = TruePod(before)
    assert stage.world.bind("late", "n0", 0.3)
    stage.tick()
    assert stage.listed["n0"] == before


def test_a_refused_write_is_decided_anew_after_a_pause_and_an_unknown_one_once_it_is_over():
    world = rack(200)
    controller = Controller(SETTINGS, 0.0)
    first = controller.decide(world.seen(0.0, 0.0), 100.0).writes
    assert len(first) == 2
    assert controller.decide(world.seen(0.0, 0.0), 100.1).writes == ()
    controller.note(first[0], "refused", 100.2)
    controller.note(first[1], "unknown", 100.2)
    assert controller.decide(world.seen(0.0, 0.0), 100.3).writes == ()
    assert [write.node for write in controller.decide(world.seen(0.0, 0.0), 102.3).writes] == [first[0].node]
    assert controller.decide(world.seen(0.0, 0.0), 105.1).writes == ()
    assert [write.node for write in controller.decide(world.seen(0.0, 0.0), 105.3).writes] == [first[1].node]


def test_a_refused_write_is_decided_anew_at_once_when_the_node_has_changed():
    world = rack(200)
    controller = Controller(SETTINGS, 0.0)
    first = controller.decide(world.seen(0.0, 0.0), 100.0).writes[0]
    controller.note(first, "refused", 100.1)
    world.nodes[first.node] = TrueNode(world.next())
    world.remember()
    again = controller.decide(world.seen(0.0, 0.0), 100.2).writes
    assert [write.node for write in again] == [first.node]


def test_only_so_many_writes_are_on_their_way_at_a_time():
    world = World([[1] * 30], [3000], [200] * 30, scale=1)
    controller = Controller(replace(SETTINGS, most_writes=8), 0.0)
    assert len(controller.decide(world.seen(0.0, 0.0), 100.0).writes) == 8
    assert controller.decide(world.seen(0.0, 0.0), 100.1).writes == ()


def test_not_all_nodes_are_closed_at_a_time_unless_a_budget_is_broken():
    stage = Stage(World([[1] * 30], [3000], [200] * 30, scale=1))
    stage.ticks(3)
    for i in range(30):
        stage.world.caps[i] = 50
    stage.tick()
    assert sum(node.closed for node in stage.world.nodes.values()) == 10
    stage.world.limits[0] = 600
    stage.world.forgive()
    stage.tick()
    assert sum(node.closed for node in stage.world.nodes.values()) == 30


def test_a_pod_that_stays_away_from_its_watts_is_offered_another_node():
    stage = Stage(rack(400, cap=300), replace(SETTINGS, change=Change(reserve_percent=0)))
    stage.ticks(2)
    stage.world.pods["odd"] = TruePod(150)
    stage.ticks(4, bind=False)
    first = {name for name, watts in stage.listed.items() if watts >= 150}
    stage.world.limits[0] = 160
    stage.world.forgive()
    stage.ticks(10, bind=False)
    offered = max(stage.listed, key=lambda name: stage.listed[name] or 0)
    assert offered in first
    stage.ticks(60, bind=False)
    assert max(stage.listed, key=lambda name: stage.listed[name] or 0) != offered


def test_a_write_says_which_version_it_is_for():
    world = rack(200)
    write = Controller(SETTINGS, 0.0).decide(world.seen(0.0, 0.0), 100.0).writes[0]
    assert isinstance(write, Write)
    assert write.version == str(world.nodes[write.node].version)
