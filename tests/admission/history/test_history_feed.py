"""The feed of histories: what is known stays while it may be trusted, grows old, and is told; secrets stay secret."""

import asyncio
import sys

import pytest
from prometheus_client import CollectorRegistry

from powerplane.admission.history.feed import TRUSTED_S, HistoryFeed, HistoryMetrics
from powerplane.admission.history.wire import NOTHING_KNOWN, Opening
from powerplane.admission.predicting import Bounds

OPENING = Opening("http://127.0.0.1:9", {"Authorization": "Bearer s3cret"})
ANSWERS = """
import json, sys
opening = json.loads(sys.stdin.buffer.readline())
assert opening["headers"]["Authorization"] == "Bearer s3cret" and "s3cret" not in " ".join(sys.argv)
for round, line in enumerate(sys.stdin.buffer):
    wanted = json.loads(line)["containers"]
    known = {"s/Deployment/w": [[round + 1.0, 4.0], None]}
    usual = {"s/Deployment/w": {"c": [0.5, None]}} if wanted else {}
    told = {"histories": {"workloads": known, "containers": usual, "managed": ["s/Deployment/v"]}, "behind": round == 0}
    if round == 2:
        told = {"error": "Prometheus has no answer"}
    sys.stdout.write(json.dumps(told) + "\\n")
    sys.stdout.flush()
"""


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def feed(clock):
    made = HistoryFeed(OPENING, lambda: True, clock=clock, command=(sys.executable, "-c", ANSWERS))
    yield made
    made.close()


def test_what_the_process_tells_is_known_and_the_same_object_until_there_is_news(feed):
    assert feed.histories() is NOTHING_KNOWN
    assert feed.ask()
    first = feed.histories()
    assert first.workloads["s/Deployment/w"].cores == Bounds(1.0, 4.0)
    assert first.containers["s/Deployment/w"]["c"].cores == 0.5
    assert first.managed == {"s/Deployment/v"}
    assert feed.histories() is first
    assert not feed.ask()
    assert feed.histories().workloads["s/Deployment/w"].cores == Bounds(2.0, 4.0)


def test_a_failed_round_keeps_what_was_known_until_it_is_too_old_to_be_trusted(feed, clock):
    registry = CollectorRegistry()
    registry.register(HistoryMetrics(feed))
    feed.ask()
    feed.ask()
    clock.now_s += 1000
    assert not feed.ask()
    assert feed.error == "Prometheus has no answer"
    assert feed.histories().workloads
    assert registry.get_sample_value("powerplane_admission_history_age_seconds") == 1000
    assert registry.get_sample_value("powerplane_admission_history_failures_total") == 1
    assert registry.get_sample_value("powerplane_admission_history_known", {"what": "workload"}) == 1
    clock.now_s += TRUSTED_S
    assert feed.histories() is NOTHING_KNOWN
    assert registry.get_sample_value("powerplane_admission_history_known", {"what": "workload"}) == 0
    feed.ask()
    assert feed.histories().workloads


@pytest.mark.parametrize("script", ["import sys; sys.exit(3)", "print('no json', flush=True); input(); input()"])
def test_a_process_that_fails_is_told_and_started_anew(clock, script):
    feed = HistoryFeed(OPENING, clock=clock, command=(sys.executable, "-c", script))
    try:
        for _ in range(2):
            assert not feed.ask()
    finally:
        feed.close()
    assert "the process that reads history failed" in feed.error
    assert feed.failures == 2
    assert feed.histories() is NOTHING_KNOWN


def test_a_policy_that_wants_requests_filled_in_is_not_kept_waiting_for_the_next_round():
    wanted = []
    answers = ANSWERS.replace("if round == 2:", "if False:")
    feed = HistoryFeed(OPENING, lambda: bool(wanted), every_s=600, command=(sys.executable, "-c", answers))

    async def follow():
        running = asyncio.create_task(feed.run())
        try:
            for want in (False, True):
                wanted.extend([1] if want else [])
                async with asyncio.timeout(20):
                    while bool(feed.histories().containers) != want or not feed.histories().workloads:
                        await asyncio.sleep(0.05)
        finally:
            running.cancel()

    asyncio.run(follow())
