"""Who is left alone, and whose pod is whose."""

import msgspec
import pytest
from tests.admission.applying import pod

from powerplane.admission.scope import owner_name, reason_to_leave
from powerplane.models.objects import ObjectMeta, OwnerReference, Pod


def typed(raw):
    return msgspec.convert(raw, Pod)


def test_an_ordinary_pod_is_not_left_alone():
    assert reason_to_leave(typed(pod()), {"app": "x"}) == ""
    assert reason_to_leave(typed(pod(owner=("ReplicaSet", "r"))), None) == ""


@pytest.mark.parametrize(
    ("made", "labels", "reason"),
    [
        (pod(owner=("DaemonSet", "d")), {}, "daemon"),
        (pod(owner=("Node", "n")), {}, "daemon"),
        (pod(nodeName="n1"), {}, "bound"),
        (pod(), {"powerplane.dev/admission": "ignore"}, "namespace"),
        (pod() | {"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}, {}, "mirror"),
    ],
)
def test_these_are_left_alone(made, labels, reason):
    assert reason_to_leave(typed(made), labels) == reason


def test_a_pods_own_label_opts_nothing_out():
    made = pod()
    made["metadata"]["labels"] = {"powerplane.dev/admission": "ignore"}
    assert reason_to_leave(typed(made), {}) == ""


@pytest.mark.parametrize(
    ("kind", "name", "labels", "owner"),
    [
        ("ReplicaSet", "web-5d4f", {"pod-template-hash": "5d4f"}, "Deployment/web"),
        ("ReplicaSet", "web-5d4f", {}, "ReplicaSet/web-5d4f"),
        ("ReplicaSet", "web", {"pod-template-hash": "5d4f"}, "ReplicaSet/web"),
        ("StatefulSet", "db", {}, "StatefulSet/db"),
        ("Job", "report-29384710", {}, "CronJob/report"),
        ("Job", "train-7b", {}, "Job/train-7b"),
    ],
)
def test_a_pods_workload_is_told_from_what_the_pod_says(kind, name, labels, owner):
    reference = OwnerReference(kind=kind, name=name, controller=True)
    assert owner_name(ObjectMeta(labels=labels, owner_references=(reference,))) == owner
    assert owner_name(ObjectMeta(labels=labels)) == ""
