"""One rig for all tests of a run; each test finds it empty, with the scheduler's own defaults."""

from collections.abc import Callable, Iterator

import pytest
from tests.rig import processes
from tests.rig.cluster import clear
from tests.rig.rig import Rig, running_rig, scheduler_config

FIGURES: list[str] = []


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes a measured figure, which the run's summary shows."""
    return lambda text: FIGURES.append(f"{request.node.name}: {text}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures that the tests measured."""
    for line in FIGURES:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def shared_rig() -> Iterator[Rig]:
    """The rig, as the last test left it."""
    with running_rig("tests") as rig:
        yield rig


@pytest.fixture
def rig(shared_rig: Rig) -> Rig:
    """The rig, empty, with a scheduler that has no extender."""
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kwok"):
        # The controller manager ends by itself where the API server is killed before it has found it.
        if name not in shared_rig.pids or not processes.alive(shared_rig.pids[name], name):
            shared_rig.revive(name)
    clear(shared_rig)
    if "kube-scheduler" not in shared_rig.pids or shared_rig.reconfigured:
        shared_rig.restart_scheduler(scheduler_config())
        shared_rig.reconfigured = False
    return shared_rig
