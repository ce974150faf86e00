"""Amounts as people write them, read exactly: Kubernetes quantities, watts and shares.

The grammar of quantities is that of ``resource.Quantity`` (Kubernetes API reference, common definitions): a decimal
number, then one suffix: binary (Ki … Ei), decimal (n, u, m, k, M, G, T, P, E), or an exponent (``1e3``, ``12E6``).
Every value is a Fraction until it is rounded, once, in the direction that keeps a budget held.
"""

import re
from fractions import Fraction
from functools import lru_cache

from powerplane.models.errors import InputError

MILLI = 1000
MICRO = 1_000_000
LARGEST = 2**53
"""No single amount may exceed this many milli-cores, bytes or units: sums must stay exact in 64 bits."""

LARGEST_MW = 10**13
"""No power may exceed 10 GW, for the same reason."""

LONGEST = 64
"""Characters of a number; longer ones are refused before they cost time."""

BINARY = {suffix: Fraction(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)}
DECIMAL = {
    suffix: Fraction(1000) ** power
    for power, suffix in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)
}
WATT_UNITS = {"mW": Fraction(1), "W": Fraction(10**3), "kW": Fraction(10**6), "MW": Fraction(10**9)}
"""Milliwatts of one unit; mW and MW differ by their case alone, so case counts."""

# [0-9], not \d: other scripts' digits are no part of the grammar.
_NUMBER = r"(?P<sign>[+-]?)(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?"
_QUANTITY = re.compile(rf"{_NUMBER}(?:[eE](?P<exponent>[+-]?[0-9]{{1,3}})|(?P<suffix>[A-Za-z]*))")
_DECIMAL = re.compile(rf"{_NUMBER}(?:[eE](?P<exponent>[+-]?[0-9]{{1,3}}))?")
_WATTS = re.compile(rf"(?P<number>{_NUMBER})\s*(?P<unit>[^\W\d_]*)")
_FARTHEST_EXPONENT = 64


@lru_cache(maxsize=1 << 16)
def parse_quantity(text: str | int | float) -> Fraction:
    """Read a Kubernetes quantity exactly.

    Parameters
    ----------
    text : str, int or float
        For example "250m", "1.5Gi", "12E6"; a number as JSON may carry it.

    Raises
    ------
    InputError
        When the text is no quantity, or its exponent is beyond ±64.
    """
    written = text if isinstance(text, str) else repr(text)
    match = _QUANTITY.fullmatch(written) if len(written) <= LONGEST else None
    value = _number(match) if match else None
    if match is None or value is None:
        raise _not_a_quantity(written)
    suffix = match["suffix"] or ""
    scale = DECIMAL.get(suffix) or BINARY.get(suffix)
    if scale is None:
        raise _not_a_quantity(written)
    return value * scale


def parse_decimal(text: str) -> Fraction:
    """Read a plain decimal number exactly, with an exponent or without.

    Raises
    ------
    InputError
        When the text is no number, or is NaN or infinite.
    """
    return _fraction(_decimal(text))


def parse_ceil(text: str, scale: int) -> int:
    """Read a plain decimal number times ``scale``, rounded up; as ``parse_decimal``, but in integers all the way."""
    mantissa, exponent = _decimal(text)
    if exponent >= 0:
        return mantissa * scale * int(10**exponent)
    return -(-mantissa * scale // int(10**-exponent))


def parse_milliwatts(text: str) -> int:
    """Read watts with their unit, in milliwatts rounded down, as a budget must be.

    Parameters
    ----------
    text : str
        For example "12kW", "450W", "1.5 MW", "800000 mW".

    Raises
    ------
    InputError
        Without a unit, with an unknown one, and for what is not finite, or not above zero.
    """
    written = text.strip()
    match = _WATTS.fullmatch(written) if len(written) <= LONGEST else None
    value = _number(match) if match else None
    if match is None or value is None:
        raise InputError(
            f"{shown(text)} is not a finite power", "write a number and its unit, for example 12kW or 450W"
        )
    scale = WATT_UNITS.get(match["unit"])
    if scale is None:
        raise _wrong_unit(text, match["number"], match["unit"])
    milliwatts = value * scale
    if milliwatts < 1:
        what = "is not above zero" if milliwatts <= 0 else "is less than a milliwatt"
        raise InputError(f"a power of {shown(text)} {what}", "write what may be drawn, for example 450W")
    if milliwatts > LARGEST_MW:
        raise InputError(f"a power of {shown(text)} is beyond any site", "check the unit: mW, W, kW or MW")
    return int(milliwatts)


def parse_share(text: str) -> Fraction:
    """Read a share such as "90%".

    Raises
    ------
    InputError
        Without the percent sign, and for what is not finite, or not above zero.
    """
    written = text.strip()
    if not written.endswith("%"):
        raise InputError(f"{shown(text)} is not a share", "write a number and a percent sign, for example 90%")
    try:
        share = parse_decimal(written[:-1].rstrip()) / 100
    except InputError as error:
        raise InputError(f"{shown(text)} is not a share", "write a number above 0 and a percent sign: 90%") from error
    if share <= 0:
        raise InputError(f"a share of {shown(text)} is not above zero", "write a share such as 90%")
    return share


def ceil_scaled(value: Fraction, scale: int) -> int:
    """Round ``value * scale`` up to a whole number."""
    return -(-value.numerator * scale // value.denominator)


def format_quantity(value: Fraction, *, binary: bool = False) -> str:
    """Write a quantity in Kubernetes' canonical form: no fraction, the largest suffix that allows it.

    Parameters
    ----------
    value : Fraction
        Rounded up to nanos, the finest that Kubernetes keeps.
    binary : bool
        Use Ki … Ei where the value is a whole number.
    """
    nanos = ceil_scaled(value, 10**9)
    value = Fraction(nanos, 10**9)
    suffixes = {"": Fraction(1)} | BINARY if binary and value.denominator == 1 else DECIMAL
    if not nanos:
        return "0"
    fitting = [suffix for suffix, scale in suffixes.items() if (value / scale).denominator == 1]
    return f"{value / suffixes[fitting[-1]]}{fitting[-1]}"


def format_watts(milliwatts: int) -> str:
    """Write milliwatts for people: "450 W", "12.5 kW"."""
    if abs(milliwatts) >= WATT_UNITS["kW"]:
        return f"{milliwatts / 10**6:.10g} kW"
    return f"{milliwatts / 10**3:.10g} W"


def shown(text: str) -> str:
    """Quote a value for a message, cut where it is long."""
    return repr(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")


def _decimal(text: str) -> tuple[int, int]:
    digits = _digits(_DECIMAL.fullmatch(text)) if len(text) <= LONGEST else None
    if digits is None:
        raise InputError(f"{shown(text)} is not a finite number", "write a decimal number, for example 1.25")
    return digits


def _digits(match: re.Match[str] | None) -> tuple[int, int] | None:
    """Mantissa and exponent of ten of a matched number; None where it has no digit or no amount's exponent."""
    if match is None:
        return None
    groups = match.groupdict()
    part = groups["part"] or ""
    digits = groups["whole"] + part
    exponent = int(groups.get("exponent") or 0)
    if not digits or abs(exponent) > _FARTHEST_EXPONENT:
        return None
    return int(groups["sign"] + digits), exponent - len(part)


def _number(match: re.Match[str]) -> Fraction | None:
    """Value of a matched number; None where it is none."""
    digits = _digits(match)
    return _fraction(digits) if digits else None


def _fraction(digits: tuple[int, int]) -> Fraction:
    mantissa, exponent = digits
    return Fraction(mantissa * 10**exponent) if exponent >= 0 else Fraction(mantissa, 10**-exponent)


def _not_a_quantity(text: str) -> InputError:
    return InputError(f"{shown(text)} is not a quantity", "write one as Kubernetes does, for example 250m, 2 or 1.5Gi")


def _wrong_unit(text: str, number: str, unit: str) -> InputError:
    if not unit:
        return InputError(f"the power {shown(text)} has no unit", f"write {number}W or {number}kW, whichever is meant")
    return InputError(f"the power {shown(text)} has the unknown unit {unit!r}", "use mW, W, kW or MW (case counts)")
