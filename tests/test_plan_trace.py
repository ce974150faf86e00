"""A plan is one trace, from the round that made it to its last act, whoever carries it out and however often that one
dies: told to a real collector on loopback."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry
from tests.actuator.model_cluster import ModelCluster
from tests.actuator.replica import Replica
from tests.actuator.test_moves import left, settle, turn
from tests.adapters.otlp_receiver import receiving
from tests.traces import trees

from powerplane.actuator.facts import Move, MoveState, Plan, PlanState
from powerplane.actuator.tracing import ended_spans, trace_of
from powerplane.adapters.tracing import OtlpSpans
from powerplane.models.marks import TRACEPARENT_ANNOTATION
from powerplane.models.spans import TraceParent, read_traceparent
from powerplane.recommender.metrics import RecommenderMetrics
from powerplane.recommender.tracing import RoundTrace


class Telling:
    """Tells spans of what is written, as the actuator does."""

    def __init__(self, cluster, spans):
        self.cluster = cluster
        self.spans = spans

    def wrote(self, plan, state, wrote):
        for span in ended_spans(plan, state, self.cluster.now_s) if wrote.done else ():
            self.spans.take(span)

    def acted(self, *_):
        """Acts are told by the steps that they belong to."""


def replica(cluster, token, spans):
    made = Replica(cluster, token)
    made.watcher = made.engine._watcher = Telling(cluster, spans)
    return made


@pytest.fixture
def collector(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    with receiving() as found:
        yield found


def planned(cluster, spans, moves, name="p"):
    """Publish a plan as the recommender does, at the end of a round of a second."""
    trace = RoundTrace(spans, lambda: cluster.now_s)
    metrics = RecommenderMetrics(CollectorRegistry(), trace)
    with trace.round():
        for step in ("load", "telemetry", "forecast", "snapshot", "solve"):
            with metrics.step(step):
                cluster.now_s += 0.2
        with metrics.step("publish"):
            body, parent = trace.mark({"metadata": {"name": name}, "spec": {"moves": moves}})
            cluster.publish(name, moves)
            cluster.plans[name]["metadata"]["annotations"] = body["metadata"]["annotations"]
            trace.published(body, parent)
    return parent


def test_a_plan_is_one_trace_over_both_programs_and_a_restart_in_the_middle(collector):
    cluster = ModelCluster()
    cluster.add_owner("web", "ReplicaSet", 3, ["n0"])
    pods = list(cluster.pods.values())
    sender = OtlpSpans(CollectorRegistry(), f"{collector.url}/v1/traces", delay_s=0.02)
    moves = [cluster.move(pod, f"n{1 + place}", wave=place // 2) for place, pod in enumerate(pods)]
    parent = planned(cluster, sender.service("powerplane-recommender"), moves)
    spans = sender.service("powerplane-actuator")
    first = replica(cluster, 1, spans)
    while not cluster.judge.evicted:
        turn(cluster, first, seconds=1.0)
    first.leads = False
    cluster.now_s += 7
    settle(cluster, replica(cluster, 2, spans))
    assert not left(cluster)
    sender.stop()

    (trace,) = {span.trace for span in collector.spans}
    assert trace == parent.trace
    paths = sorted(set(trees(collector.spans)[trace].values()))
    assert ("round",) in paths
    for step in ("load", "telemetry", "forecast", "snapshot", "solve", "publish", "plan"):
        assert ("round", step) in paths
    for act in ("reserve", "evict", "steer"):
        assert ("round", "plan", "wave", "move", act) in paths
    counts = {name: sum(span.name == name for span in collector.spans) for name in ("plan", "wave", "move", "evict")}
    assert counts == {"plan": 1, "wave": 2, "move": 3, "evict": 3}
    services = {span.name: span.service for span in collector.spans}
    assert (services["round"], services["plan"]) == ("powerplane-recommender", "powerplane-actuator")
    # What was begun before the restart and ended after it is told with its real beginning.
    whole = next(span for span in collector.spans if span.name == "plan")
    assert whole.end_s - whole.start_s > 7
    assert whole.attributes["powerplane.moves.done"] == 3


def test_the_wait_for_watts_is_an_act_of_the_move():
    move = Move("default", "web-1", "u1", "n0", "n1")
    ready = MoveState("u1", "Ready", at_s=20.0, begun_s=4.0)
    plan = Plan("p", "uid-p", moves=(move,), state=PlanState("Running", started_s=3.0, moves={"u1": ready}))
    done = replace(ready, step="Done", at_s=31.0)
    over = replace(plan.state, phase="Done", finished_s=31.0, moves={"u1": done})
    told = [(span.name, span.start_s, span.end_s) for span in ended_spans(plan, over, 31.0)]
    assert told == [("confirm", 20, 31), ("move", 4, 31), ("wave", 4, 31), ("plan", 3, 31)]


def test_a_wave_tells_the_watts_that_were_measured_after_it():
    moves = [Move("default", f"web-{wave}", f"u{wave}", "n0", "n1", wave=wave) for wave in (1, 2)]
    ready = {"u1": MoveState("u1", "Ready", at_s=20.0, begun_s=4.0)}
    plan = Plan("p", "uid-p", moves=tuple(moves), state=PlanState("Running", wave=1, started_s=3.0, moves=ready))
    done = {"u1": replace(ready["u1"], step="Done", at_s=31.0)}
    next_wave = replace(plan.state, wave=2, moves=done, measured=(("r1", 480.0, 30.0),))
    (wave,) = [span for span in ended_spans(plan, next_wave, 31.0) if span.name == "wave"]
    assert wave.attributes["powerplane.measured_watts.r1"] == 480
    assert wave.attributes["powerplane.wave"] == 1


def test_a_move_that_fails_and_its_plan_are_told_as_failed_with_their_reasons(collector):
    cluster = ModelCluster()
    cluster.add_owner("web", "ReplicaSet", 1, ["n0"])
    (pod,) = cluster.pods.values()
    cluster.nodes["n1"]["cordoned"] = True
    sender = OtlpSpans(CollectorRegistry(), f"{collector.url}/v1/traces", delay_s=0.02)
    planned(cluster, sender.service("r"), [cluster.move(pod, "n1")])
    settle(cluster, replica(cluster, 1, sender.service("a")))
    sender.stop()
    failed = {span.name: span.failed for span in collector.spans if span.failed}
    assert failed == {"move": "TargetLost", "plan": "Failed"}


def test_a_plan_without_a_place_in_a_trace_has_one_of_its_own(collector):
    cluster = ModelCluster()
    cluster.add_owner("web", "ReplicaSet", 1, ["n0"])
    (pod,) = cluster.pods.values()
    cluster.publish("p", [cluster.move(pod, "n1")])
    cluster.plans["p"]["metadata"]["annotations"] = {TRACEPARENT_ANNOTATION: "00-zz"}
    sender = OtlpSpans(CollectorRegistry(), f"{collector.url}/v1/traces", delay_s=0.02)
    settle(cluster, replica(cluster, 1, sender.service("a")))
    sender.stop()
    (tree,) = trees(collector.spans).values()
    assert ("plan", "wave", "move", "evict") in tree.values()


def test_a_recommender_that_tells_nobody_marks_its_plans_all_the_same_and_is_nobodys_parent():
    body, parent = RoundTrace(draw=lambda: 5).mark({"metadata": {"name": "p"}})
    text = body["metadata"]["annotations"][TRACEPARENT_ANNOTATION]
    assert read_traceparent(text) == parent
    assert not parent.sampled
    cluster = ModelCluster()
    cluster.publish("p", [])
    cluster.plans["p"]["metadata"]["annotations"] = body["metadata"]["annotations"]
    (plan,) = Replica(cluster, 1).plans.all()
    assert trace_of(plan) == TraceParent(5, 0, sampled=False)
