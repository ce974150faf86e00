"""Where in a file a value stands: it is read there, and what is wrong with it is told there."""

import re

import msgspec

from powerplane.adapters.topology_file import Figure
from powerplane.models.errors import InputError
from powerplane.models.quantities import parse_decimal, parse_milliwatts, parse_share

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
_UNITS_S = (86_400.0, 3_600.0, 60.0, 1.0)


class Place(msgspec.Struct, frozen=True):
    """Where in the file a value stands, so that what is wrong with it can be told there."""

    source: str
    where: str

    def at(self, key: str | int) -> "Place":
        """Return a place below this one."""
        step = f"[{key}]" if isinstance(key, int) else f".{key}" if self.where else key
        return Place(self.source, self.where + step)

    def wrong(self, problem: str, next_step: str) -> InputError:
        """Return the error."""
        return InputError(f"{self.source}: {self.where or 'the top of the file'}: {problem}", next_step)

    def number(self, value: Figure, *, least: float = 0.0, most: float = 1e9) -> float:
        """Read a number within bounds."""
        try:
            found = float(parse_decimal(str(value).strip()))
        except InputError as error:
            raise self.wrong(error.problem, error.next_step) from error
        if not least <= found <= most:
            raise self.wrong(f"{value!r} is not between {least:g} and {most:g}", "correct the figure")
        return found

    def count(self, value: Figure, *, least: int = 0, most: int = 1_000_000) -> int:
        """Read a whole number within bounds."""
        found = self.number(value, least=least, most=most)
        if found != int(found):
            raise self.wrong(f"{value!r} is not a whole number", "write one")
        return int(found)

    def share(self, value: str | int, *, most: float = 100.0) -> float:
        """Read a share in percent."""
        text = str(value).strip()
        if text in ("0", "0%"):
            return 0.0
        try:
            found = float(parse_share(text))
        except InputError as error:
            raise self.wrong(error.problem, error.next_step) from error
        if found > most:
            raise self.wrong(f"{value!r} is more than {100 * most:g}%", "correct the share")
        return found

    def watts(self, value: str, of: float | None = None) -> float:
        """Read watts with a unit, or a share of ``of`` watts where that is given."""
        if of is not None and value.strip().endswith("%"):
            return self.share(value) * of
        try:
            return parse_milliwatts(value) / 1000
        except InputError as error:
            raise self.wrong(error.problem, error.next_step) from error

    def seconds(self, value: Figure, *, least: float = 0.0, most: float = 366 * 86_400.0) -> float:
        """Read a time."""
        text = str(value).strip()
        match = _DURATION.fullmatch(text)
        groups = match.groups() if match else ()
        parts = [float(part) * unit for part, unit in zip(groups, _UNITS_S, strict=False) if part]
        if text == "0":
            parts = [0.0]
        if not parts:
            raise self.wrong(f"{text!r} is not a time", "write one with its unit, for example 90s, 5m or 1h30m")
        if not least <= sum(parts) <= most:
            raise self.wrong(f"{text!r} is not between {least:g} s and {most:g} s", "correct the time")
        return sum(parts)
