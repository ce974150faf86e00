"""Answers become columns, whatever they hold."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.telemetry.prometheus_answer import MatrixError, columns
from powerplane.adapters.telemetry.promql import PART
from powerplane.adapters.telemetry.sums import columns_of_sums
from powerplane.models.telemetry.metrics import MEANINGS, meanings_of
from powerplane.models.telemetry.readings import Entity

NODE = meanings_of("kepler")[0]
CPU = next(m for m in MEANINGS if m.metric == "node_cpu_seconds_total")


def answer(*series: tuple[dict[str, str], list[tuple[float, str]]], **more: Any) -> bytes:
    result = [{"metric": labels, "values": values} for labels, values in series]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}} | more).encode()


def spelled(value: float) -> str:
    """As Go writes it."""
    return "NaN" if math.isnan(value) else f"{value:+}".replace("inf", "Inf") if math.isinf(value) else repr(value)


@given(
    st.lists(
        st.tuples(
            st.text(min_size=1, max_size=8),
            st.lists(
                st.tuples(st.floats(0, 2e9), st.floats(allow_nan=True, allow_infinity=True)), min_size=1, max_size=5
            ),
        ),
        max_size=6,
    )
)
def test_every_sample_arrives_as_it_was(rows: list) -> None:
    body = answer(*(({"node_name": node}, [(at, spelled(v)) for at, v in samples]) for node, samples in rows))
    found, refused = columns(NODE, body)
    assert found.entities == tuple(Entity(node) for node, _ in rows)
    assert found.offsets.tolist() == [0, *np.cumsum([len(samples) for _, samples in rows]).tolist()]
    np.testing.assert_array_equal(found.value, [v for _, samples in rows for _, v in samples])
    np.testing.assert_array_equal(found.at_s, [at for _, samples in rows for at, _ in samples])
    assert (found.value.dtype, found.at_s.dtype, found.offsets.dtype) == (np.float64, np.float64, np.int64)
    assert refused == {}


def test_labels_that_are_not_needed_are_not_read() -> None:
    found, _ = columns(NODE, answer(({"node_name": "n", "zone": "package", "pod": "x"}, [(1.0, "5")])))
    assert found.entities == (Entity("n"),)


def test_a_series_of_nobody_is_counted_and_one_without_samples_is_none() -> None:
    body = answer(({"zone": "package"}, [(1.0, "5")]), ({"node_name": "n"}, []))
    found, refused = columns(NODE, body)
    assert (found.entities, found.value.size, refused) == ((), 0, {"unlabelled": 1})
    assert found.offsets.tolist() == [0]


def test_a_label_given_by_the_user_goes_before_those_of_the_table() -> None:
    body = answer(({"node_name": "kepler-x7", "machine": "n1"}, [(1.0, "5")]))
    assert columns(NODE, body, ("machine",))[0].entities == (Entity("n1"),)


def test_native_histograms_hold_no_watts() -> None:
    body = json.dumps(
        {
            "status": "success",
            "data": {"resultType": "matrix", "result": [{"metric": {"node_name": "n"}, "histograms": [[1, {}]]}]},
        }
    ).encode()
    assert columns(NODE, body)[0].entities == ()


def test_an_answer_with_warnings_is_one_in_part() -> None:
    assert columns(NODE, answer(warnings=["a store is away"]))[1] == {"partial answer": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"status":"error","error":"x"}',
        b'{"status":"success"}',
        b'{"status":"success","data":{"resultType":"vector","result":[]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"node_name":1},"values":[[1,"2"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"x"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1",2]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"]',
        b'{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":5}',
        b'{"status":"success","x":' + b"[" * 100_000,
    ],
)
def test_what_is_no_matrix_is_refused(body: bytes) -> None:
    with pytest.raises(MatrixError):
        columns(NODE, body)


def test_sums_are_dated_by_their_oldest_sample_each_time_once() -> None:
    labels = {"instance": "n1:9100"}
    body = answer(
        (labels | {PART: "value"}, [(100.0, "5"), (110.0, "5"), (120.0, "9"), (130.0, "11")]),
        (labels | {PART: "stamp"}, [(100.0, "80"), (110.0, "95"), (120.0, "95"), (130.0, "125")]),
    )
    found, refused = columns_of_sums(CPU, body, (), 90.0)
    assert found.entities == (Entity("n1:9100"),)
    assert (found.at_s.tolist(), found.value.tolist()) == ([95.0, 125.0], [5.0, 11.0])
    assert refused == {}


def test_a_sum_without_a_time_is_none() -> None:
    body = answer(({"instance": "n1", PART: "value"}, [(100.0, "5")]))
    assert columns_of_sums(CPU, body, (), 0.0)[0].entities == ()
