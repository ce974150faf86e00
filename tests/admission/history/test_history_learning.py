"""What is learnt of the past: piece by piece, by workload, by class and by container, and nothing twice."""

from math import inf

import numpy as np
import pytest

from powerplane.admission.history import pace as pacing
from powerplane.admission.history.learning import Learner
from powerplane.admission.history.pace import STEP_S, Pace
from powerplane.admission.history.pods import SeenPod
from powerplane.models.errors import UnreachableError
from powerplane.models.telemetry.readings import Entity, SeriesBlock

DAY_S = 86_400.0
START_S = 2000 * DAY_S
WEB = SeenPod("shop/Deployment/web", "shop web cpu=1000", ("web", "side"))
RUN = SeenPod("", "shop run cpu=8000", ("run",))
PODS = {("shop", "web-1"): WEB, ("shop", "web-2"): WEB, ("shop", "run-1"): RUN}


class Past:
    """Pods' use as functions of time; counts what it is asked."""

    def __init__(self, cores, watts=None, memory=None, since_s=START_S):
        self.by_metric = {
            "container_cpu_usage_seconds_total": cores,
            "DCGM_FI_DEV_POWER_USAGE": watts or {},
            "container_memory_working_set_bytes": memory or {},
        }
        self.since_s = since_s
        self.asked = []
        self.broken = ""

    def history(self, meaning, start_s, end_s, step_s):
        self.asked.append((meaning.metric, start_s, end_s))
        if meaning.metric == self.broken:
            raise UnreachableError("Prometheus has no answer", "try again")
        at_s = np.arange(start_s, end_s + 1, step_s)
        at_s = at_s[at_s >= self.since_s]
        series = self.by_metric.get(meaning.metric, {}) if not meaning.sum_over and len(at_s) else {}
        if meaning.source == "cadvisor":
            series = {key: use for key, use in series.items() if bool(key[1]) == bool(meaning.container)}
        values = [
            np.array([use(at) for at in at_s]) if meaning.kind == "gauge" else self._counted(use, at_s)
            for use in series.values()
        ]
        return SeriesBlock(
            meaning,
            tuple(Entity(namespace="shop", pod=pod, container=container) for pod, container in series),
            np.arange(len(series) + 1) * len(at_s),
            np.tile(at_s, len(series)),
            np.concatenate([*values, np.empty(0)]),
        )

    def _counted(self, use, at_s):
        every = np.arange(self.since_s, at_s[-1] + STEP_S, STEP_S)
        counted = np.cumsum([use(at) * STEP_S for at in every])
        return counted[np.round((at_s - self.since_s) / STEP_S).astype(int)]


def steady(value):
    return lambda _: value


def learnt(past, until_s=START_S + DAY_S, containers=False, pods=PODS):
    learner = Learner(past)
    while learner.learn(pods, until_s, containers=containers):
        pass
    return learner, learner.histories(frozenset(), containers=containers)


def test_workloads_and_classes_are_known_by_what_their_pods_used():
    past = Past({("web-1", ""): steady(2.0), ("web-2", ""): steady(4.0), ("run-1", ""): steady(7.0)})
    _, found = learnt(past)
    assert set(found.workloads) == {WEB.owner}
    assert set(found.classes) == {WEB.alike, RUN.alike}
    cores = found.workloads[WEB.owner].cores
    assert cores.target == pytest.approx(4.0, rel=0.06)
    # After a day the upper bound is twice the percentile.
    assert cores.upper == pytest.approx(8.0, rel=0.1)
    assert found.classes[RUN.alike].cores.target == pytest.approx(7.0, rel=0.06)
    assert found.workloads[WEB.owner].watts is None


def test_accelerators_are_known_apart_from_cpu():
    past = Past({("web-1", ""): steady(1.0)}, {("web-1", ""): steady(300.0)})
    assert learnt(past)[1].workloads[WEB.owner].watts.target == pytest.approx(300, rel=0.06)


def test_what_was_seen_for_less_than_ten_minutes_is_not_known():
    past = Past({("web-1", ""): steady(2.0)})
    assert learnt(past, START_S + 8 * 60)[1].workloads == {}
    assert learnt(past, START_S + 25 * 60)[1].workloads.keys() == {WEB.owner}


@pytest.mark.parametrize("most", [10, 90, 2_000_000])
def test_in_pieces_of_any_size_the_same_is_learnt(monkeypatch, most):
    past = Past({("web-1", ""): lambda at: 1.0 + (at // 3600) % 5, ("run-1", ""): steady(3.0)})
    whole = learnt(past, START_S + 6 * 3600)[1]
    monkeypatch.setattr(pacing, "MOST_VALUES", most)
    monkeypatch.setattr(pacing, "BACK_S", 12 * 3600.0)
    assert learnt(past, START_S + 6 * 3600)[1].classes[RUN.alike].cores == whole.classes[RUN.alike].cores
    parts = learnt(past, START_S + 6 * 3600)[1].workloads[WEB.owner].cores
    cores = whole.workloads[WEB.owner].cores
    assert (parts.target, parts.upper) == pytest.approx((cores.target, cores.upper))


def test_later_rounds_ask_only_for_what_has_come_since():
    past = Past({("web-1", ""): steady(2.0)})
    learner, _ = learnt(past)
    past.asked.clear()
    assert not learner.learn(PODS, START_S + DAY_S + 30, containers=False)
    assert past.asked == []
    learner.learn(PODS, START_S + DAY_S + 2 * STEP_S, containers=False)
    assert {end - start for _, start, end in past.asked} <= {STEP_S, 2 * STEP_S}


def test_a_piece_without_an_answer_is_read_again_whole():
    past = Past({("web-1", ""): steady(2.0)})
    learner = Learner(past)
    past.broken = "DCGM_FI_DEV_POWER_USAGE"
    with pytest.raises(UnreachableError):
        learner.learn(PODS, START_S + DAY_S, containers=False)
    assert learner.histories(None, containers=False).workloads == {}
    past.broken = ""
    again = learnt(past)[1].workloads[WEB.owner].cores
    while learner.learn(PODS, START_S + DAY_S, containers=False):
        pass
    assert learner.histories(None, containers=False).workloads[WEB.owner].cores == again


def test_containers_are_known_each_by_itself_and_memory_by_its_highest_of_a_day():
    cores = {("web-1", "web"): steady(1.5), ("web-1", "side"): steady(0.05)}
    memory = {("web-1", "web"): lambda at: 9e8 if at % DAY_S == 12 * 3600 else 2e8}
    _, found = learnt(Past(cores, memory=memory), START_S + 3 * DAY_S, containers=True)
    usual = found.containers[WEB.owner]
    assert usual["web"].cores == pytest.approx(1.5, rel=0.06)
    assert usual["side"].cores == pytest.approx(0.05, rel=0.3)
    assert usual["web"].memory_bytes == pytest.approx(9e8, rel=0.06)
    assert usual["side"].memory_bytes is None
    assert learnt(Past(cores, memory=memory))[1].containers == {}


def test_reading_begins_days_back_and_never_runs_ahead_of_late_samples():
    pace = Pace()
    (begin, end, step), more = pace.next(1, 1e9)
    assert begin == 1e9 - pacing.BACK_S
    assert 1e9 - pacing.LATE_S - step < end <= 1e9 - pacing.LATE_S
    assert not more
    assert Pace().until_s == -inf
