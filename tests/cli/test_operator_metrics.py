"""What the operator tells about itself keeps to Prometheus' conventions, whatever it is told; its series are few."""

import re
import shutil
import subprocess

import pytest
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from powerplane.actuator.facts import Move, MoveState, Plan, PlanState
from powerplane.actuator.metrics import ActuatorMetrics
from powerplane.adapters.figures import MOST_WORDS, OTHER, UNITS, LabelWords, unit_of
from powerplane.adapters.serving.port_metrics import PortMetrics
from powerplane.adapters.tracing import OtlpSpans
from powerplane.models.telemetry.domains import DomainReading
from powerplane.recommender.metrics import PREFIX, STEPS, RecommenderMetrics

LABELS = frozenset(
    ("domain", "kind", "step", "curve", "outcome", "phase", "lever", "reason", "act", "result", "verdict", "le")
)
"""Names of labels; each has few values, or as many as there are domains."""

NOT_BASE = re.compile(r"_(milli|micro|kilo|ms|minutes|hours|kilowatts|mw|mib|percent|celsius_total)(_|$)")


def reading(name="r1"):
    return DomainReading(name, "rack", 600_000, None, 500_000, 0, "", 500_000, 2, 2, 0, 0, (), 3.0)


def told(*, hostile=False):
    """A registry with every metric of `powerplane operate`, each with a value."""
    registry = CollectorRegistry()
    deciding, acting = RecommenderMetrics(registry), ActuatorMetrics(registry)
    PortMetrics("powerplane_operations_", registry)
    ProcessCollector(registry=registry)
    OtlpSpans(registry, "http://127.0.0.1:9/v1/traces").stop()
    deciding.looked([reading()], {}, 1)
    deciding.solved(None, 0.2, 1)
    deciding.planned("published")
    deciding.erred(0.01)
    deciding.fitted({"r750": 0.02})
    deciding.wrote("status", "ok")
    deciding.told("sent")
    deciding.succeeded(1_800_000_000.0)
    for number in range(1000 if hostile else 2):
        move = Move("default", f"web-{number}", f"u{number}", "n0", "n1", lever="migrate" if number else f"x{number}")
        plan = Plan("p", "uid", moves=(move,), state=PlanState("Running", started_s=1.0))
        ended = MoveState(move.uid, "Skipped", f"Reason{number}")
        acting.wrote(plan, PlanState("Done", started_s=1.0, finished_s=9.0, moves={move.uid: ended}), done=True)
    acting.took(0.02, 7)
    acting.succeeded(1_800_000_000.0)
    return registry


def families():
    return [family for family in told().collect() if family.name.startswith("powerplane_")]


@pytest.mark.prometheus
def test_promtool_finds_nothing():
    # Debian ships it with the server.
    tool = shutil.which("promtool")
    assert tool
    done = subprocess.run(
        [tool, "check", "metrics"], input=generate_latest(told()), capture_output=True, check=False, timeout=30
    )
    assert done.stdout + done.stderr == b""
    assert done.returncode == 0


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_a_metric_is_named_for_what_it_is(family):
    assert re.fullmatch(r"powerplane_[a-z0-9_]+", family.name)
    assert family.documentation.endswith(".")
    assert not NOT_BASE.search(family.name)
    # A counter's samples end in _total, and nothing else does.
    assert not family.name.endswith(("_total", "_count", "_sum", "_bucket"))
    totals = {sample.name.endswith("_total") for sample in family.samples if not sample.name.endswith("_created")}
    assert totals <= {family.type == "counter"}
    for sample in family.samples:
        assert set(sample.labels) <= LABELS, sample
    if any(unit in family.name.split("_") for unit in ("watts", "seconds", "ratio")):
        assert unit_of(family.name) in UNITS, "the unit stands at the end"


def test_openmetrics_readers_find_the_units():
    found = {each.name: each.unit for each in text_string_to_metric_families(openmetrics(told()).decode())}
    assert found[f"{PREFIX}domain_draw_watts"] == "watts"
    assert found[f"{PREFIX}solve_seconds"] == "seconds"
    assert found[f"{PREFIX}prediction_error_ratio"] == "ratio"


@pytest.mark.parametrize(
    "name",
    [
        *("recommender_domain_draw_watts", "recommender_domain_budget_watts", "recommender_domain_headroom_watts"),
        *("recommender_domain_source_age_seconds", "recommender_plans", "recommender_plan_moves"),
        *("recommender_plan_gap_ratio", "recommender_solve_seconds", "recommender_prediction_error_ratio"),
        *("recommender_last_success_timestamp_seconds", "actuator_last_success_timestamp_seconds"),
        *("actuator_moves", "actuator_plans", "actuator_plan_seconds", "trace_spans"),
    ],
)
def test_what_is_to_be_watched_is_there(name):
    assert any(family.name == f"powerplane_{name}" for family in families())


def test_series_are_few_whatever_words_plans_use():
    samples = [sample for family in told(hostile=True).collect() for sample in family.samples]
    moves = [sample for sample in samples if sample.name == "powerplane_actuator_moves_total"]
    assert len(moves) <= MOST_WORDS + 2
    assert {OTHER, "migrate"} == {sample.labels["lever"] for sample in moves}
    assert sum(sample.value for sample in moves) == 1000
    assert len(samples) < 500


def test_a_label_has_so_many_words_and_no_more():
    words = LabelWords(most=2)
    assert [words.of(word) for word in ("a", "b", "c", "a", "d")] == ["a", "b", OTHER, "a", OTHER]


def test_domains_and_curves_that_are_gone_have_no_series():
    registry = CollectorRegistry()
    metrics = RecommenderMetrics(registry)
    for number in range(2000):
        metrics.looked([reading(f"churn-{number}")], {}, 0)
        metrics.fitted({f"churn-{number}": 0.1})
    left = [sample for family in registry.collect() for sample in family.samples if "churn" in str(sample.labels)]
    assert len(left) == 7
    assert len(STEPS) < MOST_WORDS
