"""Names and labels of metrics (Prometheus, "Metric and label naming"; OpenMetrics 1.0)."""

UNITS = ("seconds", "watts", "ratio", "bytes", "joules", "celsius")
"""Base units: what a name says at its end."""

MOST_WORDS = 64
"""Values of a label: whoever stores them bears a series for each."""

OTHER = "Other"


def unit_of(name: str) -> str:
    """Return the unit that a metric's name says at its end; "" for none."""
    last = name.rpartition("_")[2]
    return last if last in UNITS else ""


class LabelWords:
    """Words that a label may have: the first so many that are met; any further one counts as other.

    Parameters
    ----------
    most : int
    """

    def __init__(self, most: int = MOST_WORDS) -> None:
        self._most = most
        self._known: set[str] = set()

    def of(self, word: str) -> str:
        """Return what a word is counted under."""
        if word not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(word)
        return word
