"""What work is told by: counters of serving systems that are known, and metrics that policies name."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from powerplane.models.api.capping_policy import PerformancePowerRatio
from powerplane.models.telemetry import metrics_work
from powerplane.models.telemetry.labels import REGEX
from powerplane.models.telemetry.metrics_work import work_row
from powerplane.models.telemetry.readings import Kind, Meaning

METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,199}")
LABEL = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,99}")
MOST_LABELS, LONGEST_VALUE = 8, 253
COUNTERS = ("_total", "_sum", "_count")
"""How names of counters end, by Prometheus' conventions."""


@dataclass(frozen=True, slots=True)
class WorkMetric:
    """Something that says how much pods do.

    Parameters
    ----------
    name : str
        As people are told of it.
    meanings : tuple of Meaning
        What is read for it; of each pod they add up.
    """

    name: str
    meanings: tuple[Meaning, ...]


VLLM, KSERVE, KNATIVE = (
    WorkMetric("vllm:tokens", metrics_work.VLLM),
    WorkMetric("request_predict_seconds_count", metrics_work.KSERVE),
    WorkMetric("revision_app_request_count", metrics_work.KNATIVE),
)
KNOWN = (VLLM, KSERVE, KNATIVE)
"""Asked for always; of a pod that has several the first counts."""


def metric_of(ratio: PerformancePowerRatio) -> WorkMetric | None:
    """Return the metric that a policy names; None where it names none, or one that cannot be asked for.

    Parameters
    ----------
    ratio : PerformancePowerRatio

    Notes
    -----
    The API server refuses other names; objects of before that rule are read leniently, and whatever ends up in a
    question to Prometheus is held against these forms again.
    """
    labels = {each.name: each.value for each in ratio.metric_labels}
    fine = METRIC.fullmatch(ratio.metric) and len(labels) <= MOST_LABELS
    if not fine or not all(LABEL.fullmatch(key) and len(value) <= LONGEST_VALUE for key, value in labels.items()):
        return None
    where = tuple(sorted((key, _as_it_stands(value)) for key, value in labels.items()))
    told = f"{{{','.join(f'{key}={value!r}' for key, value in sorted(labels.items()))}}}" if labels else ""
    return WorkMetric(f"{ratio.metric}{told}", (work_row(ratio.metric, "policy", kind_of(ratio), where=where),))


def kind_of(ratio: PerformancePowerRatio) -> Kind:
    """Return what a policy's metric is: as it says, else a counter where its name ends as counters' do."""
    if ratio.metric_type == "Auto":
        return "counter" if ratio.metric.endswith(COUNTERS) else "gauge"
    return "counter" if ratio.metric_type == "Counter" else "gauge"


def wanted(ratios: Iterable[PerformancePowerRatio], most: int) -> tuple[WorkMetric, ...]:
    """Return what is to be asked for: what is known, and what policies name, so many of it at the most."""
    named = dict.fromkeys(metric for ratio in ratios if (metric := metric_of(ratio)) is not None)
    return (*KNOWN, *tuple(named)[:most])


def _as_it_stands(value: str) -> str:
    """A value that is no regular expression, whatever it looks like."""
    return REGEX + re.escape(value) if value.startswith(REGEX) else value
