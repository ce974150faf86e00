"""Which metrics of work may be asked for, and how their questions look."""

import re

from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.telemetry.promql import raw_samples
from powerplane.models.api.capping_policy import MetricLabel, PerformancePowerRatio
from powerplane.models.work.metrics import KNOWN, kind_of, metric_of, wanted

QUESTION = re.compile(r'[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_]\w*=~?"([^"\\\n]|\\.)*",?)+\})?\[60000ms\]')


def ratio(metric_labels=(), **spec):
    labels = tuple(MetricLabel(name, value) for name, value in dict(metric_labels).items())
    return PerformancePowerRatio(target=1.0, metric_labels=labels, **spec)


def question(**spec):
    return raw_samples(metric_of(ratio(**spec)).meanings[0], 60)


def test_a_metric_is_asked_for_by_its_name_and_labels():
    assert question(metric="tokens_total") == "tokens_total[60000ms]"
    assert question(metric="tokens_total", metric_labels={"model": "m"}) == 'tokens_total{model="m"}[60000ms]'


@given(st.text(max_size=30), st.dictionaries(st.text(max_size=8), st.text(max_size=30), max_size=3))
def test_no_name_and_no_label_makes_another_question(name, labels):
    metric = metric_of(ratio(metric=name, metric_labels=labels))
    if metric is not None:
        assert QUESTION.fullmatch(raw_samples(metric.meanings[0], 60))


@given(st.text(max_size=60))
def test_no_value_of_a_label_makes_another_question(value):
    assert QUESTION.fullmatch(question(metric="m", metric_labels={"code": value}))


def test_a_value_is_never_a_regular_expression_of_its_writer():
    assert '=~"\\\\~\\\\.\\\\*"' in question(metric="m", metric_labels={"code": "~.*"})


def test_expressions_are_no_metrics():
    for name in ("", "sum(x)", 'x{a="b"}', "x or y", "x\n", "1x", "x" * 201):
        assert metric_of(ratio(metric=name)) is None, name
    assert metric_of(ratio(metric="x", metric_labels={"__name__": "y"})) is None
    assert metric_of(ratio(metric="x", metric_labels={f"l{i}": "" for i in range(9)})) is None


def test_what_a_metric_is_is_told_by_its_name_unless_the_policy_says_it():
    assert kind_of(ratio(metric="x_total")) == "counter"
    assert kind_of(ratio(metric="x_rate")) == "gauge"
    assert kind_of(ratio(metric="x_rate", metric_type="Counter")) == "counter"
    assert kind_of(ratio(metric="x_total", metric_type="Gauge")) == "gauge"


def test_policies_name_so_many_metrics_and_no_more():
    found = wanted([ratio(metric=f"m{i}") for i in range(40)], 16)
    assert len(found) == len(KNOWN) + 16
    assert found[: len(KNOWN)] == KNOWN
    assert wanted([ratio(metric="m"), ratio(metric="m"), ratio()], 16)[len(KNOWN) :] == (metric_of(ratio(metric="m")),)
