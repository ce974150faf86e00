"""A recorded answer of Prometheus: a matrix or a vector, as JSON."""

import math
from collections.abc import Iterator

import msgspec

from powerplane.models.errors import InputError

Labels = dict[str, str]


class _Series(msgspec.Struct, frozen=True):
    metric: Labels = {}
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None


class _Data(msgspec.Struct, frozen=True, rename="camel"):
    result: list[_Series]


class _Answer(msgspec.Struct, frozen=True):
    data: _Data


def read_answer(data: bytes, source: str) -> Iterator[tuple[Labels, list[tuple[float, float]]]]:
    """Yield each series' labels and samples.

    Parameters
    ----------
    data : bytes
    source : str
        The file's name in messages.

    Raises
    ------
    InputError
        For anything else than an answer of Prometheus with series.
    """
    try:
        answer = msgspec.json.decode(data, type=_Answer)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(
            f"{source} is no answer of Prometheus: {error}",
            "record one: curl 'http://PROMETHEUS/api/v1/query?query=METRIC[1h]' > answer.json",
        ) from error
    for series in answer.data.result:
        samples = [*series.values, *([series.value] if series.value else [])]
        yield series.metric, [(at_s, _value(text)) for at_s, text in samples]


def _value(text: str) -> float:
    """Read a value; NaN for what is none, so that it is found and counted like any other."""
    try:
        return float(text)
    except ValueError:
        return math.nan
