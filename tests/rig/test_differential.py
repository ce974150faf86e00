"""Where a pod may run: our answer against kube-scheduler's, over thousands of random pods and nodes.

We never allow what the scheduler refuses. We refuse what it allows in two readings only, which have cells of their own:

- An anti-affinity term whose namespace selector holds for a namespace without labels (only NotIn and DoesNotExist).
  kube-scheduler 1.36.3 takes it for all namespaces where the carrier is the pod that it places, and for those that it
  chooses where the carrier is there already. We keep both from all namespaces. An affinity term finds company in the
  chosen namespaces only.
- A volume whose node affinity names nodes by the field metadata.name. The scheduler asks a volume's affinity about a
  node's labels alone and passes over fields; we keep to the name.
"""

from collections import Counter
from collections.abc import Iterator

import pytest
from tests.rig.cells import cell
from tests.rig.cluster import clear
from tests.rig.differential import Comparison, compare, prepare, standing
from tests.rig.oracle import Oracle, running_oracle
from tests.rig.rig import Rig, scheduler_config

pytestmark = [pytest.mark.rig, pytest.mark.slow]

CELLS, NODES, PODS, PROBES = 12, 60, 140, 300
ODD_CELLS = range(100, 102)
STRICTER_SHARE = 0.2
SHOWN = 3


@pytest.fixture(scope="module")
def asked(shared_rig: Rig) -> Iterator[Oracle]:
    """The rig with the recording extender alone, and what all cells share."""
    clear(shared_rig)
    with running_oracle() as oracle:
        shared_rig.restart_scheduler(scheduler_config(oracle.extender(), percentageOfNodesToScore=100))
        prepare(shared_rig)
        yield oracle
        clear(shared_rig)


@pytest.mark.parametrize("seed", range(CELLS))
def test_we_allow_a_pod_where_the_scheduler_does_and_nowhere_else(shared_rig, asked, seed, record_property):
    made = cell(seed, NODES, PODS, PROBES)
    with standing(shared_rig, made):
        compared = compare(shared_rig, asked, made)
    _require_meaning(compared, record_property)
    assert not compared.differences, _told(compared.differences, made)


@pytest.mark.parametrize("seed", ODD_CELLS)
def test_what_we_read_more_strictly_than_the_scheduler_costs_places_and_never_allows_one(
    shared_rig, asked, seed, record_property
):
    made = cell(seed, NODES, PODS, PROBES, odd=True)
    with standing(shared_rig, made):
        compared = compare(shared_rig, asked, made)
    _require_meaning(compared, record_property)
    looser = [each for each in compared.differences if each.extra]
    assert not looser, _told(looser, made)
    assert len(compared.differences) <= STRICTER_SHARE * compared.asked, _told(compared.differences, made)


def _require_meaning(compared: Comparison, record_property):
    """Cells that the API server refuses, or in which nothing fits, would compare nothing."""
    looser = sum(bool(each.extra) for each in compared.differences)
    stricter = len(compared.differences) - looser
    for name in ("asked", "invalid", "nowhere"):
        record_property(name, getattr(compared, name))
    record_property("looser", looser)
    record_property("stricter", stricter)
    assert compared.asked > 0.8 * PROBES
    assert compared.nowhere < 0.6 * compared.asked


def _told(differences, made):
    # The fewer rules a pod has, the plainer what went wrong.
    plainest = sorted(differences, key=lambda each: (len(each.probe.families), len(str(each.probe.body))))
    families = Counter(family for each in differences for family in each.probe.families)
    return "\n\n".join(
        [f"{len(differences)} pods differ: {dict(families)}", *(each.told(made) for each in plainest[:SHOWN])]
    )
