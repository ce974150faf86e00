"""Recordings as CSV: any columns, any time, and refusals that say what to do."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.counters_csv import CsvColumns, read_counters
from powerplane.models.errors import InputError

COLUMNS = CsvColumns("watts", ("cpu", "ins"))


def write(directory: Path, text: str) -> Path:
    path = directory / "run.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    path = write(tmp_path, "watts, ins,other,cpu,timestamp\n100,5,x,1,10\n110,6,y,2,20\n")
    (samples,) = read_counters(path, COLUMNS).values()
    assert samples.now.tolist() == [[1, 5], [2, 6]]
    assert (samples.watts.tolist(), samples.at_s.tolist()) == ([100, 110], [10, 20])


def test_types_are_told_apart_and_nodes_do_not_follow_each_other(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "timestamp,node,node_type,cpu,ins,watts\n1,n1,big,1,1,10\n2,n2,big,9,9,90\n3,n1,big,2,2,20\n3,n3,small,1,1,5\n",
    )
    found = read_counters(path, COLUMNS)
    assert list(found) == ["big", "small"]
    assert found["big"].before[:, 0].tolist() == [1, 9, 1]


@pytest.mark.parametrize(
    "moment", ["1700000000", "1700000000000", "1700000000000000", "1700000000000000000", "2023-11-14T22:13:20Z"]
)
def test_time_may_be_written_in_any_usual_way(tmp_path: Path, moment: str) -> None:
    path = write(tmp_path, f"timestamp,cpu,ins,watts\n{moment},1,1,10\n")
    (samples,) = read_counters(path, COLUMNS).values()
    assert samples.at_s.tolist() == [1_700_000_000]


def test_a_column_that_counts_up_becomes_a_rate_and_a_restart_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, "timestamp,cpu,ins,watts\n20,30,1,2\n10,10,1,1\n30,5,1,3\n40,15,1,4\n")
    (samples,) = read_counters(path, CsvColumns("watts", ("rate(cpu)", "ins"))).values()
    good, refused = samples.believable()
    assert good.now.tolist() == [[2, 1], [1, 1]]
    assert good.watts.tolist() == [2, 4]
    assert refused == {"not a number": 2}


def test_fields_that_are_no_numbers_are_not_taken_for_0(tmp_path: Path) -> None:
    path = write(tmp_path, "timestamp,cpu,ins,watts\n1,,1,10\n2,1,1,broken\n3,1\n4,1,1,40\n")
    (samples,) = read_counters(path, COLUMNS).values()
    good, refused = samples.believable()
    assert good.watts.tolist() == [40]
    assert refused == {"not a number": 3}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no column"),
        ("timestamp,cpu,watts\n1,1,1\n", "no column 'ins'"),
        ("timestamp,cpu,cpu,ins,watts\n1,1,1,1,1\n", "more than one column 'cpu'"),
        ("timestamp,cpu,ins,watts\n", "no rows"),
        ('timestamp,cpu,ins,watts\n1,"1,1,1\n', "not CSV"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        read_counters(write(tmp_path, text), COLUMNS)


def test_a_missing_file_and_one_that_is_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_counters(tmp_path / "none.csv", COLUMNS)
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00timestamp")
    with pytest.raises(InputError, match="UTF-8"):
        read_counters(tmp_path / "bytes.csv", COLUMNS)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "any.csv"
    path.write_bytes(("timestamp,cpu,ins,watts\n" + text).encode("utf-8", "surrogatepass"))
    try:
        found = read_counters(path, COLUMNS)
    except InputError:
        return
    assert all(len(samples) == len(np.atleast_1d(samples.watts)) for samples in found.values())
