"""Where waiting pods may go."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.snapshots import TinyNode, TinyPod, rack, tiny_snapshot

from powerplane.solver.feasible import accepted
from powerplane.solver.formulate import formulate
from powerplane.solver.newcomers import Newcomers
from powerplane.solver.state import found_state
from powerplane.solver.tables import compile_tables

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
WAITS = TinyPod("new", labels={"app": "x"})


def zoned(name, zone, **more):
    return TinyNode(name, labels={"zone": zone, "host": name}, **more)


def far(app, key="zone"):
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}
    return {"affinity": {"podAntiAffinity": {REQUIRED: [term]}}}


def near(app, *keys):
    terms = [{"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}} for key in keys]
    return {"affinity": {"podAffinity": {REQUIRED: terms}}}


def spread(selector, **more):
    one = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector}
    return {"topologySpreadConstraints": [one | more]}


def places(nodes, *pods, domains=None, ask="accepted"):
    snapshot = tiny_snapshot(nodes, pods, domains)
    mask = getattr(Newcomers(snapshot), ask)(len(pods) - 1)
    return "".join(node.name for node, yes in zip(nodes, mask, strict=True) if yes)


A, B = zoned("a", "1"), zoned("b", "2")


def test_a_waiting_pod_goes_where_its_requests_fit():
    assert places([A, B], TinyPod("old", "a", cpu=4), WAITS) == "b"


def test_waiting_pods_take_nothing_from_each_other():
    assert places([A], replace(WAITS, name="first", cpu=4), replace(WAITS, cpu=4)) == "a"


def test_a_waiting_pod_keeps_away_from_whom_its_anti_affinity_names_and_from_who_names_it():
    assert places([A, B], TinyPod("old", "a", labels={"app": "y"}), replace(WAITS, spec=far("y"))) == "b"
    assert places([A, B], TinyPod("old", "a", spec=far("x")), WAITS) == "b"


def test_waiting_pods_do_not_keep_each_other_away():
    assert places([A], replace(WAITS, name="first", spec=far("x")), replace(WAITS, spec=far("x"))) == "a"


def test_a_waiting_pod_joins_bound_company_only():
    mate = TinyPod("mate", labels={"app": "y"})
    assert places([A, B], mate, replace(WAITS, spec=near("y", "zone"))) == ""
    assert places([A, B], replace(mate, node="b"), replace(WAITS, spec=near("y", "zone"))) == "b"


def test_the_first_of_its_own_kind_goes_anywhere_and_the_second_to_the_first():
    mine = replace(WAITS, spec=near("x", "zone"))
    assert places([A, B], mine) == "ab"
    assert places([A, B], replace(mine, name="first", node="a"), mine) == "a"


def test_company_by_one_key_ends_the_first_one_s_freedom_for_all_keys():
    rackless = TinyNode("c", labels={"zone": "3"})
    mine = replace(WAITS, spec=near("x", "zone", "host"))
    assert places([A, B, rackless], replace(WAITS, name="first", node="c"), mine) == ""


def test_a_spread_counts_no_pod_that_is_on_its_way_out():
    nodes = [A, B]
    pods = [replace(WAITS, name=name, node=node) for name, node in (("o1", "a"), ("o2", "b"))]
    pods.append(replace(WAITS, spec=spread({"matchLabels": {"app": "x"}})))
    snapshot = tiny_snapshot(nodes, pods)
    assert Newcomers(snapshot).accepted(2).tolist() == [True, True]
    leaving = [*snapshot.templates, replace(snapshot.templates[0], terminating=True)]
    template = np.array([0, len(leaving) - 1, snapshot.pods.template[2]], dtype=np.int32)
    changed = replace(snapshot, templates=tuple(leaving), pods=replace(snapshot.pods, template=template))
    assert Newcomers(changed).accepted(2).tolist() == [False, True]


def test_a_spread_with_an_empty_selector_counts_nobody():
    old = [replace(WAITS, name=f"o{i}", node="a") for i in range(3)]
    assert places([A, B], *old, replace(WAITS, spec=spread({}))) == "ab"


def test_a_pod_without_requests_fits_on_a_node_whose_cores_are_all_used():
    assert places([A], TinyPod("old", "a", cpu=4), replace(WAITS, cpu=0, use=0.1)) == "a"
    assert places([A], TinyPod("old", "a", cpu=4), replace(WAITS, cpu=0, use=0.1), ask="powered") == ""


@pytest.mark.parametrize("reason", ["DaemonSet", "local storage", "do-not-disrupt"])
def test_what_keeps_a_bound_pod_from_moving_keeps_no_new_one_out(reason):
    assert places([A, B], TinyPod("old", "a", cpu=4, unmovable=reason), replace(WAITS, unmovable=reason)) == "b"


@pytest.mark.parametrize("bound", [True, False])
def test_a_claim_for_one_pod_at_a_time_is_held_by_a_bound_pod_only(bound):
    snapshot = tiny_snapshot([A], [TinyPod("old", "a" if bound else ""), WAITS])
    held = tuple(replace(template, exclusive_claims=("data",)) for template in snapshot.templates)
    assert Newcomers(replace(snapshot, templates=held)).accepted(1).tolist() == [not bound]


def test_power_is_asked_apart_from_what_kubernetes_accepts():
    # Idle is 100 W and a core 50 W; two cores use it up.
    domains = [rack("r1", ["a"], 200), rack("r2", ["b"], 1000)]
    pods = [TinyPod("old", "a", cpu=2), WAITS]
    assert places([A, B], *pods, domains=domains) == "ab"
    assert places([A, B], *pods, domains=domains, ask="powered") == "b"


def test_a_bound_pod_is_no_newcomer():
    with pytest.raises(ValueError, match="bound already"):
        Newcomers(tiny_snapshot([A], [TinyPod("old", "a")])).accepted(0)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.booleans()), max_size=6), st.booleans())
def test_a_waiting_pod_is_told_what_one_more_pod_of_its_class_would_be(found, repelling):
    """The same question, asked of a problem in which such a pod is bound already, far from everything."""
    specs = {True: far("y"), False: spread({"matchLabels": {"app": "x"}})}
    pods = [TinyPod(f"p{i}", node, labels={"app": app}, spec=specs[odd]) for i, (node, app, odd) in enumerate(found)]
    new = replace(WAITS, spec=specs[repelling])
    apart = TinyNode("c")
    waiting = Newcomers(tiny_snapshot([A, B, apart], [*pods, new])).accepted(len(pods))
    formulation = formulate(tiny_snapshot([A, B, apart], [*pods, replace(new, node="c")]))
    state = found_state(compile_tables(formulation.problem))
    known = accepted(state, int(formulation.classes.of_pod[-1]), np.arange(2))
    assert waiting[:2].tolist() == known.tolist()
