"""The process that solves: it answers, is nice, is ended when it takes too long, and does not outlive its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.models.snapshots import TinyNode, TinyPod, rack, tiny_snapshot

from powerplane.recommender.solving import Solver
from powerplane.solver.check import check


def crowded():
    nodes = [TinyNode("n1", budget_watts=None), TinyNode("n2")]
    pods = [TinyPod(f"p{i}", "n1") for i in range(4)]
    return tiny_snapshot(nodes, pods, [rack("r1", ["n1"], 250), rack("r2", ["n2"], 300)])


def hang(channel, parent, most_bytes):
    channel.recv()
    time.sleep(60)


def listen_never(channel, parent, most_bytes):
    time.sleep(30)


def die(channel, parent, most_bytes):
    channel.recv()
    os.kill(os.getpid(), signal.SIGKILL)


def babble(channel, parent, most_bytes):
    channel.recv()
    channel.send("a plan, honestly")


@pytest.fixture
def solver():
    made = Solver()
    yield made
    made.close()


def test_it_answers_with_a_plan_that_passes_the_checker_and_goes_on_answering(solver):
    snapshot = crowded()
    for _ in range(2):
        found = solver.solve(snapshot, 2.0, 0)
        assert found.trouble == ""
        assert len(found.plan.moves) == 1
        assert check(snapshot, found.plan).ok
    assert solver.starts == 1


def test_it_is_niced_and_bounded_in_memory(solver):
    solver.warm()
    deadline = time.monotonic() + 20
    stat = Path(f"/proc/{solver.pid}/stat")
    nicest = min(os.nice(0) + 10, 19)
    while int(stat.read_text().rsplit(") ", 1)[1].split()[16]) < nicest:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    limits = Path(f"/proc/{solver.pid}/limits").read_text()
    (line,) = [each for each in limits.splitlines() if each.startswith("Max data size")]
    assert line.split()[3] == str(1 << 30)


@pytest.mark.slow
def test_one_that_may_have_little_memory_says_so_and_lives():
    solver = Solver(most_bytes=120 << 20)
    try:
        found = solver.solve(crowded(), 2.0, 0)
        assert found.plan is None
        assert "memory" in found.trouble
    finally:
        solver.close()


@pytest.mark.slow
@pytest.mark.parametrize("target", [die, babble])
def test_one_that_dies_or_babbles_is_told_of_and_the_next_question_finds_another(target):
    solver = Solver(target=target)
    try:
        assert solver.solve(crowded(), 1.0, 0).plan is None
        assert solver.solve(crowded(), 1.0, 0).trouble != ""
        assert solver.starts == 2
    finally:
        solver.close()


def test_one_that_never_takes_the_question_is_ended_too():
    made = Solver(target=listen_never, slack_s=0.2, start_s=3.0)
    began_s = time.monotonic()
    found = made.solve(b"more than a pipe holds" * 100_000, 0.1, 0)
    assert found.plan is None
    assert found.trouble
    assert time.monotonic() - began_s < 15
    assert made.pid == 0


def test_one_that_takes_too_long_is_ended():
    solver = Solver(target=hang, slack_s=0.1, start_s=0.1)
    try:
        solver.warm()
        pid = solver.pid
        began_s = time.monotonic()
        found = solver.solve(crowded(), 0.1, 0)
        assert "broken off" in found.trouble
        assert time.monotonic() - began_s < 5
        assert not Path(f"/proc/{pid}").exists()
    finally:
        solver.close()


PARENT = """
import os, sys, time
from powerplane.recommender.solving import Solver
if __name__ == "__main__":
    solver = Solver()
    solver.warm()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with open(f"/proc/{solver.pid}/stat") as file:
            if int(file.read().rsplit(") ", 1)[1].split()[16]) >= min(os.nice(0) + 10, 19):
                break
        time.sleep(0.1)
    print(solver.pid, flush=True)
    time.sleep(60)
"""


def test_it_ends_when_its_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "the process that solves outlives its parent"
        time.sleep(0.05)
