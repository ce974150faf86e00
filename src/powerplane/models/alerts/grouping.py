"""Notices of one moment, put together into the few messages that people can read."""

from collections.abc import Iterable, Iterator

from powerplane.models.alerts.alert import Kind, Notice, Told, What, digest

MOST_IN_BUNDLE = 100
"""Notices of one message, so that its size is bounded; more make more messages."""


class Bundle(Told, frozen=True):
    """What is sent at a time: notices of one policy, one kind, and one event.

    Parameters
    ----------
    id : str
        The idempotency key: the same for the same notices, whenever and by whomever they are bundled.
    what : What
    policy : str
    kind : Kind
    at_s : float
        Unix seconds.
    notices : tuple of Notice
        The worst first; never empty.
    """

    id: str
    what: What
    policy: str
    kind: Kind
    at_s: float
    notices: tuple[Notice, ...]


def bundled(notices: Iterable[Notice]) -> tuple[Bundle, ...]:
    """Put notices together; every one is in exactly one bundle."""
    groups: dict[tuple[str, str, str], list[Notice]] = {}
    for notice in notices:
        key = notice.finding.key
        groups.setdefault((key.policy, key.kind, notice.what), []).append(notice)
    return tuple(bundle for group in groups.values() for bundle in _bundles(group))


def _bundles(group: list[Notice]) -> Iterator[Bundle]:
    ordered = sorted(group, key=lambda each: (-each.finding.over_mw, each.finding.key, each.id))
    for start in range(0, len(ordered), MOST_IN_BUNDLE):
        part = tuple(ordered[start : start + MOST_IN_BUNDLE])
        first = part[0]
        key = first.finding.key
        yield Bundle(digest(*(each.id for each in part)), first.what, key.policy, key.kind, first.at_s, part)
