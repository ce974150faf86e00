"""Coverage-guided fuzzing of the extender's wire and application, by atheris.

    python tests/fuzz/fuzz_extender.py -max_total_time=60 CORPUS

Finds what a request can do that none may: an exception, a status that does not exist, a 200 whose filter reply lacks a
member, a request that takes longer than a second (``-timeout`` of libFuzzer ends one that hangs).
"""

import asyncio
import logging
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

import atheris  # noqa: E402  # after the path is set

with atheris.instrument_imports(include=["powerplane.scheduler_extender", "json"]):
    from powerplane.scheduler_extender.app import ExtenderApp
    from powerplane.scheduler_extender.limits import Limits
    from powerplane.scheduler_extender.metrics import ExtenderMetrics
from tests.fuzz.judging import SEEDS, judge, real_answers  # noqa: E402  # after the path is set
from tests.scheduler_extender.asking import ask  # noqa: E402  # after the path is set

PATHS = tuple(f"/scheduler/v1/{verb}" for verb in ("filter", "prioritize", "preempt", "bind"))
LIMITS = Limits(body_bytes=1 << 20, odd_body_bytes=1 << 16, pod_bytes=1 << 16, read_timeout_s=1, bind_timeout_s=1)
LONGEST_S = 1.0

APP = ExtenderApp(real_answers(), ExtenderMetrics(), limits=LIMITS)
LOOP = asyncio.new_event_loop()


def test_one_input(data: bytes) -> None:
    """First byte: the verb, and whether the body comes in pieces; the rest: the body."""
    if not data:
        return
    path, body = PATHS[data[0] % 4], data[1:]
    chunks = [body] if data[0] < 128 else [body[at : at + 5] for at in range(0, min(len(body), 200), 5)] + [body[200:]]
    start = time.perf_counter()
    reply = LOOP.run_until_complete(ask(APP, path, chunks))
    assert time.perf_counter() - start < LONGEST_S
    assert reply is not None
    judge(path, reply)


def main() -> None:
    """Fuzz, from the seeds that are written into the corpus directory first."""
    logging.disable()
    for argument in sys.argv[1:]:
        if Path(argument).is_dir():
            for at, (verb, seed) in enumerate(SEEDS):
                (Path(argument) / f"seed-{at}").write_bytes(bytes([verb]) + seed)
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
