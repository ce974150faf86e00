"""What a template takes from the objects around a pod."""

import msgspec
import pytest
from tests.models.api_objects import pod, snapshot_of

from powerplane.models.objects import Namespace, PriorityClass
from powerplane.models.volumes import NOWHERE

CLASSES = tuple(
    msgspec.convert({"metadata": {"name": name}, "value": value, "globalDefault": default}, PriorityClass)
    for name, value, default in (("high", 1000, False), ("usual", 5, True))
)
BY_NAMESPACE = {
    "affinity": {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "zone", "namespaceSelector": {"matchLabels": {"team": "a"}}}
            ]
        }
    }
}


def priority_of(spec, classes=CLASSES):
    return snapshot_of(pod(spec=spec), priority_classes=classes).templates[0].priority


@pytest.mark.parametrize(
    ("spec", "priority"),
    [
        ({"priority": 7, "priorityClassName": "high"}, 7),
        ({"priority": 0, "priorityClassName": "high"}, 0),
        ({"priorityClassName": "high"}, 1000),
        ({"priorityClassName": "system-node-critical"}, 2_000_001_000),
        ({}, 5),
    ],
)
def test_a_pods_own_priority_goes_before_its_class_and_that_before_the_default(spec, priority):
    assert priority_of(spec) == priority


def test_without_classes_a_pod_without_a_priority_has_priority_zero():
    assert priority_of({}, classes=()) == 0


def test_a_class_that_is_not_listed_counts_as_zero_and_is_said():
    snapshot = snapshot_of(pod(spec={"priorityClassName": "unheard-of"}))
    assert snapshot.templates[0].priority == 0
    assert any(
        sentence.startswith("Pods of a PriorityClass that is not listed: 1;") for sentence in snapshot.assumptions
    )


def test_a_choice_by_labels_of_namespaces_that_are_not_listed_is_said():
    said = "Pods that choose others by labels of namespaces"
    assert any(said in sentence for sentence in snapshot_of(pod(spec=BY_NAMESPACE)).assumptions)
    listed = (msgspec.convert({"metadata": {"name": "default"}}, Namespace),)
    assert not any(said in each for each in snapshot_of(pod(spec=BY_NAMESPACE), namespaces=listed).assumptions)


def test_a_pod_that_claims_devices_is_let_in_nowhere_for_nothing_is_known_of_them():
    claims = {"resourceClaims": [{"name": "gpu", "resourceClaimName": "one"}]}
    (template,) = snapshot_of(pod(spec=claims)).templates
    assert template.volume_selectors == (NOWHERE,)


def test_a_pod_that_claims_its_watts_is_let_in_wherever_it_would_be_without():
    claims = {"resourceClaims": [{"name": "powerplane-watts", "resourceClaimTemplateName": "powerplane-3w.rack"}]}
    (template,) = snapshot_of(pod(spec=claims)).templates
    assert template.volume_selectors == ()
