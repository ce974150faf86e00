"""Placeholders ask for what the moving pod asks for, and can never run."""

import msgspec

from powerplane.actuator.acts import Hold
from powerplane.actuator.placeholders import MovingPod, placeholder_body, placeholder_name
from powerplane.actuator.seen import SeenPod, pod_fact
from powerplane.models.requests import pod_requests

UID = "0a1b2c3d-4e5f-6789-abcd-ef0123456789"
POD = {
    "metadata": {"uid": UID, "name": "web-1", "namespace": "shop", "labels": {"app": "web"}},
    "spec": {
        "containers": [
            {
                "name": "main",
                "image": "shop/web:7",
                "command": ["serve"],
                "env": [{"name": "KEY", "value": "secret"}],
                "resources": {
                    "requests": {"cpu": "1500m", "memory": "1Gi", "powerplane.dev/watts": "45"},
                    "limits": {"cpu": "2", "powerplane.dev/watts": "45", "nvidia.com/gpu": "1"},
                },
            }
        ],
        "initContainers": [
            {"name": "load", "image": "shop/load", "resources": {"requests": {"cpu": "4"}}},
            {"name": "log", "image": "x", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
        ],
        "nodeName": "n1",
        "nodeSelector": {"disk": "ssd"},
        "priorityClassName": "gold",
        "schedulerName": "second",
        "serviceAccountName": "shop",
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "volumes": [{"name": "data", "emptyDir": {}}],
    },
}


def made(pod=POD, plan="plan-1", attempt=2):
    act = Hold(plan, "plan-uid", "shop", "web-1", UID, "n2", attempt)
    return placeholder_body(act, msgspec.convert(pod, MovingPod))


def decoded(body):
    return msgspec.json.decode(msgspec.json.encode(body), type=SeenPod)


def test_it_asks_for_exactly_what_the_moving_pod_asks_for():
    assert pod_requests(decoded(made()).spec) == pod_requests(decoded(POD).spec)


def test_extended_resources_have_limits_equal_to_their_requests_and_others_none():
    assert made()["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "1500m", "memory": "1Gi", "powerplane.dev/watts": "45", "nvidia.com/gpu": "1"},
        "limits": {"powerplane.dev/watts": "45", "nvidia.com/gpu": "1"},
    }


def test_it_has_the_priority_the_scheduler_and_the_tolerations_of_the_moving_pod():
    spec = made()["spec"]
    assert (spec["priorityClassName"], spec["schedulerName"]) == ("gold", "second")
    assert spec["tolerations"] == POD["spec"]["tolerations"]


def test_nothing_that_the_pod_runs_knows_or_stores_is_copied():
    spec = made()["spec"]
    assert set(spec["containers"][0]) == {"name", "image", "resources", "securityContext"}
    assert not {"nodeName", "nodeSelector", "volumes", "serviceAccountName", "affinity"} & set(spec)
    assert spec["automountServiceAccountToken"] is False
    assert "secret" not in msgspec.json.encode(spec).decode()


def test_it_stands_behind_a_gate_in_our_namespace_and_its_plan_owns_it():
    body = made()
    assert body["spec"]["schedulingGates"] == [{"name": "powerplane.dev/hold"}]
    assert body["metadata"]["namespace"] == "powerplane-system"
    (owner,) = body["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("PlacementPlan", "plan-1", "plan-uid")


def test_it_is_found_again_by_its_plan_and_the_pod_whose_place_it_holds():
    fact = pod_fact(decoded(made()))
    assert (fact.hold_of, fact.hold_for) == ("plan-1", UID)


def test_its_name_follows_from_the_pod_the_plan_and_the_attempt():
    name = made()["metadata"]["name"]
    assert name == placeholder_name(UID, "plan-uid", 2)
    assert name.startswith("hold-0a1b2c3d-")
    assert len({name, placeholder_name(UID, "plan-uid", 3), placeholder_name(UID, "other", 2)}) == 3


def test_a_plan_of_a_long_name_makes_a_label_that_kubernetes_takes():
    label = made(plan="p" * 62 + "-" + "q" * 100)["metadata"]["labels"]["powerplane.dev/hold"]
    assert len(label) <= 63
    assert label[-1].isalnum()


def test_a_pod_that_merely_bears_our_label_elsewhere_holds_nothing():
    body = made()
    body["metadata"]["namespace"] = "shop"
    assert pod_fact(decoded(body)).hold_for == ""
