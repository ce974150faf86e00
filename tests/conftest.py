"""What holds for every test: how a missing real part is told, and the environment that programs are run in.

A *real part* is something that a test needs and no package brings: a browser, a recorded data set. Without it a test
skips and names it. In CI a part that can be installed has to be there, so such a skip is a failure; only data sets
that may not be shipped stay a skip.
"""

import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.rig.build import why_not

IN_CI = os.environ.get("CI", "").lower() in ("1", "true")
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
DATA_VARIABLE = "POWERPLANE_DATA"


def find_chromium() -> str | None:
    """Path of a Chromium browser, None where there is none."""
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


def find_prometheus() -> str | None:
    """Path of Prometheus' server, None where there is none."""
    return shutil.which("prometheus")


def find_alertmanager() -> str | None:
    """Path of Prometheus' Alertmanager, by Debian's name or its own; None where there is none."""
    return shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


def find_data() -> Path | None:
    """Directory of the recorded data sets, None where there is none."""
    named = os.environ.get(DATA_VARIABLE)
    return Path(named) if named and Path(named).is_dir() else None


def find_atheris() -> bool:
    """Whether coverage-guided fuzzing can be run."""
    return importlib.util.find_spec("atheris") is not None


def find_rig() -> bool:
    """Whether the programs of a control plane are built, or may be built here."""
    return why_not() is None


REAL_PARTS: dict[str, tuple[Callable[[], object], str, bool]] = {
    "chromium": (find_chromium, "a Chromium browser on PATH (Debian: apt-get install chromium)", True),
    "rig": (find_rig, "a real control plane: Linux, and Go to build it with (tests/rig/tools)", True),
    "atheris": (find_atheris, "atheris (Linux on x86-64, Python below 3.14: make venv)", True),
    "prometheus": (find_prometheus, "Prometheus on PATH (Debian: apt-get install prometheus)", True),
    "alertmanager": (
        find_alertmanager,
        "Alertmanager on PATH (Debian: apt-get install prometheus-alertmanager)",
        True,
    ),
    "data": (find_data, f"the recorded data sets ({DATA_VARIABLE}=DIR; not shipped with the project)", False),
}
"""Marker: how the part is found, what to tell, and whether CI must have it."""


def real_part(name: str) -> None:
    """Skip the running test, naming the part that is missing; fail it where CI must have the part."""
    find, what, required_in_ci = REAL_PARTS[name]
    if find():
        return
    if IN_CI and required_in_ci:
        pytest.fail(f"missing real part: {name}: {what}", pytrace=False)
    pytest.skip(f"missing real part: {name}: {what}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip or fail tests whose real part is missing."""
    for name in REAL_PARTS:
        if item.get_closest_marker(name):
            real_part(name)


@pytest.fixture
def data_dir() -> Path:
    """Directory of the recorded data sets; skips, by name, where it is missing."""
    real_part("data")
    found = find_data()
    assert found is not None
    return found


@pytest.fixture
def prometheus() -> str:
    """Path of Prometheus' server; skips, by name, where it is missing."""
    real_part("prometheus")
    found = find_prometheus()
    assert found is not None
    return found


@pytest.fixture
def alertmanager() -> str:
    """Path of Prometheus' Alertmanager; skips, by name, where it is missing."""
    real_part("alertmanager")
    found = find_alertmanager()
    assert found is not None
    return found


@pytest.fixture
def chromium() -> str:
    """Path of a Chromium browser; skips, by name, where it is missing."""
    real_part("chromium")
    found = find_chromium()
    assert found is not None
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line that says what was skipped for want of a real part."""
    skips = [
        report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        for report in terminalreporter.stats.get("skipped", [])
    ]
    counts = {reason: skips.count(reason) for reason in sorted(set(skips))}
    told = "; ".join(f"{count} × {reason.removeprefix('Skipped: ')}" for reason, count in counts.items())
    terminalreporter.write_line(f"skips: {told or 'none'}")
