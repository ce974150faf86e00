"""What a pod is charged with, told alike to all who count pods: nobody counts for less by having stated something."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.node_rates import told_draw
from powerplane.admission.alerts.books import WatchedPod, kept_pod
from powerplane.admission.gates import facts as gates
from powerplane.models.objects import PodSpec
from powerplane.models.pod_watts import PREDICTED_ANNOTATION
from powerplane.models.requests import WATTS_RESOURCE, pod_requests
from powerplane.node_watts import facts as node_watts
from powerplane.scheduler_extender import facts as extender

GPU = "nvidia.com/gpu"


def pod_of(*containers: Mapping[str, str], noted: str = "", limits: Mapping[str, str] | None = None) -> dict[str, Any]:
    named = [
        {"name": f"c{i}", "resources": {"requests": each} | ({"limits": limits} if limits else {})}
        for i, each in enumerate(containers)
    ]
    return {
        "metadata": {"name": "p", "uid": "p", "annotations": {PREDICTED_ANNOTATION: noted} if noted else {}},
        "spec": {"nodeName": "n", "containers": named},
    }


def told(pod: dict[str, Any]) -> tuple[int | None, int, tuple[tuple[str, int], ...]]:
    draw = told_draw(pod_requests(msgspec.convert(pod["spec"], PodSpec)), pod["metadata"]["annotations"])
    return draw.stated_mw, draw.mcores, draw.devices


@pytest.mark.parametrize(
    ("requests", "noted", "charged"),
    [
        ({"cpu": "8", WATTS_RESOURCE: "2"}, "", (2000, 0, ())),
        ({"cpu": "8", WATTS_RESOURCE: "1"}, "", (1000, 8000, ())),
        ({"cpu": "8", WATTS_RESOURCE: "0"}, "", (None, 8000, ())),
        ({"cpu": "8", WATTS_RESOURCE: "0"}, "40", (40_000, 0, ())),
        ({"cpu": "8"}, "1", (1000, 8000, ())),
        ({"cpu": "8"}, "", (None, 8000, ())),
        ({"cpu": "4", GPU: "1", WATTS_RESOURCE: "10"}, "", (10_000, 4000, ((GPU, 1),))),
        ({"cpu": "4", GPU: "1", WATTS_RESOURCE: "11"}, "", (11_000, 0, ())),
    ],
)
def test_a_pod_that_states_too_little_to_be_believed_counts_by_what_else_it_requests_too(
    requests: Mapping[str, str], noted: str, charged: object
) -> None:
    assert told(pod_of(requests, noted=noted)) == charged


REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "cpu": st.sampled_from(["100m", "1500m", "4", "64", "0.5"]),
        "memory": st.just("1Gi"),
        GPU: st.sampled_from(["0", "1", "8"]),
        WATTS_RESOURCE: st.sampled_from(["0", "1", "5", "17", "100"]),
    },
)


@given(st.lists(REQUESTS, min_size=1, max_size=3), st.sampled_from(["", "0", "3", "90"]), st.booleans())
def test_all_who_count_pods_charge_them_alike(requests: list[dict[str, str]], noted: str, limited: bool) -> None:
    pod = pod_of(*requests, noted=noted, limits={"cpu": "2", "memory": "2Gi"} if limited else None)
    expected = told(pod)
    silent = expected[0] is None or bool(expected[1] or expected[2])
    # The extender.
    demand = extender.pod_fact(msgspec.convert(pod, extender.SeenPod)).demand
    assert ((demand.stated_mw or None), demand.mcores, demand.devices, demand.silent) == (*expected, silent)
    # Gates, and claims with them.
    gated = gates.pod_fact(msgspec.convert(pod, gates.SeenPod))
    assert gated is not None
    assert (gated.draw.stated_mw, gated.draw.mcores, gated.draw.devices, gated.draw.silent) == (*expected, silent)
    # The partition: what is requested stands on the node's number, the rest is its base.
    seen = node_watts.pod_fact(msgspec.convert(pod, node_watts.SeenPod))
    assert seen is not None
    assert (seen.watts or 0) + seen.noted == (expected[0] or 0) // 1000
    assert (seen.mcores, seen.devices, seen.silent) == (*expected[1:], silent)
    # Alerts.
    kept = kept_pod(msgspec.convert(pod, WatchedPod))
    assert kept is not None
    assert (kept.stated_mw, kept.mcores) == expected[:2]
