"""What `fit` found of fans and temperature, in the forms that it is shown in."""

import msgspec

from powerplane.cli.report import words
from powerplane.models.watts.heat_fit import BLOCKS, HeatFit


class TermRow(msgspec.Struct, frozen=True, rename="camel"):
    """What a term does to the error of samples that it had not seen; shares."""

    curve_error: float
    error_with_it: float
    better_blocks: int


class HeatRow(msgspec.Struct, frozen=True, rename="camel"):
    """Heat of one node type; null where it is not known."""

    samples: int
    kept: str
    tried: dict[str, TermRow]
    follow_the_load: tuple[str, ...]
    fan_watts_at_highest_speed: float | None
    fan_watts_at_reference: float | None
    reference_watts: float | None
    fan_growth: float | None
    lag_s: float | None
    kelvin_per_watt: float | None
    leakage_share_per_kelvin: float | None


def heat_row(found: HeatFit) -> HeatRow:
    """Return what was found, in plain figures."""
    fans, heat = found.fans, found.heat
    return HeatRow(
        samples=found.samples,
        kept=found.kept,
        tried={name: TermRow(held.curve, held.terms, held.better_blocks) for name, held in found.held.items()},
        follow_the_load=found.tied,
        fan_watts_at_highest_speed=found.fan_watts if fans else None,
        fan_watts_at_reference=fans.fan_watts if fans else None,
        reference_watts=fans.reference_watts if fans else None,
        fan_growth=fans.growth if fans else None,
        lag_s=heat.lag_s if heat else None,
        kelvin_per_watt=heat.kelvin_per_watt if heat else None,
        leakage_share_per_kelvin=heat.leakage_share if heat and "temperature" not in found.tied else None,
    )


def heat_lines(name: str, row: HeatRow) -> list[str]:
    """Return the same in sentences, for below the table."""
    lines = []
    if row.fan_watts_at_highest_speed is not None and row.fan_watts_at_reference is not None:
        lines.append(
            f"{name}: fans draw {words.watts(row.fan_watts_at_highest_speed)} at the highest speed seen, "
            f"{words.watts(row.fan_watts_at_reference)} of {words.watts(row.reference_watts or 0.0)} as usual"
        )
    if row.lag_s is not None and row.kelvin_per_watt is not None:
        leakage = row.leakage_share_per_kelvin
        told = "" if leakage is None else f", and draws {100 * leakage:.2f} % more a kelvin"
        lines.append(
            f"{name}: warms by {100 * row.kelvin_per_watt:.1f} °C for 100 W "
            f"{f'with a lag of {words.seconds(row.lag_s)}' if row.lag_s else 'within a step'}{told}"
        )
    for term, tried in row.tried.items():
        verdict = "kept" if term == row.kept else "those kept do better" if row.kept else "not kept"
        lines.append(
            f"{name}: with {term} the curve errs by {100 * tried.error_with_it:.1f} % instead of "
            f"{100 * tried.curve_error:.1f} % on later samples, and less in {tried.better_blocks} of "
            f"{BLOCKS - 1} blocks: {verdict}"
        )
    if row.follow_the_load:
        these = " and ".join(row.follow_the_load)
        lines.append(f"{name}: {these} followed the load alone, or stood still: the curve has their watts")
    return lines
