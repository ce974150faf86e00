"""Use over time from recorded LLM requests: the Azure trace's hour, played to the services of a site.

A request keeps one replica busy for prompt tokens / 2,000 + output tokens / 15 seconds (prefill and decoding speeds
that a user sees). A service gets the share of the trace's requests that keeps 1.46 in flight at each of its replicas,
chosen anew each hour, as is the hour's offset; each goes to a replica at random. A replica with k requests in flight
draws 35 % of its cards' range plus 6 % for each up to ten, 3 % of the range while it has none, and 20 to 60 % of its
CPU request. Over the day requests are thinned by a stated curve (all at 14 h, 40 % at 2 h). Pods that serve no
requests (best effort, or without a whole card) run evenly, at a level of their own.
"""

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from powerplane.bench.watts.daily_use import BATCH, Use
from powerplane.bench.watts.site import Floats, Integers, Site
from powerplane.models.errors import InputError

STEP_S = 60.0
STEPS_PER_HOUR = 60
IN_FLIGHT = 1.46
"""Requests in flight at a replica, on average, while nothing is thinned."""

MOST_REQUESTS = 200_000
PREFILL_PER_S = 2_000.0
DECODE_PER_S = 15.0
LEAST_CARD_WATTS = 100.0
"""Less than this above idle is no whole card."""


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """R requests of one hour: step of arrival, and seconds that each keeps a replica busy."""

    step: Integers
    busy_s: Floats


def read_requests(data: Path) -> Requests:
    """Read the request traces of ``azure-llm/*.csv`` (or .csv.gz), all together, folded to one hour.

    Of each file the first ``MOST_REQUESTS`` are taken.
    """
    files = sorted((data / "azure-llm").glob("*.csv*"))
    if not files:
        raise InputError(f"there is no trace in {data / 'azure-llm'}", "download AzureLLMInferenceTrace_*.csv")
    seconds, busy = [], []
    for path in files:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for row in islice(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))), MOST_REQUESTS):
            seconds.append(_seconds(row["TIMESTAMP"]))
            busy.append(int(row["ContextTokens"]) / PREFILL_PER_S + int(row["GeneratedTokens"]) / DECODE_PER_S)
    second = np.array(seconds)
    step = ((second - second.min()) // STEP_S).astype(np.int64) % STEPS_PER_HOUR
    return Requests(step, np.array(busy))


def request_use(site: Site, requests: Requests, hours: int, random: np.random.Generator) -> Iterator[Use]:
    """Use of the site's pods, an hour at a time, in steps of a minute."""
    serves = _serving(site)
    replicas = np.bincount(site.service, minlength=len(site.service_qos))
    members = [np.flatnonzero(site.service == service) for service in range(len(replicas))]
    enough = requests.busy_s.sum() / (STEPS_PER_HOUR * STEP_S) / IN_FLIGHT
    steady = random.uniform(0.3, 0.95, len(site.service))
    for hour in range(hours):
        keep = 0.7 + 0.3 * np.cos((hour % 24 - 14) * 2 * np.pi / 24)
        flight = np.zeros((len(site.service), STEPS_PER_HOUR))
        for service in np.flatnonzero(serves).tolist():
            share = min(keep * replicas[service] / enough, 1.0)
            chosen = np.flatnonzero(random.random(len(requests.step)) < share)
            step = (requests.step[chosen] + int(random.integers(STEPS_PER_HOUR))) % STEPS_PER_HOUR
            replica = members[service][random.integers(len(members[service]), size=len(chosen))]
            np.add.at(flight, (replica, step), requests.busy_s[chosen] / STEP_S)
        yield _use(site, serves[site.service], flight, steady, random)


def _use(site: Site, serves: NDArray[np.bool_], flight: Floats, steady: Floats, random: np.random.Generator) -> Use:
    noise = 1 + 0.05 * random.standard_normal(flight.shape, dtype=np.float32)
    busy = np.minimum(flight, 1)  # of a minute in which nothing is in flight for a while, only that part idles
    draw = 0.03 + busy * 0.32 + 0.06 * np.minimum(flight, 10)
    share = np.where(serves[:, None], draw, np.clip(steady[:, None] * noise, 0, 1))
    cores = np.where(serves[:, None], 0.2 + 0.04 * np.minimum(flight, 10), np.clip(steady[:, None] * noise, 0, 1))
    return Use(cores=cores * site.request_cores[:, None], watts=np.minimum(share, 1) * site.card_watts[:, None])


def _serving(site: Site) -> NDArray[np.bool_]:
    """Services that serve requests: not best effort, and with a whole card to a pod."""
    watts = np.zeros(len(site.service_qos))
    watts[site.service] = site.card_watts
    interactive = np.array([qos != BATCH for qos in site.service_qos], dtype=np.bool_)
    return np.asarray((watts >= LEAST_CARD_WATTS) & interactive, dtype=np.bool_)


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp[:26]).timestamp()
