"""What may be wrong with samples, each with its name, what it means and what is done about it.

The names stand in ``NodeReadings.found`` and ``why``, in counters and in the documentation's table.
"""

from typing import Literal, NamedTuple

Level = Literal["sample", "series", "node", "source"]
"""What is judged: one sample, one series of samples, all series of a node by one source, or the whole source."""


class Verdict(NamedTuple):
    """One thing that may be wrong.

    Parameters
    ----------
    name : str
    level : Level
    usable : bool
        Whether a value comes out all the same.
    meaning, remedy : str
        What was found, and what is done then.
    """

    name: str
    level: Level
    usable: bool
    meaning: str
    remedy: str


VERDICTS = (
    Verdict("nan", "sample", False, "not a number", "dropped"),
    Verdict("infinite", "sample", False, "infinite", "dropped"),
    Verdict("negative", "sample", False, "below zero", "dropped"),
    Verdict("blank", "sample", False, "a number that stands for no value (DCGM's blanks)", "dropped"),
    Verdict("absurd", "sample", False, "more than any such thing draws or uses", "dropped"),
    Verdict("undated", "sample", False, "no usable time", "dropped"),
    Verdict("future", "sample", False, "later than the answer that it came in", "dropped, or dated by the newest"),
    Verdict("disordered", "series", True, "samples out of the order of time", "put in order"),
    Verdict("repeated", "series", True, "two values at one time", "the higher one counts"),
    Verdict("doubled", "series", True, "one thing measured by two live series", "the higher one counts, never the sum"),
    Verdict("reset", "series", True, "a counter that fell", "the rate goes on after the fall, which is left out"),
    Verdict("short", "series", False, "a counter with too few samples for a rate", "no value until the next sample"),
    Verdict("zero", "series", False, "a lit processor, memory or accelerator without any draw", "no value"),
    Verdict("frozen", "series", False, "the same value to the bit where noise is expected", "not used while it lasts"),
    Verdict("late", "series", True, "older than a scrape and a half, younger than three", "held"),
    Verdict("stale", "series", False, "three scrapes old or older", "not used"),
    Verdict(
        "missing", "series", False, "known before, absent from this answer", "held while younger than three scrapes"
    ),
    Verdict("unmatched", "series", False, "of a node that the cluster does not have", "not used"),
    Verdict("partial", "node", False, "some of a node's devices have no usable value", "the source's sum is not used"),
    Verdict("too low", "node", False, "less than the node can draw", "the next source counts"),
    Verdict("too high", "node", False, "more than the node can draw", "the next source counts"),
    Verdict("wrong unit", "node", False, "outside what the node can draw, by a power of ten", "the next source counts"),
    Verdict("below parts", "node", False, "a wall reading below the node's measured parts", "the parts count"),
    Verdict("disagrees", "node", True, "two sources that can be believed, far apart", "the higher one counts"),
    Verdict(
        "outvoted", "node", False, "one source against two that agree, by a power of ten", "the next source counts"
    ),
    Verdict("dark", "node", True, "no draw at the wall, again and again, and the node is not ready", "counts as read"),
    Verdict("clock skew", "source", True, "the source's clock is not ours", "ages are taken by the source's own clock"),
    Verdict("no answer", "source", False, "the source could not be asked", "its samples are held"),
)

BY_NAME = {verdict.name: verdict for verdict in VERDICTS}
