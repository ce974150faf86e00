"""What simulated model servers read and write."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.simulator.worlds import SMALL, study_of

from powerplane.simulator.truth import Truth
from powerplane.simulator.world import World


def tokens(truth: Truth) -> float:
    return float(np.nansum(truth.pod_prompt_tokens + truth.pod_generated_tokens))


def test_model_servers_do_as_many_tokens_as_requests_come(tmp_path: Path) -> None:
    text = SMALL.replace("{perSecond: 4}", "{perSecond: 4, contextTokens: 900, generatedTokens: 100}")
    world = World(study_of(text, tmp_path).spec)
    done, seconds = 0.0, 0.0
    while seconds < 3600:
        done += tokens(world.truth()) * 10
        world.step(10)
        seconds += 10
    assert done == pytest.approx(4 * 1000 * seconds, rel=0.1)


def test_only_pods_of_the_workload_that_serves_tokens_tell_any(tmp_path: Path) -> None:
    world = World(study_of(SMALL, tmp_path).spec)
    world.step(600)
    truth = world.truth()
    serving = {owner for owner, each in zip(truth.pod_owner, truth.pod_prompt_tokens, strict=True) if np.isfinite(each)}
    assert serving == {"Deployment/chat"}
    assert len(truth.pod_prompt_tokens) == len(truth.pod_uid)


def test_a_power_limit_on_devices_takes_tokens_away(tmp_path: Path) -> None:
    text = SMALL.replace("{perSecond: 4}", "{perSecond: 60}")
    world = World(study_of(text, tmp_path).spec)
    world.step(60)
    before = tokens(world.truth())
    for uuid in world.spec.devices.uuid:
        world.set_device_limit(uuid, 250.0)
    world.step(60)
    assert 0 < tokens(world.truth()) < 0.9 * before


def test_without_model_servers_nobody_tells_tokens(tmp_path: Path) -> None:
    spec = study_of(SMALL, tmp_path).spec
    plain = [replace(each, tokens_per_work=(0.0, 0.0)) for each in spec.workloads]
    world = World(replace(spec, workloads=tuple(plain)))
    assert len(world.truth().pod_prompt_tokens) == 0
