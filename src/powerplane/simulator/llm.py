"""LLM requests as load: arrivals with their tokens become the share of its devices that a service keeps busy.

A request costs its prompt's tokens over the rate at which a device reads them, and its answer's tokens over the rate at
which a device writes them in a full batch: seconds of a whole device. That work is spread over the seconds in which the
request is served.
"""

import csv
import gzip
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from powerplane.models.errors import InputError

Floats = NDArray[np.float64]

BIN_S = 5.0
SERVED_IN_S = 10.0
"""Time constant over which a request's work is spread."""
COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
MOST_REQUESTS = 50_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Requests in order of arrival, shape (R,) each.

    Parameters
    ----------
    at_s : float64 array
        Seconds since the first.
    context, generated : float64 arrays
        Tokens of the prompt and of the answer.
    """

    at_s: Floats
    context: Floats
    generated: Floats


@dataclass(frozen=True, slots=True, eq=False)
class TokenTrace:
    """Load of a service that serves tokens, in bins of ``BIN_S``, which repeats when it is over.

    Parameters
    ----------
    loads : float64 array, shape (K,)
        Share of the service's devices that is busy.
    tokens_per_work : (float, float)
        Tokens of prompts, and of answers, that a second of a device's work comes to over the whole trace.
    """

    loads: Floats
    tokens_per_work: tuple[float, float] = (0.0, 0.0)

    def level(self, at_s: Floats) -> Floats:
        """Load at some seconds of the simulation."""
        result: Floats = self.loads[(at_s // BIN_S).astype(np.int64) % len(self.loads)]
        return result


@dataclass(frozen=True, slots=True)
class ServingRates:
    """What one device does at full load, in tokens a second."""

    prefill: float
    decode: float


def read_requests(path: Path) -> Requests:
    """Read arrivals from a CSV, gzipped or not, with the columns TIMESTAMP, ContextTokens and GeneratedTokens.

    That is the form of Azure's LLM inference traces; TIMESTAMP may also be seconds.

    Raises
    ------
    InputError
        For a file that cannot be read, lacks a column, has no rows, or has a value that is none; with its line.
    """
    try:
        with path.open("rb") as raw:
            file = io.TextIOWrapper(gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw, "utf-8", newline="")
            reader = csv.DictReader(file)
            if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
                raise InputError(f"{path} has no column {missing[0]!r}", f"its first line must be {','.join(COLUMNS)}")
            rows = [_row(path, number, row) for number, row in enumerate(reader, start=2)]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", "give a CSV of requests, gzipped or not") from error
    if not rows:
        raise InputError(f"{path} has no requests", "give a trace with at least one row")
    table = np.array(sorted(rows))
    return Requests(table[:, 0] - table[0, 0], table[:, 1], table[:, 2])


def draw_requests(
    random: np.random.Generator, rates: Floats, context: float, generated: float, spread: float = 0.9
) -> Requests:
    """Draw arrivals: Poisson in each bin, tokens log-normal.

    Parameters
    ----------
    random : Generator
    rates : float64 array, shape (K,)
        Requests a second in each bin of ``BIN_S``.
    context, generated : float
        Mean tokens.
    spread : float
        Standard deviation of the tokens' logarithm.

    Raises
    ------
    InputError
        For more requests than fit in memory.
    """
    if (expected := float(rates.sum() * BIN_S)) > MOST_REQUESTS:
        raise InputError(f"the trace would have {expected:,.0f} requests", "lower perSecond, or the duration")
    counts = random.poisson(rates * BIN_S)
    total = int(counts.sum())
    at_s = np.repeat(np.arange(len(rates)) * BIN_S, counts) + random.uniform(0, BIN_S, total)
    tokens = [mean * random.lognormal(-(spread**2) / 2, spread, total) for mean in (context, generated)]
    return Requests(at_s, np.ceil(tokens[0]), np.ceil(tokens[1]))


def token_trace(requests: Requests, rates: ServingRates, devices: int, duration_s: float | None = None) -> TokenTrace:
    """Turn arrivals into load.

    Parameters
    ----------
    requests : Requests
    rates : ServingRates
    devices : int
        Devices that share the work at level 1.
    duration_s : float, optional
        Length of the trace; until its last arrival by default.
    """
    length = duration_s if duration_s is not None else float(requests.at_s.max(initial=0.0)) + BIN_S
    bins = max(1, int(np.ceil(length / BIN_S)))
    work = requests.context / rates.prefill + requests.generated / rates.decode
    where = np.minimum((requests.at_s // BIN_S).astype(np.int64), bins - 1)
    busy = np.bincount(where, work, bins) / (BIN_S * max(devices, 1))
    per_work = [float(each.sum()) / max(float(work.sum()), 1e-9) for each in (requests.context, requests.generated)]
    return TokenTrace(_spread_out(np.asarray(busy, dtype=np.float64)), (per_work[0], per_work[1]))


def _spread_out(busy: Floats) -> Floats:
    """Spread each bin's work over the seconds in which it is served; the end runs on into the beginning."""
    ages = np.arange(0, 8 * SERVED_IN_S, BIN_S)
    shares = np.exp(-ages / SERVED_IN_S)
    shares /= shares.sum()
    total = np.zeros(len(busy))
    for age, share in enumerate(shares.tolist()):
        total += share * np.roll(busy, age)
    return total


def _row(path: Path, line: int, row: dict[str, str]) -> tuple[float, float, float]:
    try:
        context, generated = float(row["ContextTokens"]), float(row["GeneratedTokens"])
        found = (_seconds(row["TIMESTAMP"]), context, generated)
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}, line {line}: {error}", f"write {','.join(COLUMNS)}") from error
    if not (np.isfinite(found).all() and context >= 0 and generated >= 0):
        raise InputError(f"{path}, line {line}: tokens are negative or not finite", "correct the line")
    return found


def _seconds(text: str) -> float:
    """Seconds of a timestamp: a number as it is, otherwise a date and time with up to seven decimals."""
    try:
        return float(text)
    except ValueError:
        whole, _, part = text.strip().partition(".")
        return datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp() + (float(f"0.{part}") if part else 0.0)
