"""What nodes count as: measured, held for less than three scrapes, then the worst case; by whom, and why not by others.

Nodes are of 100 W idle and 400 W at peak, with 64 CPUs, where nothing else is said.
"""

import math

import pytest
from tests.models.telemetry.one_node import busy, cards, facts, gpus, one, told, wall
from tests.models.telemetry.series import (
    CPU,
    CPU_JOULES,
    HWMON,
    IPMI,
    NOW_S,
    PLATFORM,
    SCRAPE_S,
    answer,
    block,
    by_node,
    counter,
    gauge,
    meaning,
    noisy,
)

from powerplane.models.telemetry.metrics import MEANINGS
from powerplane.models.telemetry.readings import Entity, SourceReading
from powerplane.models.telemetry.remembered import Memory
from powerplane.models.telemetry.rounds import follow
from powerplane.models.telemetry.rules import DEFAULT_RULES


def test_a_node_that_nothing_measures_counts_at_its_peak_with_its_accelerators_at_their_limit() -> None:
    _, nodes = one(node=cards(8))
    assert told(nodes) == (6000, "worst", "")
    assert nodes.age_s[0] == math.inf


def test_the_wall_goes_before_the_sum_of_parts() -> None:
    _, nodes = one(by_node(CPU, {"n1": noisy(120)}), wall(300))
    assert told(nodes) == (300, "measured", "ipmi")
    assert nodes.cpu_watts[0] == 120
    assert nodes.why == ("",)


def test_parts_count_with_their_losses_and_the_rest_that_they_do_not_show() -> None:
    _, nodes = one(by_node(CPU, {"n1": noisy(120)}))
    rules = DEFAULT_RULES
    parts = (1 + rules.loss_share) * 120 * (1 + rules.dram_share)
    assert told(nodes) == (round(parts + rules.rest_share * 100, 3), "measured", "kepler")


def test_parts_never_count_below_the_idle_draw() -> None:
    _, nodes = one(by_node(CPU, {"n1": noisy(25)}))
    assert told(nodes)[0] >= 100


def test_the_rest_is_learned_from_a_wall_reading_beside_the_parts_and_used_when_that_is_lost() -> None:
    memory = Memory()
    for i in range(4):
        at_s = NOW_S + SCRAPE_S * i
        memory, _ = one(
            wall(330, until_s=at_s), by_node(CPU, {"n1": noisy(120)}, until_s=at_s), memory=memory, now_s=at_s
        )
    for i in range(4, 9):
        at_s = NOW_S + SCRAPE_S * i
        memory, nodes = one(by_node(CPU, {"n1": noisy(120)}, until_s=at_s), memory=memory, now_s=at_s)
    assert told(nodes) == (330, "measured", "kepler")


def test_a_sample_is_held_while_younger_than_three_scrapes_and_then_the_worst_counts() -> None:
    memory, _ = one(wall(300))
    states = []
    for i in range(1, 6):
        memory, nodes = one(memory=memory, now_s=NOW_S + SCRAPE_S * i)
        states.append(told(nodes))
    assert states == [(300, "measured", "ipmi"), (300, "held", "ipmi")] + [(400, "worst", "")] * 3


def test_a_reading_is_held_for_three_of_the_scrapes_that_are_stated() -> None:
    memory, _ = one(wall(300), node=facts(scrape_s=60))
    states = []
    for i in range(1, 14):
        memory, nodes = one(memory=memory, node=facts(scrape_s=60), now_s=NOW_S + 15 * i)
        states.append(nodes.state[0])
    assert states[2:] == ["held"] * 9 + ["worst"] * 2


def test_the_worst_case_is_never_below_what_was_believed_last() -> None:
    memory, _ = one(wall(450))
    for i in range(1, 5):
        memory, nodes = one(memory=memory, now_s=NOW_S + SCRAPE_S * i)
    assert told(nodes) == (450, "worst", "")


@pytest.mark.parametrize("factor", [10, 100, 1e3, 1e6, 0.1, 0.01, 1e-3, 1e-6])
def test_a_source_in_another_unit_is_refused_by_name_and_the_next_one_counts(factor: float) -> None:
    _, nodes = one(wall(300 * factor), by_node(CPU, {"n1": noisy(180)}))
    assert nodes.source == ("kepler",)
    assert nodes.watts[0] > 200
    assert nodes.why == (f"ipmi: wrong unit (×{factor:g})",)
    assert nodes.found["ipmi", "wrong unit"] == 1


@pytest.mark.parametrize(("watts", "name"), [(47.0, "too low"), (520.0, "too high")])
def test_what_a_node_cannot_draw_is_refused(watts: float, name: str) -> None:
    _, nodes = one(wall(watts))
    # Of a meter that says more than the peak so much is believed as is believed of a good one.
    assert told(nodes) == (500 if name == "too high" else 400, "worst", "")
    assert nodes.why == (f"ipmi: {name}",)


def test_a_reading_far_below_what_the_load_asks_for_is_refused() -> None:
    _, idle = one(wall(110), busy(2))
    assert told(idle) == (110, "measured", "ipmi")
    _, nodes = one(wall(110), busy(60))
    assert told(nodes) == (400, "worst", "")
    assert nodes.why == ("ipmi: too low",)


def test_a_busy_node_under_a_power_limit_is_believed() -> None:
    _, nodes = one(wall(180), busy(63))
    assert told(nodes) == (180, "measured", "ipmi")


def test_a_clock_that_is_put_back_does_not_hold_a_reading_for_longer() -> None:
    memory, _ = one(wall(300))
    _, nodes = one(memory=memory, now_s=NOW_S - 3600)
    assert told(nodes) == (400, "worst", "")


def test_a_clock_that_is_put_forward_loses_no_source_that_answers() -> None:
    memory, _ = one(wall(300))
    ahead = wall(310, until_s=NOW_S + 15)
    skewed = SourceReading(ahead.source, ahead.evaluated_s, NOW_S + 7200, ahead.blocks)
    _, nodes = one(skewed, memory=memory, now_s=NOW_S + 7200)
    assert told(nodes) == (310, "measured", "ipmi")
    assert nodes.found == {("ipmi", "clock skew"): 1}


def test_a_source_that_has_been_silent_for_an_hour_is_no_longer_waited_for() -> None:
    memory, _ = one(wall(300))
    memory, nodes = one(memory=memory, now_s=NOW_S + 3700)
    assert (told(nodes), nodes.found, memory.sources) == ((400, "worst", ""), {}, {})


def test_processors_that_lie_by_a_factor_are_refused_by_the_load() -> None:
    _, nodes = one(by_node(CPU, {"n1": noisy(25)}), busy(60))
    assert told(nodes) == (400, "worst", "")


def test_0_watts_at_the_wall_of_a_node_that_reports_is_no_reading() -> None:
    memory = Memory()
    for i in range(8):
        at_s = NOW_S + SCRAPE_S * i
        memory, nodes = one(by_node(IPMI, {"n1": [0.0] * 5}, until_s=at_s), memory=memory, now_s=at_s)
        assert told(nodes) == (400, "worst", "")


def test_a_node_is_dark_only_after_the_wall_says_so_for_three_scrapes_and_while_it_does_not_report() -> None:
    memory, states = Memory(), []
    for i in range(90):
        at_s = NOW_S + SCRAPE_S * i
        reading = by_node(IPMI, {"n1": [0.0] * min(i + 1, 5)}, until_s=at_s)
        memory, nodes = one(reading, node=facts(ready=False), memory=memory, now_s=at_s)
        states.append((told(nodes)[:2], nodes.dark))
    nobody: frozenset[str] = frozenset()
    assert states == [((400, "worst"), nobody)] * 3 + [((0, "measured"), frozenset({"n1"}))] * 87
    assert nodes.why == ("ipmi: dark, and the node is not ready",)


def test_a_management_controller_that_draws_a_little_is_dark_too() -> None:
    memory = Memory()
    for i in range(90):
        at_s = NOW_S + SCRAPE_S * i
        reading = by_node(IPMI, {"n1": [7.0, 6.0 + i % 2]}, until_s=at_s)
        memory, nodes = one(reading, node=facts(ready=False), memory=memory, now_s=at_s)
    assert (told(nodes), nodes.dark) == ((7, "measured", "ipmi"), frozenset({"n1"}))


def test_one_look_that_goes_far_enough_back_shows_a_dark_node() -> None:
    _, nodes = one(by_node(IPMI, {"n1": [0.0] * 60}), node=facts(ready=False))
    assert (told(nodes), nodes.dark) == ((0, "measured", "ipmi"), frozenset({"n1"}))
    _, nodes = one(by_node(IPMI, {"n1": [0.0] * 60}))
    assert (told(nodes), nodes.dark) == ((400, "worst", ""), frozenset())


@pytest.mark.parametrize("sign", [busy(3), by_node(CPU, {"n1": noisy(60)}), gpus({"GPU-1": 90})])
def test_a_node_of_which_anything_shows_life_is_not_dark(sign: SourceReading) -> None:
    memory = Memory()
    for i in range(6):
        at_s = NOW_S + SCRAPE_S * i
        alive = SourceReading(sign.source, sign.evaluated_s, at_s, sign.blocks)
        reading = by_node(IPMI, {"n1": [0.0] * 5}, until_s=at_s)
        memory, nodes = one(reading, alive, node=facts(ready=False), memory=memory, now_s=at_s)
        if i < 2:
            assert nodes.watts[0] >= 100
            assert not nodes.dark


def test_a_dark_node_that_is_no_longer_read_counts_at_its_worst_case() -> None:
    memory, node = Memory(), facts(ready=False)
    for i in range(5):
        at_s = NOW_S + SCRAPE_S * i
        memory, nodes = one(by_node(IPMI, {"n1": [0.0] * 5}, until_s=at_s), node=node, memory=memory, now_s=at_s)
    assert nodes.dark
    for i in range(5, 9):
        memory, nodes = one(node=node, memory=memory, now_s=NOW_S + SCRAPE_S * i)
    assert (told(nodes), nodes.dark) == ((400, "worst", ""), frozenset())


def test_of_two_walls_far_apart_the_higher_counts_and_it_is_told() -> None:
    _, nodes = one(wall(200), wall(350, HWMON))
    assert told(nodes) == (350, "measured", "hwmon")
    assert "disagrees" in nodes.why[0]
    assert any(name == "disagrees" for _, name in nodes.found)
    _, nodes = one(wall(350), wall(200, HWMON))
    assert told(nodes) == (350, "measured", "ipmi")
    assert "disagrees" in nodes.why[0]


def test_two_walls_that_nearly_agree_are_nothing_to_tell() -> None:
    _, nodes = one(wall(300), wall(320, HWMON))
    assert told(nodes) == (300, "measured", "ipmi")
    assert (nodes.why, nodes.found) == (("",), {})


def test_one_source_far_from_two_that_agree_is_outvoted() -> None:
    node = cards(8)
    parts = gpus({f"GPU-{i}": 80 for i in range(8)})
    _, nodes = one(wall(5500), wall(900, HWMON), by_node(CPU, {"n1": noisy(120)}), parts, node=node)
    assert told(nodes) == (900, "measured", "hwmon")
    assert "ipmi: outvoted" in nodes.why[0]


def test_a_wall_reading_below_the_parts_is_refused() -> None:
    parts = gpus({f"GPU-{i}": 600 for i in range(8)})
    _, nodes = one(wall(3000), by_node(CPU, {"n1": noisy(120)}), parts, node=cards(8))
    assert nodes.source == ("kepler",)
    assert nodes.watts[0] > 4920
    assert nodes.why == ("ipmi: below parts",)


def test_accelerators_that_are_not_measured_count_at_their_limit_in_a_sum_of_parts() -> None:
    _, nodes = one(by_node(CPU, {"n1": noisy(120)}), node=cards(8))
    assert nodes.source == ("kepler",)
    assert nodes.watts[0] > 5600 + 120
    assert nodes.why == ("accelerators: not all measured, the others count at their limit",)


def test_an_accelerator_that_nobody_tells_counts_at_its_limit_beside_those_that_are_measured() -> None:
    _, nodes = one(by_node(CPU, {"n1": noisy(120)}), gpus({"GPU-1": 300}), node=cards(2))
    assert nodes.watts[0] > 700 + 300 + 120
    _, nodes = one(wall(800), by_node(CPU, {"n1": noisy(120)}), gpus({"GPU-1": 300}), node=cards(2))
    assert (told(nodes), nodes.why) == ((800, "measured", "ipmi"), ("",))


@pytest.mark.parametrize("factor", [1e3, 1e-3, 10])
def test_an_accelerator_that_lies_by_a_factor_is_refused(factor: float) -> None:
    _, nodes = one(by_node(CPU, {"n1": noisy(120)}), gpus({"GPU-1": 300 * factor, "GPU-2": 300}), node=cards(2))
    assert nodes.watts[0] > 1400 + 120
    assert math.isnan(nodes.gpu_watts[0])


def test_a_sum_is_used_only_if_every_device_is_known() -> None:
    sockets = [(Entity("n1", device=f"path-{i}"), counter(90)) for i in range(2)]
    row = meaning("node_rapl_package_joules_total")
    memory, nodes = one(answer(block(row, sockets)))
    whole = nodes.watts[0]
    assert nodes.cpu_watts[0] == pytest.approx(180)
    for i in range(1, 6):
        at_s = NOW_S + SCRAPE_S * i
        left = [(Entity("n1", device="path-0"), counter(90, until_s=at_s, start=5e4 + 90 * 15 * i))]
        memory, nodes = one(answer(block(row, left), at_s=at_s), memory=memory, now_s=at_s)
        assert nodes.watts[0] >= whole
    assert (told(nodes), nodes.why) == ((400, "worst", ""), ("rapl: partial (1 of 2 missing)",))
    assert nodes.found["rapl", "partial"] == 1


def test_a_reading_that_stays_while_the_load_swings_is_frozen_long_before_one_on_a_quiet_node() -> None:
    memory, states = Memory(), []
    for i in range(8):
        at_s = NOW_S + SCRAPE_S * i
        use = busy(8 if i < 2 else 40, until_s=at_s)
        memory, nodes = one(by_node(IPMI, {"n1": [250.0] * 2}, until_s=at_s), use, memory=memory, now_s=at_s)
        states.append(nodes.state[0])
    assert states[:2] == ["measured"] * 2
    assert states[-1] == "worst"
    assert nodes.why == ("ipmi: frozen",)


def test_what_has_been_found_frozen_is_not_held_either() -> None:
    _, nodes = one(by_node(IPMI, {"n1": [250.25] * 20}))
    assert told(nodes) == (400, "worst", "")
    assert nodes.why == ("ipmi: frozen",)


def test_a_node_is_known_by_its_address_its_host_name_and_with_a_port() -> None:
    nodes = [facts("n1", aliases=("10.0.0.1",)), facts("n2.example.org"), facts("n3")]
    reading = by_node(IPMI, {"10.0.0.1:9290": noisy(201), "n2": noisy(202), "N3": noisy(203), "n4": noisy(204)})
    _, found, _ = follow(Memory(), [reading], nodes, NOW_S)
    assert found.watts.tolist() == [201, 202, 203]
    assert found.found == {("ipmi", "unmatched"): 1}


def test_two_servers_that_each_scrape_a_half_make_a_whole() -> None:
    halves = [by_node(IPMI, {"n1": noisy(201)}), by_node(IPMI, {"n2": noisy(202)})]
    memory = Memory()
    for i in range(2):
        memory, found, _ = follow(memory, halves, [facts("n1"), facts("n2")], NOW_S + i)
    assert (found.watts.tolist(), found.found) == ([201, 202], {})


def test_nodes_that_come_and_go_keep_what_is_known_of_the_others() -> None:
    memory, _, _ = follow(
        Memory(), [by_node(IPMI, {"n1": noisy(201), "n2": noisy(202)})], [facts("n1"), facts("n2")], NOW_S
    )
    memory, found, _ = follow(memory, [], [facts("n3"), facts("n2")], NOW_S + 20)
    assert found.watts.tolist() == [400, 202]
    assert found.state == ("worst", "measured")


def test_no_node_at_all_is_no_trouble() -> None:
    _, found, pods = follow(Memory(), [wall(300)], [], NOW_S)
    assert (len(found.nodes), len(pods.pods)) == (0, 0)


def test_kepler_tells_the_whole_node_where_it_reads_the_power_supplies() -> None:
    supplies = [(Entity("n1", device=f"PSU{i}"), gauge(noisy(150 + i))) for i in range(2)]
    row = next(row for row in MEANINGS if row.metric == PLATFORM and row.device)
    _, nodes = one(answer(block(row, supplies)))
    assert told(nodes) == (301, "measured", "kepler-platform")


def test_a_counter_of_joules_counts_where_the_gauge_beside_it_is_bad() -> None:
    both = answer(
        block(meaning(CPU), [(Entity("n1"), gauge([math.nan] * 4))]),
        block(meaning(CPU_JOULES), [(Entity("n1"), counter(120))]),
    )
    _, nodes = one(both)
    assert nodes.cpu_watts[0] == pytest.approx(120)
