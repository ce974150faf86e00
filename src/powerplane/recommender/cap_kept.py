"""What pods were seen to draw, as a policy's status keeps it over the end of the recommender, and as it is read again.

Whoever may write that status decides what a share of the average comes to, so that only PowerPlane may (see the
admission policy ``powerplane-statuses``). What is read is checked all the same: one part that cannot be so refuses all.
"""

import logging
import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from powerplane.models.api.capping_status import MOST_KEPT, SeenAverage
from powerplane.models.errors import InputError
from powerplane.recommender.cap_now import BINS, LONGEST_GAP_S, DrawMean, Part, window_s

LOG = logging.getLogger(__name__)

PART: Final = re.compile(r"([0-9]{1,12}):([0-9]{1,9}(?:\.[0-9]{1,3})?):([0-9]{1,13})", re.ASCII)
"""Number of the part since 1970, seconds of it that were seen, and the mean draw in milliwatts, 10 GW at the most."""

MOST_MW: Final = 10**13
ROUNDING_S: Final = 0.001


def kept_of(means: Mapping[str, DrawMean]) -> tuple[SeenAverage, ...]:
    """Return what is to be kept, of the longest windows where there are too many: they take longest to be seen again.

    Parameters
    ----------
    means : mapping
        By window.
    """
    longest = sorted(means, key=lambda window: (-window_s(window), window))[:MOST_KEPT]
    return tuple(SeenAverage(window, _told(means[window])) for window in longest if means[window].parts)


def begun(
    window: str, kept: Iterable[SeenAverage], now_s: float, title: str, before: DrawMean | None = None
) -> DrawMean:
    """Return a mean that begins with what was kept; what cannot be read is told in the log, and passed over.

    Parameters
    ----------
    window : str
        One that can be read.
    kept : iterable of SeenAverage
    now_s : float
        Unix seconds.
    title : str
        Of the policy, for people.
    before : DrawMean or None
        What this program has seen itself, before a gap; the fuller of the two is gone on with.
    """
    length_s = window_s(window)
    text = next((each.parts for each in kept if each.window == window), "")
    try:
        parts = put_back(text, length_s, now_s)
    except InputError as error:
        LOG.warning("%s: what its pods drew over %s is not taken up again: %s", title, window, error.problem)
        parts = []
    if before is not None and sum(each[1] for each in before.parts) >= sum(each[1] for each in parts):
        parts = list(before.parts)
    return DrawMean(length_s, deque(parts))


def put_back(text: str, length_s: float, now_s: float) -> list[Part]:
    """Return the parts of a window that still count.

    Parameters
    ----------
    text : str
        As ``SeenAverage.parts`` has it.
    length_s : float
        Of the window.
    now_s : float
        Unix seconds.

    Raises
    ------
    InputError
        Where it is damaged.
    """
    found: list[Part] = []
    for word in text.split():
        match = PART.fullmatch(word)
        if match is None:
            raise InputError(f"{word[:40]!r} is no part of it", "nothing has to be done: it is learned anew")
        part_s = length_s / BINS
        start_s, seconds, mw = int(match[1]) * part_s, float(match[2]), int(match[3])
        if not 0 < seconds <= part_s + LONGEST_GAP_S + ROUNDING_S or mw > MOST_MW:
            raise InputError(f"{word!r} cannot have been seen", "nothing has to be done: it is learned anew")
        if found and start_s <= found[-1][0]:
            raise InputError(f"{word!r} is not in its order", "nothing has to be done: it is learned anew")
        found.append((start_s, seconds, seconds * mw))
    return [each for each in found if now_s - length_s < each[0] <= now_s]


def _told(mean: DrawMean) -> str:
    part_s = mean.window_s / BINS
    return " ".join(
        f"{round(start_s / part_s)}:{seconds:.3f}:{round(drawn / seconds)}" for start_s, seconds, drawn in mean.parts
    )
