"""Roll-outs: how many pods come above the replicas, what they draw, and who is told that it does not fit."""

import json
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.admission.applying import container, review
from tests.admission.test_deciding import everywhere, table

from powerplane.admission.review import LONGEST_WARNING, read_review
from powerplane.admission.rollouts import (
    Deployment,
    DeploymentSpec,
    RollingUpdate,
    Strategy,
    is_rolling,
    judge_rollout,
    surge_pods,
    surges_of,
)
from powerplane.models.errors import InputError


def spec(replicas, surge=None, kind="RollingUpdate"):
    return DeploymentSpec(replicas, strategy=Strategy(kind, RollingUpdate(surge)))


def deployment(name="web", image="i", *, replicas=10, surge="30%", status=None, generation=2, cpu="2"):
    one = {**container(cpu=cpu), "image": image}
    return {
        "metadata": {"name": name, "namespace": "default", "generation": generation},
        "spec": {
            "replicas": replicas,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [one]}},
        },
        "status": status or {"observedGeneration": generation, "replicas": replicas, "updatedReplicas": replicas},
    }


def ask(new, old, known):
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    body = review(new, operation="UPDATE", kind=kind, oldObject=old)
    return judge_rollout(read_review(body), known)


def known(room, **surges):
    return replace(table(), room_watts=room, surges={("default", name): watts for name, watts in surges.items()})


def read(made):
    return msgspec.json.decode(json.dumps(made), type=Deployment)


@pytest.mark.parametrize(
    ("made", "pods"),
    [
        (spec(10, "25%"), 3),
        (spec(10, 4), 4),
        (spec(10, None), 3),
        (spec(None, "25%"), 1),
        (spec(0, "25%"), 0),
        (spec(10, "0%"), 0),
        (spec(10, 4, "Recreate"), 0),
        (DeploymentSpec(4), 1),
    ],
)
def test_the_surge_is_a_number_or_a_share_rounded_up(made, pods):
    assert surge_pods(made) == pods


@given(st.integers(0, 10_000), st.integers(0, 100))
def test_a_share_never_brings_less_than_it_says_nor_a_pod_more(replicas, share):
    pods = surge_pods(spec(replicas, f"{share}%"))
    assert 0 <= pods * 100 - replicas * share < 100


@pytest.mark.parametrize("surge", ["", "x", "5", "-3%", "1e9%", "٣%"])
def test_a_surge_of_another_form_is_left_to_the_api_server(surge):
    with pytest.raises(InputError):
        surge_pods(spec(10, surge))
    assert ask(deployment(image="j", surge=surge), deployment(), known(10)).result == "unreadable"


def test_whoever_starts_a_roll_out_that_does_not_fit_is_told_so_and_not_stopped():
    decision = ask(deployment(image="j"), deployment(), known(50))
    (warning,) = decision.verdict.warnings
    assert "60 W for 3 more pods, 50 W are free" in warning
    assert len(warning) <= LONGEST_WARNING
    assert (decision.result, decision.verdict.denied) == ("warned", "")
    assert decision.verdict.audit == {"surge-watts": "60"}


def test_a_roll_out_that_fits_is_let_go_in_silence_and_two_together_are_counted_together():
    assert ask(deployment(image="j"), deployment(), known(60)).result == "kept"
    assert ask(deployment(image="j"), deployment(), known(100, other=60)).result == "warned"
    assert ask(deployment(image="j"), deployment(), known(60, web=60)).result == "kept"


def test_what_its_template_requests_counts_where_it_is_more_than_what_is_foretold():
    new = deployment(image="j")
    new["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["powerplane.dev/watts"] = "500"
    assert ask(new, deployment(), known(100)).verdict.audit == {"surge-watts": "1500"}


def test_scaling_brings_no_surge_and_without_a_policy_nobody_is_told():
    assert ask(deployment(replicas=90), deployment(), known(0)).result == "same_pods"
    passive = replace(table(everywhere("Observe")), room_watts=0)
    assert ask(deployment(image="j"), deployment(), passive).result == "no_policy"


def test_where_headroom_is_not_known_nobody_is_warned():
    assert ask(deployment(image="j"), deployment(), known(None)).result == "kept"


def test_another_kind_or_operation_is_left_alone():
    assert judge_rollout(read_review(review({}, operation="UPDATE")), known(0)).result == "other_kind"
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert judge_rollout(read_review(review(deployment(), kind=kind)), known(0)).result == "other_operation"


def test_a_roll_out_in_progress_owes_what_has_not_come_yet():
    begun = read(deployment(status={"observedGeneration": 1, "replicas": 10, "updatedReplicas": 0}))
    half = read(deployment("half", status={"observedGeneration": 2, "replicas": 12, "updatedReplicas": 5}))
    done = read(deployment("done"))
    assert (is_rolling(begun), is_rolling(half), is_rolling(done)) == (True, True, False)
    assert surges_of([begun, half, done], table()) == {("default", "web"): 60, ("default", "half"): 20}


def test_a_deployment_that_cannot_be_read_counts_nothing_and_hides_no_other():
    odd = read(deployment("odd", surge="x", status={"observedGeneration": 1, "replicas": 10}))
    begun = read(deployment(status={"observedGeneration": 1, "replicas": 10}))
    assert surges_of([odd, begun], table()) == {("default", "web"): 60}
