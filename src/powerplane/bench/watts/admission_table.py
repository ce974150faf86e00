"""The table of watts foretold at admission: errors by how many pods came before, and by what a pod says of cards."""

from dataclasses import dataclass

import numpy as np

from powerplane.bench.watts.table import WattsTable

AGES = {1: "first", 10: "tenth", 100: "hundredth"}
ANY = "any"


@dataclass(frozen=True, slots=True)
class Case:
    """One pod at its admission.

    Parameters
    ----------
    age : int
        The how-manieth of its service it is.
    source : str
        What the prediction rests on.
    named : bool
        Whether it names models of cards.
    predicted, by_requests : float
        Watts, on the node types that draw the most of those that the pod can go to.
    anywhere, by_requests_anywhere : float
        The same, on those that draw the most of all.
    at_home : float
        The same as ``predicted``, had it been known which type of node the pod would run on.
    busy, mean : float
        What it drew over the day after: 95th percentile and mean, watts.
    """

    age: int
    source: str
    named: bool
    predicted: float
    by_requests: float
    anywhere: float
    by_requests_anywhere: float
    at_home: float
    busy: float
    mean: float


def rows_of(name: str, cards: str, age: int, by_seed: list[list[Case]]) -> list[tuple[str, ...]]:
    """A row for each thing that predictions of an age rest on."""
    sources = sorted({case.source for cases in by_seed for case in cases})
    return [
        _row(name, cards, age, source, [[case for case in cases if case.source == source] for cases in by_seed])
        for source in sources
    ]


def _row(name: str, cards: str, age: int, source: str, by_seed: list[list[Case]]) -> tuple[str, ...]:
    seeds = [cases for cases in by_seed if cases]
    columns = ("predicted", "anywhere", "by_requests", "by_requests_anywhere", "at_home")
    ours, anywhere, theirs, theirs_anywhere, at_home = (
        [_error(cases, column) for cases in seeds] for column in columns
    )
    low = [float(np.mean([case.busy > case.predicted for case in cases])) for cases in seeds]
    low_by_requests = [float(np.mean([case.busy > case.by_requests for case in cases])) for cases in seeds]
    held, held_by_requests = (
        [sum(getattr(case, column) for case in cases) / sum(case.mean for case in cases) for cases in seeds]
        for column in ("predicted", "by_requests")
    )
    worse = np.median(ours) > np.median(theirs)
    error = f"{np.median(ours):.0%} ({min(ours):.0%} to {max(ours):.0%})"
    too_low = f"{np.median(low):.0%}"
    return (
        name,
        cards,
        AGES[age],
        source,
        str(sum(map(len, seeds))),
        f"**{error}**" if worse else error,
        f"{np.median(anywhere):.0%}",
        f"{np.median(theirs):.0%}",
        f"{np.median(theirs_anywhere):.0%}",
        f"{np.median(at_home):.0%}",
        f"**{too_low}**" if np.median(low) > max(0.05, float(np.median(low_by_requests))) else too_low,
        f"{np.median(low_by_requests):.0%}",
        f"{np.median(held):.2f}",
        f"{np.median(held_by_requests):.2f}",
    )


def _error(cases: list[Case], column: str) -> float:
    return float(np.median([abs(getattr(case, column) - case.busy) / max(case.busy, 1.0) for case in cases]))


def table_of(
    rows: list[tuple[str, ...]], seeds: tuple[int, ...], sizes: tuple[int, int], gap_minutes: float, days: int
) -> WattsTable:
    """Return the table, with what was measured.

    Parameters
    ----------
    rows : list of tuple of str
    seeds : tuple of int
    sizes : (int, int)
        Least and most pods of a service.
    gap_minutes : float
        Between two of its pods, on average.
    days : int
    """
    return WattsTable(
        title="Watts foretold at admission",
        text=(
            "The openb trace's pods on its servers, cut into services of "
            f"{sizes[0]} to {sizes[1]} pods that come {gap_minutes:g} minutes apart on average, over "
            f"{days} days; seeds {', '.join(map(str, seeds))}; the use over time of the tables above. Each "
            "service's first, tenth and hundredth pod is foretold by the webhook's own function, from what the pods "
            "before it used (looked at hourly), and held against the 95th percentile of what it draws on the day "
            "after: its share, by CPU time, of what its node draws above idle, and its cards. *Rests on*: the "
            "history of its workload, or of pods with the same requests (`class`; the trace names no images), or its "
            "requests. *Cards*: models that it may run on; no pod of the trace's default list names any, a "
            "tenth of those of its list `gpuspec10` do, and of that list these alone count here. *Error*: median of "
            "|foretold - drawn| / drawn, at the median seed (lowest to highest seed), foretold for the node type that "
            "draws the most of those that the pod can go to, by its affinity and its request for cards; *for all "
            "nodes*: for the one that draws the most of all, as it was before. *Too low*: pods that drew more than "
            "foretold. *Watts held*: what was foretold, as a multiple of what was drawn on average. Beside each: the "
            "same by requests. In bold: worse than by requests; too low for more than one in twenty, and more often "
            "than by requests."
        ),
        headings=(
            "use",
            "cards",
            "pod",
            "rests on",
            "pods",
            "error",
            "for all nodes",
            "by requests",
            "by requests, for all nodes",
            "on its own type",
            "too low",
            "by requests",
            "watts held",
            "by requests",
        ),
        rows=tuple(rows),
        notes=(
            "A pod that names no card can go to every type of node that has any, a pod without cards to every type: a "
            "card draws 60 to 340 W and a core 2.1 to 6.2 W by the type, and how much of the error that is, the column "
            "of errors on its own type of node tells.",
            "Where it is known which nodes a pod can go to, more draw more than foretold: on the catalogue's curve a "
            "core of a server that is a tenth busy draws 1.9 times what one of a full server draws, for which it is "
            "foretold; 1.2 times at a third, no more from half on. Rates of hungrier nodes hid that. What a domain "
            "draws beyond its pods' watts is measured, and comes off its budget.",
            "openb tells no use over time, and the Azure trace is one hour: what pods of one service have in common is "
            "as stated in `bench/watts/daily_use.py` and `request_use.py`, not measured.",
        ),
    )
