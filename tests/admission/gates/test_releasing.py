"""Who is let go: budgets under every interleaving, the order, set-aside watts, and that nobody waits for ever."""

from dataclasses import replace
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.admission.gates.gate_world import NODES, RACKS, World

from powerplane.admission.gates.release_facts import Terms
from powerplane.admission.gates.releasing import Releaser
from powerplane.admission.planned import PLANNED_ANNOTATION

SIZES_W = (0, 40, 90, 150, 260, 420, 480)


def names(releases, reason=None):
    return [each.pod.name for each in releases if reason is None or each.reason == reason]


def unruled(world):
    """Releases of a look at which no policy asks anybody to wait."""
    return world.releaser.decide(replace(world.seen(), most_s=lambda _: None)).releases


class Interleavings(RuleBasedStateMachine):
    """Pods come and go, budgets change, writes fail or are told late, releasers die: the judge adds up every budget."""

    def __init__(self):
        super().__init__()
        self.world = World()
        self.made = 0
        self.unwritten = []

    @rule(
        size=st.sampled_from(SIZES_W),
        namespace=st.sampled_from("ab"),
        priority=st.integers(0, 1),
        rack=st.sampled_from((None, None, *RACKS)),
        count=st.integers(1, 6),
    )
    def create(self, size, namespace, priority, rack, count):
        for _ in range(count):
            self.made += 1
            spec = {"nodeSelector": {"rack": rack}} if rack else {}
            self.world.create(f"p{self.made}", size, namespace=namespace, priority=priority, **spec)

    @rule()
    def look(self):
        releases = self.world.look().releases
        self.unwritten = [each for each in self.unwritten if each not in releases] + list(releases)
        self._judge(releases)

    @precondition(lambda self: self.unwritten)
    @rule(data=st.data(), lost=st.sampled_from(("no", "no", "no", "answer", "request", "refused")))
    def write(self, data, lost):
        release = data.draw(st.sampled_from(self.unwritten))
        self.unwritten.remove(release)
        world = self.world
        if lost == "refused":
            world.releaser.note(release, "refused", world.clock_s)
            return
        done = lost != "request" and world.write(release)
        outcome = "unknown" if lost in ("answer", "request") else "done" if done else "stale"
        world.releaser.note(release, outcome, world.clock_s)

    @precondition(lambda self: self._free())
    @rule(data=st.data())
    def bind(self, data):
        name = data.draw(st.sampled_from(self._free()))
        self.world.bind(name, data.draw(st.sampled_from(self.world.reach(name))))

    @precondition(lambda self: self.world.pods)
    @rule(data=st.data())
    def delete(self, data):
        del self.world.pods[data.draw(st.sampled_from(sorted(self.world.pods)))]

    @precondition(lambda self: self.world.pods)
    @rule(data=st.data())
    def touch(self, data):
        self.world.touch(data.draw(st.sampled_from(sorted(self.world.pods))))

    @rule(rack=st.sampled_from(sorted(RACKS)), watts=st.integers(1, 1200))
    def change_rack(self, rack, watts):
        self.world.rack_w[rack] = watts

    @rule(feed=st.integers(300, 2500), row=st.integers(300, 2500), node=st.integers(100, 600))
    def change_above_and_below(self, feed, row, node):
        self.world.feed_w, self.world.row_w, self.world.node_w = feed, row, node

    @rule(seconds=st.sampled_from((0.5, 2.0, 30.0, 100.0)))
    def wait(self, seconds):
        self.world.clock_s += seconds

    @rule()
    def restart(self):
        # What the dead one had decided and not written yet is never written: the lease is taken over later than that.
        self.unwritten = []
        self.world.restart()

    def _free(self):
        pods = self.world.pods
        return [name for name in sorted(pods) if not pods[name]["spec"].get("nodeName") and self.world.reach(name)]

    def _judge(self, releases):
        """No budget above or below what was just let go can be exceeded, wherever everybody comes to stand."""
        world = self.world
        on_its_way = {each.pod.name: each.nodes or NODES for each in self.unwritten if each.reason == "headroom"}
        for name, (watts, members) in world.budgets().items():
            touched = any(
                set(each.nodes or NODES) & set(members) and each.pod.draw.stated_mw and each.pod.name in world.pods
                for each in releases
                if each.reason == "headroom"
            )
            if touched:
                assert world.worst_w(members, on_its_way) <= watts, name

    @invariant()
    def every_grant_is_of_a_pod_that_waits(self):
        world = self.world
        assert all(world.releaser.waited_s(g.release.pod, world.seen()) >= 0 for g in world.releaser.grants.values())


class Patient(Interleavings):
    """The same where nobody is ever overdue, so that every release is by headroom."""

    def __init__(self):
        super().__init__()
        self.world.most_s = 1e9


TestInterleavings = Patient.TestCase
TestInterleavings.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_a_pod_is_narrowed_to_nodes_of_one_rack_and_the_first_fits_best():
    world = World(rack_w={"r3": 130})
    world.create("p", 120)
    (release,) = world.settle()
    assert (release.reason, release.nodes) == ("headroom", ("c1",))
    assert world.reach("p") == ("c1",)


def test_where_every_node_has_plenty_a_pod_is_sent_nowhere_in_particular():
    world = World()
    world.create("p", 1)
    (release,) = world.settle()
    assert release.nodes == ()
    assert world.reach("p") == NODES


def test_a_planned_pod_is_sent_to_its_target_where_that_has_the_watts_and_elsewhere_where_not():
    for size in (90, 480):
        world = World(rack_w={"r1": 400})
        world.create("p", size)
        world.pods["p"]["metadata"]["annotations"] = {PLANNED_ANNOTATION: "a2,gone"}
        (release,) = world.look().releases
        assert (release.nodes == ("a2",)) == (size == 90)
        assert release.nodes


def test_where_every_node_has_plenty_a_planned_pod_is_still_sent_to_its_target():
    world = World(node_w=90_000, rack_w={"r1": 90_000, "r2": 90_000, "r3": 90_000}, row_w=900_000, feed_w=900_000)
    world.create("p", 90)
    world.pods["p"]["metadata"]["annotations"] = {PLANNED_ANNOTATION: "b1"}
    assert [each.nodes for each in world.look().releases] == [("b1",)]


def test_what_was_let_go_counts_until_it_is_bound_also_after_a_restart():
    world = World(row_w=300)
    world.create("one", 200)
    assert names(world.settle()) == ["one"]
    world.create("two", 200)
    assert world.settle() == []
    world.restart()
    assert world.settle() == []
    world.bind("one", world.reach("one")[0])
    assert world.settle() == []
    del world.pods["one"]
    assert names(world.settle()) == ["two"]


def test_what_was_sent_to_a_node_that_goes_and_comes_again_counts_under_its_rack_all_the_while():
    world = World()
    everything = world.nodes
    world.create("sent", 400, nodeSelector={"kubernetes.io/hostname": "b1"})
    assert names(world.settle()) == ["sent"]
    world.nodes = lambda: [each for each in everything() if each["metadata"]["name"] != "b1"]
    for restart in (False, True):
        if restart:
            world.restart()
        world.create(f"q{restart}", 400, nodeSelector={"rack": "r2"})
        assert world.settle() == [], "700 W hold one of them, and b1 may be back at any moment"
    world.create("small", 200, nodeSelector={"rack": "r2"})
    assert names(world.settle()) == ["small"]
    del world.pods["sent"], world.pods["small"]
    assert len(world.settle()) == 1


def test_a_write_on_its_way_to_a_node_that_goes_counts_under_its_rack():
    world = World()
    everything = world.nodes
    world.create("sent", 400, nodeSelector={"kubernetes.io/hostname": "b1"})
    (release,) = world.look().releases
    world.nodes = lambda: [each for each in everything() if each["metadata"]["name"] != "b1"]
    world.create("other", 400, nodeSelector={"rack": "r2"})
    assert world.look().releases == ()
    assert world.write(release)
    world.releaser.note(release, "done", world.clock_s)
    assert world.look().releases == ()


def test_a_clock_that_is_set_wrong_makes_nobody_overdue_who_came_while_we_looked():
    world = World(rack_w={"r1": 1, "r2": 1, "r3": 1})
    assert world.look().releases == ()
    for number in range(5):
        world.create(f"p{number}", 100)
    assert world.look().releases == ()
    jumped = replace(world.seen(), now_s=world.seen().now_s + 86_400)
    assert world.releaser.decide(jumped).releases == ()
    world.clock_s += 601
    assert len(names(world.look().releases, "overdue")) == 5


def test_a_pod_that_waited_under_the_replica_before_goes_in_its_time():
    world = World(rack_w={"r1": 1, "r2": 1, "r3": 1})
    world.create("p", 100)
    world.look()
    world.clock_s += 500
    world.restart()
    assert world.look().releases == ()
    world.clock_s += 101
    assert names(world.look().releases, "overdue") == ["p"]


def test_domains_that_are_made_anew_let_nobody_go_meanwhile_and_those_that_stay_away_do():
    world = World()
    everything = world.domains
    world.create("p", 480, nodeSelector={"rack": "r3"})
    assert world.settle() == []
    world.domains = list
    for _ in range(5):
        world.clock_s += 5
        assert world.settle() == []
    world.domains = everything
    world.clock_s += 5
    assert world.settle() == []
    world.domains = list
    assert world.settle() == []
    world.clock_s += 31
    assert names(world.settle()) == ["p"]


def test_an_answer_that_was_lost_is_asked_for_again_and_counts_meanwhile():
    world = World(row_w=300)
    world.create("one", 200)
    world.create("two", 200)
    (release,) = world.look().releases
    world.releaser.note(release, "unknown", world.clock_s)
    assert world.look().releases == ()
    world.clock_s += 2
    assert world.look().releases == (release,)
    assert world.write(release)
    world.releaser.note(release, "done", world.clock_s)
    assert world.settle() == []


def test_a_lost_request_is_not_sent_again_where_the_budget_was_lowered_meanwhile():
    world = World(rack_w={"r2": 1, "r3": 1})
    world.create("one", 400)
    (release,) = world.look().releases
    world.releaser.note(release, "unknown", world.clock_s)
    world.rack_w["r1"] = 300
    world.clock_s += 2
    assert world.look().releases == ()
    world.clock_s += 20
    assert world.settle() == []
    world.rack_w["r1"] = 500
    assert names(world.settle()) == ["one"]


def test_a_pod_that_somebody_wrote_to_first_is_let_go_by_its_newer_version():
    world = World()
    world.create("p", 100)
    (release,) = world.look().releases
    world.touch("p")
    assert not world.write(release)
    world.releaser.note(release, "stale", world.clock_s)
    assert names(world.settle()) == ["p"]


def test_small_pods_overtake_a_large_one_until_it_has_waited_long_enough_and_not_after():
    world = World(rack_w={"r1": 1, "r2": 1, "r3": 450})
    for number in range(4):
        world.create(f"s{number}", 100)
    world.settle()
    for number in range(4):
        world.bind(f"s{number}", "c1")
    world.create("large", 400)
    world.clock_s += 10
    del world.pods["s0"]
    world.create("small", 100)
    assert names(world.settle()) == ["small"]
    world.bind("small", "c1")
    world.clock_s += 60
    for number in range(1, 4):
        world.create(f"late{number}", 100)
        del world.pods[f"s{number}"]
        assert world.settle() == []
    assert (world.look().set_aside, world.look().waiting) == (1, 4)
    del world.pods["small"]
    assert names(world.settle()) == ["large"]


def test_watts_are_set_aside_in_one_place_and_others_go_elsewhere():
    world = World(rack_w={"r1": 420, "r2": 400, "r3": 1}, node_w=420)
    world.create("held", 100, nodeSelector={"rack": "r1"})
    world.settle()
    world.bind("held", "a1")
    world.create("large", 410)
    world.clock_s += 61
    assert world.settle() == []
    world.create("here", 90, nodeSelector={"rack": "r1"})
    world.create("anywhere", 90)
    assert names(world.settle()) == ["anywhere"]
    assert set(world.reach("anywhere")) == {"b1", "b2"}


def test_a_higher_priority_may_take_what_is_set_aside():
    world = World(rack_w={"r1": 1, "r2": 1, "r3": 450})
    world.create("there", 100)
    world.settle()
    world.bind("there", "c1")
    world.create("large", 400)
    world.clock_s += 100
    assert world.settle() == []
    world.create("equal", 100)
    assert world.settle() == []
    world.create("higher", 100, priority=1)
    assert names(world.settle()) == ["higher"]


def test_a_pod_that_could_never_fit_holds_nobody_up_and_goes_in_the_end():
    world = World()
    world.create("huge", 5000)
    world.clock_s += 100
    world.create("small", 100)
    assert names(world.settle()) == ["small"]
    assert (world.look().never, world.look().set_aside) == (1, 0)
    world.clock_s += 500
    assert names(world.settle(), "overdue") == ["huge"]
    assert world.reach("huge") == NODES


def test_an_overdue_pod_takes_headroom_where_there_is_some():
    world = World()
    world.most_s = 10
    world.create("p", 100)
    world.clock_s += 11
    assert [each.reason for each in world.settle()] == ["headroom"]


def test_an_overdue_pod_counts_everywhere_for_a_while_and_not_for_ever():
    world = World()
    world.create("huge", 1900)
    world.clock_s += 601
    assert names(world.settle(), "overdue") == ["huge"]
    world.create("next", 200)
    assert world.settle() == []
    world.clock_s += 31
    assert names(world.settle(), "headroom") == ["next"]


def test_without_a_policy_nobody_waits():
    world = World(rack_w={"r1": 1, "r2": 1, "r3": 1})
    world.create("p", 400)
    assert world.settle() == []
    assert unruled(world) == ()
    world.clock_s += 31
    (release,) = unruled(world)
    assert release.reason == "no_policy"
    assert world.write(release)
    world.rack_w = dict.fromkeys(RACKS, 450)
    world.create("next", 100)
    assert world.settle() == [], "it may go anywhere, and counts for a while"


def test_a_policy_that_is_made_anew_and_a_namespace_that_is_seen_late_let_nobody_go_over_a_budget():
    world = World(rack_w={"r1": 1, "r2": 1, "r3": 1})
    world.create("p", 400)
    for _ in range(20):
        world.clock_s += 20
        assert unruled(world) == ()
        world.clock_s += 5
        assert world.look().releases == ()


def test_a_pod_without_a_policy_goes_where_there_are_watts_as_any_other():
    world = World()
    world.create("p", 100)
    (release,) = unruled(world)
    assert release.reason == "headroom"


def test_behind_somebody_elses_gate_nobody_holds_watts_and_the_time_still_runs():
    world = World()
    world.create("p", 100, schedulingGates=[{"name": "other.io/x"}, {"name": "powerplane.dev/power"}])
    assert world.settle() == []
    world.clock_s += 601
    assert names(world.settle(), "overdue") == ["p"], "it keeps no watts: nobody knows when the other gate goes"
    assert world.pods["p"]["spec"]["schedulingGates"] == [{"name": "other.io/x"}]


def test_a_pod_that_went_too_late_counts_from_when_the_last_gate_of_others_goes():
    world = World()
    world.create("huge", 1900, schedulingGates=[{"name": "other.io/x"}, {"name": "powerplane.dev/power"}])
    world.clock_s += 601
    assert names(world.settle(), "overdue") == ["huge"]
    world.clock_s += 300
    world.create("first", 200)
    assert names(world.settle()) == ["first"], "what stands behind a gate holds no watts"
    world.bind("first", world.reach("first")[0])
    del world.pods["huge"]["spec"]["schedulingGates"]
    world.touch("huge")
    world.create("next", 200)
    assert world.settle() == []
    world.clock_s += 31
    assert names(world.settle()) == ["next"]


def test_domains_that_make_no_tree_let_nobody_go_but_the_overdue():
    world = World()
    good = world.domains
    world.domains = lambda: [{"metadata": {"name": "r1"}, "spec": {"kind": "rack", "parents": ["nobody"]}}]
    world.create("p", 100)
    assert world.settle() == []
    world.clock_s += 601
    assert names(world.settle()) == ["p"]
    assert good


def test_nobody_waits_longer_than_the_policy_says_however_full_it_is():
    world = World(rack_w={"r1": 1, "r2": 1, "r3": 1}, node_w=1)
    world.most_s = 100
    for number in range(20):
        world.create(f"p{number}", 50 + number, namespace="ab"[number % 2], priority=number % 3)
        world.clock_s += 5
        world.settle()
    world.clock_s += 100
    world.settle()
    assert all(world.reach(name) for name in world.pods)


@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(1, 10))
@settings(max_examples=20, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_a_stream_of_small_pods_never_starves_a_large_one(seed, before, after):
    """Of the only rack that can take it, those that came later get what is left beyond its watts, and no more."""
    chance, world = Random(seed), World(rack_w={"r1": 500, "r2": 450, "r3": 450})

    def stream(number):
        world.create(f"small{number}", chance.choice((20, 40, 90, 150)))
        for release in world.settle():
            world.bind(release.pod.name, chance.choice(world.reach(release.pod.name)))

    def in_r1():
        return {name for name, pod in world.pods.items() if pod["spec"].get("nodeName") in RACKS["r1"]}

    world.create("first", 90, nodeSelector={"rack": "r1"})
    world.settle()
    world.bind("first", "a1")
    world.create("large", 480)
    for number in range(before):
        stream(number)
    world.clock_s += 61
    old = in_r1()
    for number in range(before, before + after):
        stream(number)
        if world.reach("large"):
            return
        assert sum(world.watts(name) for name in in_r1() - old) <= 20
        if len(old) > 1:
            del world.pods[old.pop()]
    for name in old:
        del world.pods[name]
    assert "large" in names(world.settle())


def test_watts_are_set_aside_for_the_first_of_the_order_only():
    world = World(rack_w={"r1": 1, "r2": 1, "r3": 450})
    world.releaser = Releaser(Terms(most_set_aside=2))
    world.create("there", 100)
    world.settle()
    world.bind("there", "c1")
    for number in range(5):
        world.create(f"large{number}", 400)
    world.clock_s += 100
    round_ = world.look()
    assert (round_.set_aside, round_.waiting) == (2, 5)


def test_without_arrivals_everybody_who_fits_an_empty_floor_is_let_go_as_pods_end():
    world = World()
    world.releaser.terms = Terms(patience_s=0.0)
    world.most_s = 1e9
    for number in range(60):
        world.create(f"p{number:02}", SIZES_W[1 + number % 5], namespace="ab"[number % 2])
    served = 0
    for _ in range(80):
        for release in world.settle():
            served += 1
            world.bind(release.pod.name, world.reach(release.pod.name)[0])
        running = sorted(name for name, pod in world.pods.items() if pod["spec"].get("nodeName"))
        if running:
            del world.pods[running[0]]
    assert served == 60
