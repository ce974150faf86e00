"""The program as such: how fast it answers, which stream says what, and how it ends."""

import os
import re
import resource
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

HEAVY = ("numpy", "scipy", "ortools", "highspy", "kubernetes", "networkx", "pulp", "jinja2", "msgspec")


def test_help_imports_no_heavy_library() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "powerplane", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    imported = set(re.findall(r"\| +([\w.]+)$", done.stderr, flags=re.MULTILINE))
    assert "cyclopts" in imported
    assert not imported & set(HEAVY)


@pytest.mark.slow  # Timed where nothing else runs beside it.
def test_help_costs_less_than_three_tenths_of_a_second(process: Any) -> None:
    def seconds() -> float:
        # Time of the processor, which other programs disturb less than they disturb the clock on the wall.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert process("--help").code == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(5)) < 0.3


@pytest.mark.parametrize(
    "words",
    [[], ["plan"], ["verify"], ["explain"], ["explain", "move"], ["explain", "domain"], ["snapshot"], ["demo"]],
    ids=" ".join,
)
def test_help_goes_to_stdout_and_exits_0(words: list[str], process: Any) -> None:
    done = process(*words, "--help")
    assert (done.code, done.err) == (0, "")
    assert "Usage: powerplane" in done.out


def test_the_version_is_that_of_the_package(process: Any) -> None:
    done = process("--version")
    assert (done.code, done.out, done.err) == (0, f"powerplane {version('powerplane')}\n", "")


def test_kubectl_finds_the_program_under_its_own_name() -> None:
    plugin = Path(sys.executable).with_name("kubectl-powerplane")
    done = subprocess.run([plugin, "plan", "--nonsense"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "kubectl powerplane plan --help" in done.stderr


def test_data_goes_to_stdout_and_nothing_else_does(hot_cluster: Any, process: Any) -> None:
    done = process("plan", "--snapshot", hot_cluster.write(), "-o", "json")
    assert done.out.startswith("{")
    assert done.out.endswith("}\n")
    assert all(line.startswith("powerplane: ") for line in done.err.splitlines())


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_reader_that_leaves_early_is_no_error(form: str, hot_cluster: Any) -> None:
    command = [sys.executable, "-m", "powerplane", "plan", "--snapshot", hot_cluster.write(), "-o", form]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read()
    assert (process.returncode, "Traceback" in told, "rror" in told) == (141, False, False)


def test_ctrl_c_ends_the_program_with_130_and_no_traceback(cluster: Any) -> None:
    # Reading from a pipe that nobody writes to blocks for certain, at a moment when nothing has been printed.
    pods = cluster.write() / "pods.json"
    pods.unlink()
    os.mkfifo(pods)
    command = [sys.executable, "-m", "powerplane", "plan", "--snapshot", cluster.directory]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        # The first line of progress says that the program reads, which it can only do from the pipe.
        assert "reading the snapshot" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "powerplane: interrupted" in err
    assert "Traceback" not in err


def test_what_takes_long_says_what_it_does_on_stderr(cluster: Any) -> None:
    pods = cluster.write() / "pods.json"
    text = pods.read_bytes()
    pods.unlink()
    os.mkfifo(pods)
    command = [sys.executable, "-m", "powerplane", "plan", "--snapshot", cluster.directory, "-o", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert re.fullmatch(r"powerplane: reading the snapshot \(\d+ s\)\n", process.stderr.readline())
        pods.write_bytes(text)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.startswith("{")


def test_no_message_steers_the_terminal_that_it_is_shown_on(program: Any, tmp_path: Path) -> None:
    done = program(
        "top", "--once", "--snapshot", str(tmp_path / "no\x1b[31m\x07\u202eone"), "--telemetry", str(tmp_path)
    )
    assert done.code == 1
    assert done.err.replace("\n", "").isprintable()
