"""One rig for all tests of a run; each test finds it empty, with the scheduler's own defaults."""

import os
from collections.abc import Callable, Iterator

import pytest
from tests.conftest import find_prometheus
from tests.rig.acts import furnish
from tests.rig.cluster import clear, refresh
from tests.rig.objects import install_crds
from tests.rig.operator import Operated, OperatedCluster, Operator, operated
from tests.rig.rig import Rig, running_rig
from tests.rig.security import applied, wait_for_guards
from tests.rig.sizes import chosen_size

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
    return refresh(shared_rig)


@pytest.fixture(scope="module")
def warnings(shared_rig: Rig) -> Iterator[list[str]]:
    """What the server warned of as rights and policies were applied, over a furnished cluster that they guard."""
    refresh(shared_rig)
    install_crds(shared_rig)
    with applied(shared_rig, "rbac.yaml", "rbac-operator.yaml", "admission-policies.yaml") as told:
        furnish(shared_rig)
        wait_for_guards(shared_rig)
        yield told
    clear(shared_rig)


@pytest.fixture
def guarded(shared_rig: Rig, warnings: list[str]) -> Rig:
    """The same rig."""
    return shared_rig


@pytest.fixture(scope="module")
def parts() -> Iterator[Operated]:
    """A rig of its own that keeps an audit log, under load, with a webhook and a Prometheus, for `operate`."""
    with running_rig("operator", audit=True) as rig, operated(rig, find_prometheus(), chosen_size()) as made:
        yield made


@pytest.fixture
def racks(parts: Operated) -> Iterator[OperatedCluster]:
    """That cluster: whole, every rack a little under its budget, no plan, no operator."""
    cluster = parts.cluster
    cluster.stop_everything(None)
    # A Job's next pod comes later from failure to failure, and an eviction counts as one.
    parts.wait(lambda: cluster.whole() and parts.hook.ready(), 90)
    cluster.drop_plans()
    cluster.settle_budgets()
    yield cluster
    parts.end_operators()


@pytest.fixture
def course(parts: Operated, racks: OperatedCluster, figure: Callable[[str], None]) -> Iterator[None]:
    """Tells at the end how long it took until all was well, and by how much."""
    before = racks.audited(finished=False)
    yield
    after = racks.audited(finished=False)
    figure(
        f"all well {parts.settling_s:.1f} s after it; {after.plans - before.plans} plans, "
        f"{after.evictions - before.evictions} evictions; load {os.getloadavg()[0]:.1f}"
    )


@pytest.fixture
def heaviest(racks: OperatedCluster) -> str:
    """The rack that draws most."""
    return max(racks.budgets_w, key=racks.draw_w)


@pytest.fixture
def operator(parts: Operated, racks: OperatedCluster) -> Operator:
    """One operator, recommender and actuator both."""
    return parts.operator()
