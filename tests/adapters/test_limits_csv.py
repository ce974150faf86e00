"""Recordings of an accelerator at several limits, under the names and units of those who log them."""

from math import isnan
from pathlib import Path

import pytest

from powerplane.adapters.limits_csv import read_limits
from powerplane.models.errors import InputError


def write(directory: Path, text: str) -> Path:
    path = directory / "card.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_of_one_limit_are_averaged_and_limits_rise(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "DCGM_FI_DEV_POWER_MGMT_LIMIT,DCGM_FI_DEV_POWER_USAGE,tokens\n400,380,100\n300,290,90\n400,360,110\n400.2,0,nan\n",
    )
    found = read_limits(path, limit=None, watts=None, throughput="tokens")
    assert [(point.limit_watts, point.watts, point.throughput) for point in found] == [(300, 290, 90), (400, 370, 105)]


def test_units_of_nvidia_smi_are_read_and_throughput_may_be_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, "timestamp, power.draw [W], power.limit [W]\nx, 211.50 W, 250.00 W\nx, [N/A], 250.00 W\n")
    (point,) = read_limits(path, limit=None, watts=None, throughput=None)
    assert (point.limit_watts, point.watts) == (250, 211.5)
    assert isnan(point.throughput)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("limit_watts,tokens\n1,1\n", "no column is called watts, "),
        ("watts\n1\n", "no column is called limit_watts, "),
        ("limit_watts,watts\n,200\nnan,200\n", "no row with a limit"),
        ('limit_watts,watts\n"1,2\n', "not CSV"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        read_limits(write(tmp_path, text), limit=None, watts=None, throughput=None)
