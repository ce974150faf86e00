"""A coverage-guided run of atheris in a process of its own, with bounds on time and memory.

    python -m tests.fuzz.fuzz_reviews --seconds 20

libFuzzer ends a run that finds something with a status other than 0, and says what it was.
"""

import argparse
import logging
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import atheris

SLOWEST_S = 5
MOST_MB = 1024


def fuzz(one_input: Callable[[bytes], None], seeds: Iterable[bytes], *, max_len: int = 16_384) -> None:
    """Run until the time is over or something is found; does not return.

    Parameters
    ----------
    one_input : callable
        What is tried; whatever it raises is found.
    seeds : iterable of bytes
        To start from.
    max_len : int
        Bytes of an input.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--corpus", type=Path, help="a directory to go on from, and to keep what is new in")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.disable()
    corpus = given.corpus or Path(tempfile.mkdtemp(prefix="corpus-"))
    corpus.mkdir(exist_ok=True)
    for at, seed in enumerate(seeds):
        (corpus / f"seed-{at}").write_bytes(seed)
    bounds = [f"-max_total_time={given.seconds}", f"-timeout={SLOWEST_S}", f"-rss_limit_mb={MOST_MB}"]
    shape = [f"-max_len={max_len}", f"-seed={given.seed}", f"-artifact_prefix={corpus}/found-", "-verbosity=1"]
    atheris.Setup([sys.argv[0], *bounds, *shape, str(corpus)], one_input)
    atheris.Fuzz()


def told(error: Exception) -> None:
    """Ensures that a refusal says why, in short lines of plain letters."""
    assert 0 < len(str(error)) < 500
    assert all(line.isprintable() for line in str(error).splitlines())
