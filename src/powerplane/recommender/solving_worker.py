"""The process that solves for the recommender: a snapshot in, a checked plan out; niced, bounded, and not left behind.

It runs apart so that minutes of native code neither hold up the recommender's looks nor outlive it.
"""

import ctypes
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from powerplane.models.errors import PowerPlaneError
from powerplane.models.plan import Plan
from powerplane.models.snapshot import Snapshot
from powerplane.recommender.planning import make_plan

NICENESS = 10
PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that this process gets when its parent ends."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One solve.

    Parameters
    ----------
    snapshot : Snapshot
    deadline_s : float
        For everything; saying why nothing holds may take as long again.
    seed : int
    """

    snapshot: Snapshot
    deadline_s: float
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What came of it.

    Parameters
    ----------
    plan : Plan or None
        Checked; None where there is none.
    trouble : str
        Why not; "" where there is one.
    """

    plan: Plan | None
    trouble: str = ""


def serve(channel: Connection, parent: int, most_bytes: int) -> None:
    """Answer questions until the channel ends.

    Parameters
    ----------
    channel : Connection
    parent : int
        The process that asks: without it this one ends.
    most_bytes : int
        Of memory that may be asked for.
    """
    _settle(parent, most_bytes)
    while True:
        try:
            question = channel.recv()
        except EOFError:
            return
        channel.send(answer(question))


def answer(question: Question) -> Answer:
    """Solve; whatever goes wrong is told."""
    began_s = time.monotonic()
    try:
        plan = make_plan(
            question.snapshot,
            objective="disruption",
            deadline_s=question.deadline_s,
            seed=question.seed,
            say=_silent,
            clock=lambda: time.monotonic() - began_s,
        )
    except PowerPlaneError as error:
        return Answer(None, error.problem)
    except MemoryError:
        return Answer(None, "solving needs more memory than it may have")
    except Exception as error:  # the parent shall hear of it, and the next question finds a process that works
        return Answer(None, f"{type(error).__name__}: {error}")
    return Answer(plan)


def _silent(what: str) -> None:
    del what


def _settle(parent: int, most_bytes: int) -> None:
    """Be nice and small, and end when the parent does."""
    # A Ctrl-C reaches the whole group of processes: the parent decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have ended before the signal was asked for.
    if os.getppid() != parent:
        os._exit(0)
    os.nice(NICENESS)
