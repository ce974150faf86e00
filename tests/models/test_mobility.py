"""Which pods no plan may move, and why."""

import pytest
from tests.models.api_objects import owned_by, pod

from powerplane.models.mobility import unmovable_reason

DISK = {"volumes": [{"name": "scratch", "emptyDir": {}}]}
SAFE = "cluster-autoscaler.kubernetes.io/safe-to-evict"


def test_an_ordinary_pod_may_move():
    assert unmovable_reason(pod()) == ""


def test_a_pod_without_a_controller_may_move():
    assert unmovable_reason(pod(ownerReferences=None)) == ""


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("DaemonSet", {"ownerReferences": owned_by("DaemonSet", "agent")}),
        ("mirror pod", {"ownerReferences": owned_by("Node", "n1")}),
        ("mirror pod", {"annotations": {"kubernetes.io/config.mirror": "1f"}}),
        ("terminating", {"deletionTimestamp": "2026-05-01T12:00:00Z"}),
        ("do-not-disrupt", {"annotations": {"karpenter.sh/do-not-disrupt": "true"}}),
        ("do-not-disrupt", {"annotations": {"powerplane.dev/do-not-disrupt": "true"}}),
        ("do-not-disrupt", {"annotations": {SAFE: "false"}}),
        ("local storage", {"spec": DISK}),
        ("local storage", {"spec": {"volumes": [{"name": "logs", "hostPath": {"path": "/var/log"}}]}}),
        ("claims devices", {"spec": {"resourceClaims": [{"name": "gpu", "resourceClaimName": "one"}]}}),
    ],
)
def test_a_pod_that_must_stay_says_why(reason, changes):
    assert unmovable_reason(pod(**changes)) == reason


def test_a_claim_of_its_watts_lets_a_pod_go_anywhere():
    watts = {"name": "powerplane-watts", "resourceClaimTemplateName": "powerplane-300w.rack"}
    assert unmovable_reason(pod(spec={"resourceClaims": [watts]})) == ""
    gpu = {"name": "gpu", "resourceClaimName": "one"}
    assert unmovable_reason(pod(spec={"resourceClaims": [watts, gpu]})) == "claims devices"


def test_an_empty_directory_in_memory_is_no_local_storage():
    volumes = {"volumes": [{"name": "cache", "emptyDir": {"medium": "Memory"}}]}
    assert unmovable_reason(pod(spec=volumes)) == ""


def test_local_storage_that_its_owner_calls_safe_does_not_hold_a_pod():
    assert unmovable_reason(pod(spec=DISK, annotations={SAFE: "true"})) == ""


def test_a_false_do_not_disrupt_does_not_hold_a_pod():
    assert unmovable_reason(pod(annotations={"karpenter.sh/do-not-disrupt": "false"})) == ""


def test_a_pod_whose_claim_is_not_bound_waits_for_its_volume():
    assert unmovable_reason(pod(), waits_for_volume=True) == "waits for its volume"
