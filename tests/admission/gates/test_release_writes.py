"""A release as a patch: our gate alone, for the version that was seen, and nodes narrowed."""

import msgspec
import pytest
from tests.admission.gates.gate_world import ConflictError, apply_patch

from powerplane.adapters.cluster_writes import Written
from powerplane.admission.gates.facts import SeenPod, pod_fact
from powerplane.admission.gates.gating import GATE
from powerplane.admission.gates.release_facts import Release
from powerplane.admission.gates.release_writes import carry_out, release_patch

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
ONLY = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["a", "b"]}
ZONE = {"key": "zone", "operator": "In", "values": ["z"]}
NAMED = {"key": "metadata.name", "operator": "In", "values": ["a"]}


def waiting(**spec):
    return {
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "resourceVersion": "7"},
        "spec": {"containers": [{"name": "c"}], "schedulingGates": [{"name": "other"}, {"name": GATE}], **spec},
    }


def release_of(made, *hostnames):
    fact = pod_fact(msgspec.convert(made, SeenPod))
    assert fact is not None
    return Release(fact, "headroom", hostnames, hostnames)


def test_only_our_gate_is_lifted_and_the_reason_is_noted():
    made = waiting()
    after = apply_patch(made, release_patch(release_of(made)))
    assert pod_fact(msgspec.convert(after, SeenPod)).on_its_way
    assert after["spec"] == {"containers": [{"name": "c"}], "schedulingGates": [{"name": "other"}]}
    assert after["metadata"]["annotations"] == {"powerplane.dev/granted": "anywhere"}


def test_annotations_of_others_stay():
    made = waiting()
    made["metadata"]["annotations"] = {"a": "b"}
    after = apply_patch(made, release_patch(release_of(made)))
    assert after["metadata"]["annotations"] == {"a": "b", "powerplane.dev/granted": "anywhere"}


@pytest.mark.parametrize(
    "changed",
    [
        lambda pod: pod["metadata"].update(uid="another"),
        lambda pod: pod["metadata"].update(resourceVersion="8"),
        lambda pod: pod["spec"]["schedulingGates"].pop(0),
        lambda pod: pod["spec"].update(schedulingGates=[{"name": "other"}]),
    ],
)
def test_a_pod_that_is_not_as_it_was_seen_is_not_written(changed):
    made = waiting()
    patch = release_patch(release_of(made, "a"))
    changed(made)
    with pytest.raises(ConflictError):
        apply_patch(made, patch)


@pytest.mark.parametrize(
    ("affinity", "terms"),
    [
        (None, [{"matchExpressions": [ONLY]}]),
        ({"podAntiAffinity": {}}, [{"matchExpressions": [ONLY]}]),
        ({"nodeAffinity": {}}, [{"matchExpressions": [ONLY]}]),
        (
            {
                "nodeAffinity": {
                    REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [ZONE]}, {"matchFields": [NAMED]}]}
                }
            },
            [{"matchExpressions": [ZONE, ONLY]}, {"matchFields": [NAMED], "matchExpressions": [ONLY]}],
        ),
        ({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{}]}}}, [{}]),
    ],
)
def test_where_a_pod_may_go_is_narrowed_in_every_term_and_nothing_else_is_lost(affinity, terms):
    made = waiting(**({"affinity": affinity} if affinity else {}))
    after = apply_patch(made, release_patch(release_of(made, "a", "b")))
    assert after["spec"]["affinity"]["nodeAffinity"][REQUIRED] == {"nodeSelectorTerms": terms}
    assert set(after["spec"]["affinity"]) == {"nodeAffinity", *(affinity or {})}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "done"), (404, "stale"), (409, "stale"), (422, "stale"), (403, "refused"), (0, "unknown"), (503, "unknown")],
)
def test_an_answer_is_judged_by_whether_it_may_have_been_written(status, outcome):
    class Answering:
        def json_patch(self, path, operations):
            assert path == "/api/v1/namespaces/n/pods/p"
            assert operations == release_patch(release_of(waiting()))
            return Written(status, b"why")

    assert carry_out(Answering(), release_of(waiting()))[0] == outcome
