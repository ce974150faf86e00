import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tests.simulator.test_compare import TIGHT
from tests.simulator.worlds import study_of

from powerplane.simulator.by_hand import ByHand
from powerplane.simulator.compare import run_policy
from powerplane.simulator.pods import EXISTING
from powerplane.simulator.scenario_file import Study
from powerplane.simulator.world import World


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study_of(TIGHT, tmp_path_factory.mktemp("by-hand"))


def after(study: Study, reaction_s: float) -> Study:
    return dataclasses.replace(study, by_hand=dataclasses.replace(study.by_hand, reaction_s=reaction_s))


def test_nobody_deletes_a_pod_before_the_person_has_come(study: Study) -> None:
    outcome = run_policy(after(study, 100.0), "by-hand", None)
    deleted = [note.at_s for note in outcome.notes if "somebody deletes" in note.text]
    assert outcome.figures.moves > 0
    assert deleted[0] >= 600 + 100


def test_a_person_who_comes_at_once_saves_the_breaker_and_one_who_never_comes_does_not(study: Study) -> None:
    assert run_policy(after(study, 30.0), "by-hand", None).figures.trips == 0
    late = run_policy(after(study, 3600.0), "by-hand", None)
    assert (late.figures.trips, late.figures.moves) == (1, 0)


def test_every_deleted_pod_is_made_anew_and_no_daemon_is_deleted(study: Study) -> None:
    settled = after(study, 30.0)
    world = World(settled.spec)
    policy = ByHand(world, settled.by_hand, settled.sensors)
    templates = world.pods.template[world.pods.rows(*EXISTING)]
    before = np.bincount(templates)
    while world.now_s < settled.spec.duration_s:
        policy.act()
        world.step(2.0)
    assert policy.moves > 0
    pods = world.pods
    waiting_too = np.flatnonzero(pods.serial >= 0)
    leaving = int((pods.until_s[waiting_too] < np.inf).sum())
    assert (np.bincount(pods.template[waiting_too]) >= before).all()
    assert len(waiting_too) <= before.sum() + leaving


def test_how_soon_a_person_acts_is_read_from_the_scenario(tmp_path: Path) -> None:
    read = study_of(TIGHT + "byHand: {reaction: 7m, again: 90s}\n", tmp_path).by_hand
    assert (read.reaction_s, read.again_s) == (420.0, 90.0)
