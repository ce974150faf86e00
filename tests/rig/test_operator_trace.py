"""Each plan that `powerplane operate` makes is one trace at a collector, also when its actuator is killed halfway; and
every line of its log is a JSON object that says what it is about."""

import json
from collections.abc import Callable

import pytest
from tests.adapters.otlp_receiver import receiving
from tests.rig.operator import COUNTED_S, HELD_S, Operated, OperatedCluster
from tests.rig.processes import wait_for
from tests.traces import trees

pytestmark = [pytest.mark.rig, pytest.mark.prometheus]

TRACEPARENT = "powerplane.dev/traceparent"


def test_each_plan_is_one_trace_over_both_programs_also_when_the_actuator_is_killed(
    parts: Operated, racks: OperatedCluster, heaviest: str, figure: Callable[[str], None]
) -> None:
    with receiving() as collector:
        flags = (f"--traces-to={collector.url}", "--log-format=json")
        deciding = parts.operator("--only=recommender", *flags)
        acting = parts.operator("--only=actuator", *flags)
        racks.cut(heaviest)
        assert wait_for(lambda: racks.steps()["Evicting"] or racks.steps()["Evicted"], 60, 0.01), parts.said()
        acting.kill()
        acting.start()
        parts.wait_settled(HELD_S + COUNTED_S)
        plans = {each["metadata"]["name"]: each for each in racks.plans()}
        parts.end_operators()
    found = trees(collector.spans)
    marked = {name: plan["metadata"]["annotations"][TRACEPARENT].split("-")[1] for name, plan in plans.items()}
    assert set(found) == set(marked.values())
    names = [span.name for span in collector.spans]
    assert (names.count("round"), names.count("plan")) == (len(plans), len(plans))
    assert names.count("move") == sum(len(plan["spec"]["moves"]) for plan in plans.values())
    paths = {path for tree in found.values() for path in tree.values()}
    assert {("round", step) for step in ("load", "telemetry", "snapshot", "solve", "publish")} <= paths
    assert {("round", "plan", "wave", "move", act) for act in ("reserve", "evict", "steer", "confirm")} <= paths
    figure(f"{len(collector.spans)} spans of {len(plans)} plans in {collector.requests} requests")
    lines = [json.loads(line) for each in (deciding, acting) for line in each.log.read_text().splitlines()]
    assert all({"ts", "level", "logger", "message"} <= line.keys() for line in lines)
    told = {(line["plan"], line["trace_id"]) for line in lines if "plan" in line}
    assert told >= set(marked.items())
    moved = [line for line in lines if "move" in line]
    assert {line["trace_id"] for line in moved} <= set(marked.values())
    assert moved
