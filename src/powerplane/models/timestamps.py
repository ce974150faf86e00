"""Moments as Kubernetes writes them: RFC 3339."""

from datetime import datetime

from powerplane.models.errors import InputError


def parse_seconds(text: str) -> int:
    """Read an RFC 3339 moment, in whole seconds since the epoch.

    Raises
    ------
    InputError
        When the text is no moment, or names no time zone.
    """
    return int(parse_moment(text))


def parse_moment(text: str) -> float:
    """Read an RFC 3339 moment, in seconds since the epoch.

    Raises
    ------
    InputError
        When the text is no moment, or names no time zone.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.timestamp()
    except (ValueError, OverflowError):
        pass
    raise InputError(f"{text[:64]!r} is not a moment with a time zone", "write it as 2026-05-01T12:00:00Z")
