from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.simulator.worlds import SMALL, study_of

from powerplane.simulator.placing import Placer
from powerplane.simulator.pods import NOWHERE
from powerplane.simulator.scenario_file import Study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study_of(SMALL, tmp_path_factory.mktemp("placing"))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    orders=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 40)), max_size=6),
    shut=st.sets(st.integers(0, 17), max_size=10),
)
def test_one_after_another_pods_go_where_each_would_go_by_itself(
    study: Study, orders: list[tuple[int, int]], shut: set[int]
) -> None:
    together, alone = Placer(study.spec.base), Placer(study.spec.base)
    ready = np.ones(len(study.spec.base.nodes), dtype=bool)
    ready[list(shut)] = False
    for template, count in orders:
        choices = together.choices(template, ready)
        for _ in range(count):
            node, expected = next(choices, NOWHERE), alone.choose(template, ready)
            assert node == expected
            if node == NOWHERE:
                break
            together.take(template, node)
            alone.take(template, node)
            assert ready[node]
    assert (together.free >= 0).all()
    assert (together.free == alone.free).all()


def test_pods_spread_over_hosts_then_go_where_most_is_left(study: Study) -> None:
    placer = Placer(study.spec.base)
    ready = np.ones(len(study.spec.base.nodes), dtype=bool)
    nodes = []
    for node in placer.choices(0, ready):
        placer.take(0, node)
        nodes.append(node)
        if len(nodes) == len(ready):
            break
    assert sorted(nodes) == list(range(len(ready)))
    big = {
        i for i, each in enumerate(study.spec.base.nodes) if (each.metadata.labels or {}).get("nvidia.com/gpu.product")
    }
    assert set(nodes[: len(big)]) == big


def test_what_fits_nowhere_goes_nowhere(study: Study, tmp_path: Path) -> None:
    placer = Placer(study.spec.base)
    assert placer.choose(0, np.zeros(len(study.spec.base.nodes), dtype=bool)) == NOWHERE
    placer.free[:, 0] = 1
    assert placer.choose(0, np.ones(len(study.spec.base.nodes), dtype=bool)) == NOWHERE
