"""Coverage-guided runs of atheris, each in a process of its own: no crash, no slow input, bounded memory."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.atheris]

ROOT = Path(__file__).parents[2]
SECONDS = 20
APART = ("/bin/sh", "-c", '"$@"; exit $?', "sh")
"""A shell in between: the peak of memory that a process is told to have had begins with that of whoever started it, so
that what other tests took before would count."""
TARGETS = ("fuzz_reviews", "fuzz_quantities", "fuzz_json", "fuzz_extender")


@pytest.mark.parametrize("target", TARGETS)
def test_coverage_guided_fuzzing_finds_nothing(target, tmp_path):
    command = [*APART, sys.executable, "-m", f"tests.fuzz.{target}", f"--seconds={SECONDS}", f"--corpus={tmp_path}"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=6 * SECONDS,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    )
    assert done.returncode == 0, f"{inputs_found(tmp_path)}\n{untold(done.stdout)}\n{untold(done.stderr)}"
    assert "Done" in done.stderr


def inputs_found(corpus):
    """What was found, so that it can be tried again from what a run printed."""
    return "\n".join(f"{path.name}: {path.read_bytes()!r}" for path in corpus.glob("found-*"))


def untold(text):
    """What a run printed, but for the lines about its progress."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))[-6000:]


def test_every_target_is_run():
    found = {path.stem for path in Path(__file__).parent.glob("fuzz_*.py")}
    assert found == set(TARGETS)


def test_what_is_found_fails_the_run(tmp_path):
    target = tmp_path / "fuzz_nothing.py"
    target.write_text("from tests.fuzz.running import fuzz\nfuzz(lambda data: 1 / (len(data) - 3), [b'abc'])\n")
    done = subprocess.run(
        [sys.executable, str(target), "--seconds=5", f"--corpus={tmp_path / 'corpus'}"],
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert b"ZeroDivisionError" in done.stdout + done.stderr
