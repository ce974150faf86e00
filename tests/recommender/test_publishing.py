"""A plan as an object: names that objects and labels can have, and nothing that was not checked or allowed."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.api.kinds import PLACEMENT_PLAN
from powerplane.models.api.placement_plan import PlacementPlanObject
from powerplane.models.errors import InputError
from powerplane.models.objects import Pod
from powerplane.models.plan import DomainDraw, Move, Plan
from powerplane.recommender.allowing import Leave
from powerplane.recommender.courses import course_of, expires_s, is_outdated, to_clear
from powerplane.recommender.publishing import Context, plan_name, publishable
from powerplane.recommender.trees import Trees

NOW_S = 1_790_000_000.0
DNS = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
TREES = Trees({"r1": frozenset({"r1"}), "r2": frozenset({"r2"})}, {"n1": frozenset({"r1"}), "n2": frozenset({"r2"})})

names = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,80}[a-z0-9])?", fullmatch=True)


def plan(*moves: Move, **fields) -> Plan:
    fields = {
        "domains": (DomainDraw("r1", "rack", 500.0, 600.4, 500.2), DomainDraw("r3", "rack", None, 7.0, 7.0)),
        **fields,
    }
    return Plan(
        status="optimal", objective="disruption", cost=1.0, bound=1.0, gap=0.0, seed=0, seconds=0.5,
        snapshot="digest", moves=moves, overload_watts=0.0,
        **{key: value for key, value in fields.items() if key in Plan.__struct_fields__},
    )  # fmt: skip


def move(number: int = 0, wave: int = 1) -> Move:
    return Move(
        namespace="default", pod=f"p{number}", uid=f"u{number}", source="n1", target="n2", watts=19.2, wave=wave
    )


def pod(number: int = 0, on: str = "n1") -> Pod:
    body = {"metadata": {"name": f"p{number}", "namespace": "default", "uid": f"u{number}"}, "spec": {"nodeName": on}}
    return msgspec.convert(body, Pod)


def context(count: int = 1) -> Context:
    return Context(
        pods={f"u{number}": pod(number) for number in range(count)},
        leaves={f"u{number}": Leave(("", "all"), "migrate") for number in range(count)},
        policies={},
        trees=TREES,
        budgets_mw={"r1": 550_000},
        asked={"r1": "uid-r1"},
        now_s=NOW_S,
    )


@given(names)
def test_plans_have_names_that_objects_and_labels_can_have(root):
    name = plan_name(plan(move()), [root], NOW_S)
    assert len(name) <= 63
    assert DNS.fullmatch(name)


def test_two_plans_of_one_moment_differ_in_name_where_they_differ_in_moves():
    assert plan_name(plan(move(1)), ["r1"], NOW_S) != plan_name(plan(move(2)), ["r1"], NOW_S)


def test_budgets_are_told_as_they_are_in_force_and_domains_that_do_not_change_are_left_out():
    body = publishable(plan(move()), "why", context())
    (domain,) = body["spec"]["domains"]
    assert domain == {"name": "r1", "kind": "rack", "budgetWatts": 550, "beforeWatts": 600, "afterWatts": 500}


def test_a_pod_that_states_no_watts_takes_along_what_the_plan_foretells():
    assert publishable(plan(move()), "why", context())["spec"]["moves"][0]["watts"] == 20


def test_moves_come_in_the_order_of_their_waves_and_waves_lengthen_a_plans_life():
    many = plan(*(move(number, wave=10 - number) for number in range(10)))
    body = publishable(many, "why", context(10))
    waves = [each["wave"] for each in body["spec"]["moves"]]
    assert waves == sorted(waves)
    life_s = expires_s(msgspec.convert(body, PlacementPlanObject)) - NOW_S
    assert life_s == 1800
    assert expires_s(msgspec.convert(publishable(plan(move()), "why", context()), PlacementPlanObject)) - NOW_S == 600


def test_a_move_without_leave_or_of_a_pod_that_is_gone_is_never_published():
    for field in ("pods", "leaves"):
        known = context()
        broken = Context(**{name: getattr(known, name) for name in Context.__slots__} | {field: {}})
        with pytest.raises(InputError):
            publishable(plan(move()), "why", broken)


def test_what_is_published_is_read_back_as_it_was_meant():
    body = publishable(plan(move()), "why", context())
    read = msgspec.convert(body, PlacementPlanObject)
    assert PLACEMENT_PLAN.wire(read)["spec"] == body["spec"]
    course = course_of(read, TREES, NOW_S)
    assert (course.trees, course.domains, course.phase) == ({"r1", "r2"}, {"r1"}, "Pending")
    assert course_of(read, TREES, NOW_S + 601).phase == "Expired"
    assert not is_outdated(read, {"u0": pod()})
    assert is_outdated(read, {"u0": pod(on="n2")})
    assert is_outdated(read, {})


def test_plans_that_are_over_are_kept_for_an_hour_and_fifty_at_the_most():
    def done(number: int, born_s: int) -> PlacementPlanObject:
        stamp = f"2026-09-21T{born_s // 3600 % 24:02}:{born_s // 60 % 60:02}:{born_s % 60:02}Z"
        meta = {"name": f"p{number:03}", "creationTimestamp": stamp}
        spec = {"expiresAt": stamp}
        return msgspec.convert({"metadata": meta, "spec": spec, "status": {"phase": "Done"}}, PlacementPlanObject)

    plans = [done(number, 12 * 3600 + number) for number in range(60)]
    now_s = expires_s(plans[-1]) + 10
    courses = {each.metadata.name: course_of(each, TREES, now_s) for each in plans}
    assert to_clear(plans, courses, now_s) == [f"p{number:03}" for number in range(9, -1, -1)]
    assert len(to_clear(plans, courses, now_s + 3700)) == 60
