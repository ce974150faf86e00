"""The cap of a policy's pods that holds at a moment: in watts, or as a share of their peak or of their average."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from powerplane.models.api.capping_policy import PowerCap
from powerplane.models.errors import InputError
from powerplane.models.quantities import parse_milliwatts

UNITS_S = {"m": 60.0, "h": 3600.0, "d": 86_400.0}
BINS = 120
"""Into so many parts a window is divided, so that a day costs no more than an hour."""

PERCENT = 100
Part = tuple[float, float, float]
"""Unix seconds at which a part of a window begins, seconds of it that were seen, milliwatt seconds drawn in them."""

LONGEST_GAP_S = 300.0
"""Between two looks further apart nothing is known of what was drawn."""


def window_s(text: str) -> float:
    """Seconds of a window such as 30m, 24h or 7d; 0 where it cannot be read."""
    number, unit = text[:-1], text[-1:]
    return int(number) * UNITS_S[unit] if unit in UNITS_S and number.isdecimal() else 0.0


@dataclass(frozen=True, slots=True)
class CapNow:
    """What holds.

    Parameters
    ----------
    mw : int or None
        None where there is no cap now, or where it cannot be told.
    why : str
        Why it cannot be told; "" where it can, or there is none.
    """

    mw: int | None
    why: str = ""


@dataclass(slots=True)
class DrawMean:
    """The mean draw of a policy's pods over a window, in parts of it. Not for several threads at once.

    Parameters
    ----------
    window_s : float
    """

    window_s: float
    _bins: deque[Part] = field(default_factory=deque)
    _last: tuple[float, int] | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """What was seen, the oldest first."""
        return tuple(self._bins)

    def goes_on(self, now_s: float) -> bool:
        """Whether a look now goes on from the last one, or is the first."""
        return self._last is None or 0 <= now_s - self._last[0] <= LONGEST_GAP_S

    def add(self, now_s: float, mw: int) -> None:
        """Take in what is drawn now: it was drawn since the last look."""
        last, self._last = self._last, (now_s, mw)
        if last is None or not 0 < now_s - last[0] <= LONGEST_GAP_S:
            return
        seconds, length_s = now_s - last[0], self.window_s / BINS
        start_s = now_s // length_s * length_s
        drawn = seconds * (mw + last[1]) / 2
        if self._bins and self._bins[-1][0] == start_s:
            _, before_s, before = self._bins.pop()
            seconds, drawn = seconds + before_s, drawn + before
        self._bins.append((start_s, seconds, drawn))
        # A clock that was set back leaves parts that are to come: they are forgotten as well.
        self._bins = deque(each for each in self._bins if now_s - self.window_s < each[0] <= now_s)

    def mean_mw(self, usual_mw: float | None) -> float | None:
        """Return the mean; what is remembered of the workloads stands in for the part that was not seen.

        Parameters
        ----------
        usual_mw : float or None
            None where nothing is remembered.

        Returns
        -------
        float or None
            None where less than the whole window was seen and nothing is remembered.
        """
        seen_s, drawn = sum(each[1] for each in self._bins), sum(each[2] for each in self._bins)
        lacking_s = max(self.window_s - seen_s, 0.0)
        if usual_mw is None:
            # The newest part is never full.
            return drawn / seen_s if seen_s and lacking_s <= 2 * self.window_s / BINS else None
        return (drawn + lacking_s * usual_mw) / (seen_s + lacking_s)


def cap_now(caps: Iterable[PowerCap], peak_mw: int, mean_mw: dict[str, float | None]) -> CapNow:
    """Return the lowest of the caps that hold at a moment.

    Parameters
    ----------
    caps : iterable of PowerCap
        As ``caps_at`` returns them.
    peak_mw : int
        What the pods draw at full load.
    mean_mw : dict of window to float or None
        What they drew on average; None where that is not known.
    """
    found, why = list[int](), ""
    for cap in caps:
        if cap.percent_of_peak is not None:
            found.append(peak_mw * cap.percent_of_peak // PERCENT)
        elif cap.percent_of_average is not None:
            mean = mean_mw.get(cap.window)
            if mean is None:
                why = f"too little is known of what the pods drew over {cap.window or 'the window'}"
            else:
                found.append(int(mean * cap.percent_of_average / PERCENT))
        else:
            try:
                found.append(parse_milliwatts(cap.watts))
            except InputError as error:
                why = error.problem
    return CapNow(min(found), why) if found else CapNow(None, why)
