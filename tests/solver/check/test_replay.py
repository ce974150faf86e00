"""Whether a plan belongs to its snapshot, and how it is read."""

import msgspec
import pytest
from tests.models.snapshots import TinyNode, TinyPod, tiny_snapshot
from tests.solver.check.plans import kinds, move, true_plan, verdict

from powerplane.models.errors import InputError
from powerplane.solver.check import check

SNAPSHOT = tiny_snapshot([TinyNode(name) for name in "abc"], [TinyPod("p", "a"), TinyPod("w")])
PLAN = true_plan(SNAPSHOT, [move(SNAPSHOT, "p", "b")])


def refusal(*moves, **changes):
    plan = msgspec.structs.replace(PLAN, moves=tuple(moves) or PLAN.moves, **changes)
    with pytest.raises(InputError) as error:
        check(SNAPSHOT, plan)
    assert "powerplane plan" in error.value.next_step
    return error.value.problem


def changed(**fields):
    return msgspec.structs.replace(PLAN.moves[0], **fields)


def test_a_plan_of_another_digest_is_refused_by_both_digests():
    assert refusal(snapshot="other") == "the plan is of snapshot 'other', not of 'tiny'"


def test_a_plan_without_a_digest_is_checked_by_its_moves():
    assert check(SNAPSHOT, msgspec.structs.replace(PLAN, snapshot="")).ok


def test_a_pod_that_the_snapshot_lacks_is_named():
    assert "'default/ghost'" in refusal(changed(pod="ghost"))


def test_a_pod_recreated_since_is_told_by_its_uid():
    assert refusal(changed(uid="u2")) == "pod 'default/p' has UID 'uid-default-p' in the snapshot, 'u2' in the plan"


def test_a_pod_that_is_elsewhere_is_told():
    assert refusal(changed(source="c")) == "wave 1 moves pod 'default/p' from 'c'; it is on 'a'"


def test_a_pod_that_waits_for_a_node_cannot_leave_one():
    assert "it is on 'no node yet'" in refusal(changed(pod="w", uid="uid-default-w"))


def test_a_target_that_is_no_node_is_named():
    assert "'nowhere', which is no node" in refusal(changed(target="nowhere"))


def test_a_pod_that_moves_on_starts_from_where_it_was_put():
    assert verdict(SNAPSHOT, [*PLAN.moves, move(SNAPSHOT, "p", "c", 2, source="b")]).ok
    assert "it is on 'b'" in refusal(*PLAN.moves, move(SNAPSHOT, "p", "c", 2))


def test_a_move_to_where_the_pod_is_is_refused():
    assert kinds(verdict(SNAPSHOT, [changed(target="a")])) == {("no-move", 1)}


def test_a_pod_that_moves_twice_in_a_wave_is_refused():
    assert kinds(verdict(SNAPSHOT, [*PLAN.moves, changed(target="c")])) == {("twice-in-wave", 1)}


@pytest.mark.parametrize("number", [0, 2, 7])
def test_waves_that_do_not_count_from_one_are_refused(number):
    assert kinds(verdict(SNAPSHOT, [changed(wave=number)])) == {("wave-gap", number)}
