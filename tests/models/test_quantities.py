"""Quantities, watts and shares: exact, bounded, and refused by name."""

from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from powerplane.models.errors import InputError
from powerplane.models.quantities import (
    BINARY,
    DECIMAL,
    ceil_scaled,
    format_quantity,
    format_watts,
    parse_ceil,
    parse_decimal,
    parse_milliwatts,
    parse_quantity,
    parse_share,
)

NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("250m", Fraction(1, 4)),
        ("1.5Gi", 3 * 2**29),
        ("128974848", 128974848),
        ("129e6", 129_000_000),
        ("129M", 129_000_000),
        ("128974848000m", 128974848),
        ("123Mi", 123 * 2**20),
        ("12E6", 12_000_000),
        ("1E", 10**18),
        ("1Ei", 2**60),
        ("5n", Fraction(5, 10**9)),
        ("7u", Fraction(7, 10**6)),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("+3k", 3000),
        ("-1", -1),
        ("1e-3", Fraction(1, 1000)),
        (2, 2),
        (0.1, Fraction(1, 10)),
        (1e20, 10**20),
    ],
)
def test_a_quantity_has_the_value_that_kubernetes_gives_it(text, value):
    assert parse_quantity(text) == value


@pytest.mark.parametrize(
    "text",
    ["", " ", ".", "m", "e3", "1e", "1KI", "1K", "1 Gi", "1Gi ", "1mm", "1e3Gi", "１", "--1", "0x10", "1_000", "1e99",
     "nan", "Infinity", "1" * 65, float("nan"), float("inf"), float("-inf"), 1e300],
)  # fmt: skip
def test_what_is_no_quantity_is_refused_by_its_text(text):
    with pytest.raises(InputError) as caught:
        parse_quantity(text)
    assert str(text)[:64] in caught.value.problem
    assert "250m" in caught.value.next_step


@given(NUMBERS, st.sampled_from(sorted(DECIMAL | BINARY)))
def test_a_quantity_is_its_number_times_its_suffix(number, suffix):
    assert parse_quantity(f"{number:f}{suffix}") == Fraction(number) * (DECIMAL | BINARY)[suffix]


@given(st.integers(-(2**63), 2**63), st.integers(0, 9), st.booleans())
def test_a_formatted_quantity_is_read_back_exactly(digits, places, binary):
    value = Fraction(digits, 10**places)
    assert parse_quantity(format_quantity(value, binary=binary)) == value


@given(st.integers(0, 2**63), st.integers(0, 9), st.booleans())
def test_the_canonical_form_has_no_fraction_and_stays_as_it_is(digits, places, binary):
    text = format_quantity(Fraction(digits, 10**places), binary=binary)
    assert "." not in text
    assert "/" not in text
    assert format_quantity(parse_quantity(text), binary=binary) == text


@pytest.mark.parametrize(
    ("value", "binary", "text"),
    [
        (Fraction(1, 4), False, "250m"),
        (Fraction(4000), False, "4k"),
        (Fraction(4096), True, "4Ki"),
        (Fraction(1, 3), False, "333333334n"),
        (Fraction(1, 2), True, "500m"),
        (Fraction(0), True, "0"),
    ],
)
def test_a_quantity_is_written_with_the_largest_suffix_that_needs_no_fraction(value, binary, text):
    assert format_quantity(value, binary=binary) == text


@given(st.fractions(), st.integers(1, 10**9))
def test_rounding_up_gives_the_least_whole_number_that_is_enough(value, scale):
    rounded = ceil_scaled(value, scale)
    assert rounded - 1 < value * scale <= rounded


@given(NUMBERS, st.sampled_from([1000, 1_000_000]))
def test_reading_in_integers_agrees_with_reading_as_a_fraction(number, scale):
    assert parse_ceil(str(number), scale) == ceil_scaled(parse_decimal(str(number)), scale)


@pytest.mark.parametrize(
    ("text", "milliwatts"),
    [
        ("12kW", 12_000_000),
        ("450W", 450_000),
        ("1.5 MW", 1_500_000_000),
        ("800000 mW", 800_000),
        (" 0.5W ", 500),
        ("+3W", 3000),
        ("1.0009W", 1000),
        (".1kW", 100_000),
    ],
)
def test_watts_are_read_with_their_unit_and_rounded_down(text, milliwatts):
    assert parse_milliwatts(text) == milliwatts


@given(st.integers(1, 10**12))
def test_watts_written_as_milliwatts_are_read_back(milliwatts):
    assert parse_milliwatts(f"{milliwatts}mW") == milliwatts
    assert parse_milliwatts(f"{Decimal(milliwatts).scaleb(-3):f} W") == milliwatts


def test_a_bare_number_of_watts_is_refused_and_both_readings_are_offered():
    with pytest.raises(InputError, match="'12' has no unit") as caught:
        parse_milliwatts("12")
    assert "12W or 12kW" in caught.value.next_step


@pytest.mark.parametrize("unit", ["KW", "kw", "w", "Watts", "kWh", "µW", "GW"])
def test_an_unknown_unit_is_refused_by_name(unit):
    with pytest.raises(InputError, match=f"unknown unit '{unit}'") as caught:
        parse_milliwatts(f"12{unit}")
    assert "mW, W, kW or MW" in caught.value.next_step


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("NaN W", "'NaN W' is not a finite power"),
        ("inf kW", "'inf kW' is not a finite power"),
        ("-3W", "'-3W' is not above zero"),
        ("0kW", "'0kW' is not above zero"),
        ("0.0001mW", "less than a milliwatt"),
        ("99999999MW", "beyond any site"),
        ("", "'' is not a finite power"),
        ("kW", "'kW' is not a finite power"),
        ("1e3W", "'1e3W' is not a finite power"),
        ("9" * 80 + "W", "is not a finite power"),
    ],
)
def test_watts_that_cannot_be_a_budget_are_refused_by_their_text(text, problem):
    with pytest.raises(InputError, match=problem):
        parse_milliwatts(text)


@pytest.mark.parametrize(("text", "share"), [("90%", Fraction(9, 10)), ("12.5 %", Fraction(1, 8)), ("150%", 1.5)])
def test_a_share_is_read_exactly(text, share):
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["90", "0%", "-5%", "NaN%", "inf%", "%", "", "9 0%", "90%%"])
def test_what_is_no_share_is_refused_by_its_text(text):
    with pytest.raises(InputError) as caught:
        parse_share(text)
    assert repr(text) in caught.value.problem


@example("1e999999999")
@example("9" * 100_000)
@given(st.text())
def test_no_text_makes_a_parser_fail_otherwise_than_by_refusing_it(text):
    for parse in (parse_quantity, parse_decimal, parse_milliwatts, parse_share):
        with suppress(InputError):
            parse(text)


@given(st.text(alphabet="0123456789.eE+-mkKMGiWw% \n", max_size=12))
def test_nothing_that_looks_like_a_figure_makes_a_parser_fail_otherwise(text):
    for parse in (parse_quantity, parse_decimal, parse_milliwatts, parse_share):
        with suppress(InputError):
            parse(text)


@pytest.mark.parametrize(
    ("milliwatts", "text"), [(450_000, "450 W"), (12_500_000, "12.5 kW"), (1, "0.001 W"), (0, "0 W")]
)
def test_watts_are_shown_in_the_unit_that_people_use(milliwatts, text):
    assert format_watts(milliwatts) == text
