"""Asking what pods do, again and again: what is asked, what is said in the log, and for how long an answer counts."""

import logging

import pytest

from powerplane.adapters.telemetry.work import WorkReading
from powerplane.models.api.capping_policy import PerformancePowerRatio
from powerplane.models.work.metrics import KNOWN, VLLM
from powerplane.recommender.working import MOST_NAMED, Working


class Asked:
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.metrics, self.answer = (), WorkReading()

    def read(self, metrics):
        self.metrics = tuple(metrics)
        return self.answer


@pytest.fixture
def asked():
    return Asked()


def working(asked, ratios=(), clock=(0.0,), told=lambda _: None):
    moments = list(clock)
    return Working(
        asked,
        lambda: ratios,
        told=told,
        failed=lambda: None,
        period_s=60.0,
        now=lambda: moments.pop(0) if len(moments) > 1 else moments[0],
    )


def test_what_is_known_is_asked_for_and_so_many_metrics_that_policies_name(asked):
    working(asked, [PerformancePowerRatio(target=1, metric=f"m{i}") for i in range(99)]).once()
    assert asked.metrics[: len(KNOWN)] == KNOWN
    assert len(asked.metrics) == len(KNOWN) + MOST_NAMED


@pytest.mark.parametrize(("now_s", "counts"), [(100.0, True), (189.0, True), (191.0, False), (99.0, False)])
def test_an_answer_counts_while_it_is_young(asked, now_s, counts):
    made = working(asked, clock=(100.0, now_s))
    made.once()
    assert (made.latest() is not None) == counts


def test_before_the_first_answer_nothing_is_known(asked):
    assert working(asked).latest() is None


def test_trouble_is_said_once_while_it_lasts(asked, caplog):
    told = []
    made = working(asked, told=told.append)
    with caplog.at_level(logging.WARNING):
        asked.answer = WorkReading(trouble="HTTP 503")
        made.once()
        made.once()
        asked.answer = WorkReading(troubles={VLLM: "too\x1b[2J large"})
        made.once()
    assert [record.getMessage() for record in caplog.records] == [
        "what pods do is not known: HTTP 503",
        "vllm:tokens is not known: too\N{REPLACEMENT CHARACTER}[2J large",
    ]
    assert len(told) == 3
