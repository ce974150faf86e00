"""Quantities, watts, shares and times of day as people write them: read exactly, or refused in words; never slow."""

from fractions import Fraction

import atheris

with atheris.instrument_imports(include=["powerplane.models"]):
    from powerplane.models.errors import InputError
    from powerplane.models.quantities import (
        format_quantity,
        parse_ceil,
        parse_decimal,
        parse_milliwatts,
        parse_quantity,
        parse_share,
    )
    from powerplane.models.timestamps import parse_seconds
from tests.fuzz.running import fuzz, told

SEEDS = (b"250m", b"1.5Gi", b"12E6", b"1e-64", b"-0.5", b"12kW", b"1.5 MW", b"90%", b"9" * 64, b"2026-11-28T10:00:00Z")


def one_input(data: bytes) -> None:
    """Read with each reader."""
    text = data.decode("utf-8", "replace")
    for reader in (parse_decimal, parse_milliwatts, parse_share, parse_seconds):
        try:
            reader(text)
        except InputError as error:
            told(error)
    try:
        value = parse_quantity(text)
        assert parse_quantity(text) == value
        nanos = Fraction(-(-value.numerator * 10**9 // value.denominator), 10**9)
        assert parse_quantity(format_quantity(value)) == nanos
    except InputError as error:
        told(error)
    try:
        assert parse_ceil(text, 1000) == -(-parse_decimal(text) * 1000 // 1)
    except InputError as error:
        told(error)


if __name__ == "__main__":
    fuzz(one_input, SEEDS, max_len=256)
