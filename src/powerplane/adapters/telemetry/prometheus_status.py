"""How a Prometheus is: whether it answers, its version, its clock against ours, its jobs and their targets.

What speaks Prometheus' API without being one (Thanos, Mimir, a managed service) may not tell of targets; jobs are then
counted by the series ``up``.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from powerplane.adapters.telemetry.prometheus_api import NoAnswerError, PrometheusApi

UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
LONGEST_ERROR = 160
USERS, PARAMETERS = re.compile(r"//[^/\s\"@]*@"), re.compile(r"(?<=[^\s\"])\?[^\s\"]+")


class DownTarget(NamedTuple):
    """A target that is not scraped, and why, as Prometheus says it."""

    instance: str
    error: str


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job.

    Parameters
    ----------
    job : str
    interval_s : float or None
        Between two scrapes; None where it is not told.
    targets : int
    down : tuple of DownTarget
    """

    job: str
    interval_s: float | None
    targets: int
    down: tuple[DownTarget, ...]


@dataclass(frozen=True, slots=True)
class PrometheusStatus:
    """How a Prometheus is.

    Parameters
    ----------
    error : str
        Why it does not answer; "" where it does.
    version : str
        "" where it is not told.
    skew_s : float
        How far its clock is ahead of ours.
    unsure_s : float
        By how much that may be wrong: half of the time that the question took.
    jobs : tuple of JobStatus
    untold : str
        Why nothing is known of jobs; "" where something is.
    """

    error: str = ""
    version: str = ""
    skew_s: float = 0.0
    unsure_s: float = 0.0
    jobs: tuple[JobStatus, ...] = ()
    untold: str = ""


class _Build(msgspec.Struct):
    version: str = ""


class _BuildAnswer(msgspec.Struct):
    data: _Build


class _Target(msgspec.Struct, rename="camel"):
    labels: dict[str, str] = {}
    health: str = "unknown"
    last_error: str = ""
    scrape_interval: str = ""
    scrape_pool: str = ""


class _Targets(msgspec.Struct, rename="camel"):
    active_targets: list[_Target] | None = None


class _TargetsAnswer(msgspec.Struct):
    data: _Targets


class _Up(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _UpData(msgspec.Struct):
    result: list[_Up]


class _UpAnswer(msgspec.Struct):
    data: _UpData


def read_status(api: PrometheusApi, clock: Callable[[], float], timeout_s: float) -> PrometheusStatus:
    """Ask a Prometheus how it is; whatever goes wrong is told in the answer.

    Parameters
    ----------
    api : PrometheusApi
    clock : callable
        Unix seconds by our clock.
    timeout_s : float
        For each of three questions.
    """
    asked_s = clock()
    try:
        server_s = api.now_s(timeout_s)
    except NoAnswerError as error:
        return PrometheusStatus(error=str(error))
    took_s = max(clock() - asked_s, 0.0)
    jobs, untold = _jobs(api, timeout_s)
    return PrometheusStatus(
        version=_version(api, timeout_s),
        skew_s=server_s - (asked_s + took_s / 2),
        unsure_s=took_s / 2,
        jobs=jobs,
        untold=untold,
    )


def parse_interval(text: str) -> float | None:
    """Seconds of a duration as Prometheus writes it (``15s``, ``1m30s``); None where it is none."""
    parts = DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * UNITS_S[unit] for number, unit in parts)


def _version(api: PrometheusApi, timeout_s: float) -> str:
    try:
        body = api.get("/api/v1/status/buildinfo", {}, timeout_s)
        return msgspec.json.decode(body, type=_BuildAnswer).data.version
    except (NoAnswerError, msgspec.MsgspecError):
        return ""


def _jobs(api: PrometheusApi, timeout_s: float) -> tuple[tuple[JobStatus, ...], str]:
    try:
        body = api.get("/api/v1/targets", {"state": "active"}, timeout_s)
        targets = msgspec.json.decode(body, type=_TargetsAnswer).data.active_targets or []
    except (NoAnswerError, msgspec.MsgspecError):
        return _jobs_by_up(api, timeout_s)
    if not targets:
        return _jobs_by_up(api, timeout_s)
    by_job: dict[str, list[_Target]] = defaultdict(list)
    for target in targets:
        by_job[target.labels.get("job") or target.scrape_pool].append(target)
    return tuple(_job(name, own) for name, own in sorted(by_job.items())), ""


def _job(name: str, targets: Iterable[_Target]) -> JobStatus:
    own = list(targets)
    intervals = [seconds for target in own if (seconds := parse_interval(target.scrape_interval))]
    down = tuple(
        DownTarget(target.labels.get("instance", ""), _short(target.last_error) or "not scraped yet")
        for target in own
        if target.health != "up"
    )
    return JobStatus(name, max(intervals, default=None), len(own), down)


def _jobs_by_up(api: PrometheusApi, timeout_s: float) -> tuple[tuple[JobStatus, ...], str]:
    try:
        series = msgspec.json.decode(api.get("/api/v1/query", {"query": "up"}, timeout_s), type=_UpAnswer).data.result
    except (NoAnswerError, msgspec.MsgspecError) as error:
        return (), str(error)
    by_job: dict[str, list[_Up]] = defaultdict(list)
    for each in series:
        by_job[each.metric.get("job", "")].append(each)
    jobs = tuple(
        JobStatus(
            name,
            None,
            len(own),
            tuple(DownTarget(each.metric.get("instance", ""), "down") for each in own if each.value[1] != "1"),
        )
        for name, own in sorted(by_job.items())
    )
    return jobs, "" if jobs else "it tells neither of targets nor of `up`"


def _short(text: str) -> str:
    """An error in one line, without what addresses may carry of secrets: users, passwords, parameters."""
    line = PARAMETERS.sub("?…", USERS.sub("//…@", " ".join(text.split())))
    return line if len(line) <= LONGEST_ERROR else f"{line[:LONGEST_ERROR]}…"
