"""From moment to moment: when an alert fires, what is told while it does, and when it resolves.

A Schmitt trigger with dwell. An alert begins with a draw above its limit, and fires when the draw is above it and has
not been *clearly* below it for ``fire_after_s``. It resolves when the draw has been clearly below it for
``resolve_after_s`` without a break. So noise at the limit's edge fires once and never flaps, and no thing fires twice
within the sum of the two times. What is not known decides nothing: an alert neither fires nor resolves by it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from msgspec import structs

from powerplane.models.alerts.alert import AlertKey, Ended, Finding, Notice, Severity, Told, What, digest

RANK: Mapping[Severity, int] = {"warning": 0, "critical": 1}


@dataclass(frozen=True, slots=True)
class Terms:
    """When alerts fire, are told again, and resolve.

    Parameters
    ----------
    fire_after_s, resolve_after_s : float
    repeat_s : float
        After this a firing alert is told again; the next time after twice as long, and so on.
    most_repeats : int
        After so many it is told no more until it resolves.
    """

    fire_after_s: float = 60.0
    resolve_after_s: float = 180.0
    repeat_s: float = 4 * 3600.0
    most_repeats: int = 5


class Episode(Told, frozen=True):
    """An alert that fires; all of it that must outlive a restart.

    Parameters
    ----------
    id : str
    began_s, told_s : float
        When it fired, and when it was last told.
    sequence : int
        Notices so far.
    repeats : int
        How many of them only repeated it.
    finding : Finding
        As it was last told, at the worst severity so far.
    """

    id: str
    began_s: float
    told_s: float
    sequence: int
    finding: Finding
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class Tracked:
    """One key from moment to moment.

    Parameters
    ----------
    over_s, under_s : float or None
        Since when it is over, and since when clearly under (or withdrawn).
    episode : Episode or None
        None: it does not fire.
    """

    over_s: float | None = None
    under_s: float | None = None
    episode: Episode | None = None


Tracks = Mapping[AlertKey, Tracked]


@dataclass(frozen=True, slots=True)
class Step:
    """What a moment came to.

    Parameters
    ----------
    tracks : mapping of AlertKey to Tracked
        For the next moment.
    notices : tuple of Notice
        In the order of their keys.
    """

    tracks: Tracks
    notices: tuple[Notice, ...] = field(default=())


def resume(episodes: Mapping[AlertKey, Episode]) -> Tracks:
    """Return the tracks after a restart: what fired fires on, and is not told again."""
    return {key: Tracked(episode=episode) for key, episode in episodes.items()}


def step(
    tracks: Tracks,
    findings: Mapping[AlertKey, Finding],
    now_s: float,
    terms: Terms,
    would_do: Callable[[Finding], Finding] = lambda finding: finding,
) -> Step:
    """Take in a moment.

    Parameters
    ----------
    tracks : mapping of AlertKey to Tracked
    findings : mapping of AlertKey to Finding
        All that is looked at. A key that fires and is not among them counts as withdrawn.
    now_s : float
        Unix seconds; a clock that is put back lengthens the times, and does nothing else.
    terms : Terms
    would_do : callable
        Adds to a finding that is told what would have been done.
    """
    after: dict[AlertKey, Tracked] = {}
    notices: list[Notice] = []
    for key in sorted(tracks.keys() | findings.keys()):
        tracked, finding = tracks.get(key, Tracked()), findings.get(key)
        if tracked.episode is None:
            tracked, told = _quiet(tracked, finding, now_s, terms)
        else:
            tracked, told = _firing(tracked, tracked.episode, finding, now_s, terms)
        if told and tracked.episode is not None:
            tracked, told = _dressed(tracked, tracked.episode, told, would_do)
        notices += told
        if tracked.episode is not None or tracked.over_s is not None:
            after[key] = tracked
    return Step(after, tuple(notices))


Outcome = tuple[Tracked, list[Notice]]


def _quiet(tracked: Tracked, finding: Finding | None, now_s: float, terms: Terms) -> Outcome:
    if finding is None or finding.standing == "under":
        return Tracked(), []
    if tracked.over_s is None and finding.standing != "over":
        return Tracked(), []
    over_s = _since(tracked.over_s, now_s)
    if finding.standing != "over" or now_s - over_s < terms.fire_after_s:
        return Tracked(over_s=over_s), []
    episode = Episode(digest(*finding.key, repr(now_s)), now_s, now_s, 0, finding)
    return _tell(Tracked(episode=episode), episode, "fired", now_s)


def _firing(tracked: Tracked, episode: Episode, finding: Finding | None, now_s: float, terms: Terms) -> Outcome:
    if finding is None or finding.standing == "under":
        under_s = _since(tracked.under_s, now_s)
        if now_s - under_s < terms.resolve_after_s:
            return Tracked(under_s=under_s, episode=episode), []
        last = episode if finding is None else _with(episode, finding)
        _, told = _tell(tracked, last, "resolved", now_s, "withdrawn" if finding is None else "under")
        return Tracked(), told
    tracked = Tracked(episode=episode)
    if finding.standing != "over":
        return tracked, []
    if RANK[finding.severity] > RANK[episode.finding.severity]:
        return _tell(tracked, _with(episode, finding), "worsened", now_s)
    pause_s = terms.repeat_s * 2.0 ** min(episode.repeats, 30)
    if episode.repeats < terms.most_repeats and now_s - episode.told_s >= pause_s:
        again = structs.replace(_with(episode, finding), repeats=episode.repeats + 1)
        return _tell(tracked, again, "repeated", now_s)
    return tracked, []


def _tell(tracked: Tracked, episode: Episode, what: What, now_s: float, ended: Ended = "") -> Outcome:
    sequence = episode.sequence + 1
    told = structs.replace(episode, told_s=now_s, sequence=sequence)
    notice = Notice(episode.id, sequence, what, now_s, episode.began_s, episode.finding, ended)
    return replace(tracked, episode=told), [notice]


def _dressed(tracked: Tracked, episode: Episode, told: list[Notice], would_do: Callable[[Finding], Finding]) -> Outcome:
    finding = would_do(episode.finding)
    episode = structs.replace(episode, finding=finding)
    return replace(tracked, episode=episode), [structs.replace(notice, finding=finding) for notice in told]


def _with(episode: Episode, finding: Finding) -> Episode:
    """The newest finding, at the worst severity so far: it never falls within an episode, so it cannot flap."""
    worst = max(finding.severity, episode.finding.severity, key=RANK.__getitem__)
    return structs.replace(episode, finding=structs.replace(finding, severity=worst))


def _since(before_s: float | None, now_s: float) -> float:
    return now_s if before_s is None else min(before_s, now_s)
