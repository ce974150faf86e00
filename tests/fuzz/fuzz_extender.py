"""Coverage-guided fuzzing of the extender's wire and application.

Finds what a request can do that none may: an exception, a status that does not exist, a 200 whose filter reply lacks a
member, a request that takes longer than a second.
"""

import asyncio
import time

import atheris

with atheris.instrument_imports(include=["powerplane.scheduler_extender", "json"]):
    from powerplane.scheduler_extender.app import ExtenderApp
    from powerplane.scheduler_extender.limits import Limits
    from powerplane.scheduler_extender.metrics import ExtenderMetrics
from tests.fuzz.judging import SEEDS, judge, real_answers
from tests.fuzz.running import fuzz
from tests.scheduler_extender.asking import ask

PATHS = tuple(f"/scheduler/v1/{verb}" for verb in ("filter", "prioritize", "preempt", "bind"))
LIMITS = Limits(body_bytes=1 << 20, odd_body_bytes=1 << 16, pod_bytes=1 << 16, read_timeout_s=1, bind_timeout_s=1)
LONGEST_S = 1.0

APP = ExtenderApp(real_answers(), ExtenderMetrics(), limits=LIMITS)
LOOP = asyncio.new_event_loop()


def one_input(data: bytes) -> None:
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


if __name__ == "__main__":
    fuzz(one_input, (bytes([verb]) + body for verb, body in SEEDS), max_len=65_536)
