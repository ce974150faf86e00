"""`powerplane ledger` says what plans came to, and what would have been without them."""

from http.server import BaseHTTPRequestHandler

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.api_stub import Answering, serving
from tests.cli.test_api_server import kubeconfig

from powerplane.cli.ledger_view import ledger_view
from powerplane.cli.main import run
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject
from powerplane.models.api.placement_plan import PlacementPlanObject

GROUP = "/apis/powerplane.dev/v1alpha1"
AT = "2026-11-28T10:00:00Z"


def policy(name, mode="Enforce", **ledger):
    status = {"lastAction": {"at": AT, "what": "PlanDone", "why": "held"}, "ledger": {"since": AT, **ledger}}
    spec = {"mode": mode, "levers": ["migrate"], "rackConstraints": [{"domainSelector": {}, "maxPower": "1MW"}]}
    return {"metadata": {"name": name}, "spec": spec, "status": status if ledger else {}}


def plan(name="r1-1", measured=480, before=600, after=500, at=AT):
    domain = {"name": "r1", "kind": "rack", "budgetWatts": 500, "beforeWatts": before, "afterWatts": after}
    status = {"phase": "Done"} | ({} if measured is None else {"domains": [{"name": "r1", "measuredWatts": measured}]})
    return {
        "metadata": {"name": name, "creationTimestamp": at},
        "spec": {"expiresAt": AT, "domains": [domain]},
        "status": status,
    }


def view(policies=(), plans=()):
    return ledger_view(
        [msgspec.convert(each, ClusterPowerCappingPolicyObject) for each in policies],
        [msgspec.convert(each, PlacementPlanObject) for each in plans],
    )


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.none() | st.integers(0, 10**7))
def test_without_a_plan_there_would_be_what_is_measured_and_what_it_was_to_take_off(before, after, measured):
    (line,) = view(plans=[plan(measured=measured, before=before, after=after)]).plans
    if measured is None:
        assert (line.measured_watts, line.other_watts, line.error_watts) == (None, None, None)
    else:
        assert line.other_watts == max(0, measured + before - after)
        assert line.error_watts == measured - after


def test_policies_that_choose_nothing_are_left_out_and_those_that_hold_most_come_first():
    names = ("watches", "little", "much", "none-yet")
    modes = ("Observe", "Enforce", "Recommend", "Enforce")
    held = ({"actions": 9, "wattHoursHeld": 9}, {"wattHoursHeld": 1.5}, {"wattHoursHeld": 2.5}, {})
    policies = [policy(name, mode, **ledger) for name, mode, ledger in zip(names, modes, held, strict=True)]
    found = view(policies).policies
    assert [line.policy.split()[-1] for line in found] == ["much", "little", "none-yet"]
    assert (found[-1].since, found[-1].last, found[-1].actions) == (None, "", 0)


def test_the_newest_plan_comes_first():
    plans = [plan("old", at="2026-11-28T09:00:00Z"), plan("new", at="2026-11-28T11:00:00Z"), plan("mid")]
    assert [line.plan for line in view(plans=plans).plans] == ["new", "mid", "old"]


@pytest.fixture
def command(tmp_path):
    """The program against an API server whose lists can be set."""
    lists = {}

    class Handler(Answering, BaseHTTPRequestHandler):
        def do_GET(self):
            found = lists.get(self.path.rsplit("/", 1)[-1], [])
            self.send(found if isinstance(found, bytes) else {"items": found})

    with serving(Handler) as server:
        config = str(kubeconfig(tmp_path, f"http://127.0.0.1:{server.server_port}"))
        yield lists, lambda *words: run(["ledger", *words, "--kubeconfig", config])


def test_the_table_shows_both_and_ends_with_what_it_comes_to(command, capsys):
    lists, ask = command
    lists["clusterpowercappingpolicies"] = [
        policy("hold", actions=3, wattHoursHeld=1234.5),
        policy("try", "Recommend", withheld=2, wattHoursMissed=70),
    ]
    lists["placementplans"] = [plan()]
    assert ask() == 0
    said = capsys.readouterr().out
    row = next(line for line in said.splitlines() if line.split()[:1] == ["r1-1"])
    assert row.split()[1:4] == ["Done", "rack", "r1"]
    for figure in ("500 W", "600 W", "480 W", "580 W", "-20 W"):
        assert figure in row
    assert said.splitlines()[-1] == (
        "by leave of ClusterPowerCappingPolicy hold, which holds most, 3 plans kept 1.23 kWh off; "
        "for ClusterPowerCappingPolicy try, 2 plans were withheld that would have kept 70.0 Wh off"
    )


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_data_goes_to_stdout_in_the_form_that_is_asked_for(command, capsys, form):
    lists, ask = command
    lists["clusterpowercappingpolicies"] = [policy("hold", actions=3)]
    lists["placementplans"] = [plan()]
    assert ask("-o", form) == 0
    decode = msgspec.json.decode if form == "json" else msgspec.yaml.decode
    found = decode(capsys.readouterr().out)
    assert found["policies"][0]["actions"] == 3
    assert found["plans"][0]["otherWatts"] == 580


def test_where_no_policy_chooses_that_is_said(command, capsys):
    _, ask = command
    assert ask() == 0
    assert "nothing is chosen" in capsys.readouterr().out


def test_a_list_that_is_none_is_told_in_words(command, capsys):
    lists, ask = command
    lists["placementplans"] = b"<html>"
    assert ask() == 1
    assert "placementplans" in capsys.readouterr().err
