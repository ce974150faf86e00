"""Reviews: read, decided and answered; the patch only ever adds, and a second turn changes nothing.

The first byte says whose path it goes, and whether the rest is the whole body or the object in a sound one.
"""

import json

import atheris

with atheris.instrument_imports(
    include=["powerplane.admission", "powerplane.adapters.strict_json", "powerplane.models"]
):
    from powerplane.adapters.strict_json import MalformedError
    from powerplane.admission.deciding import decide
    from powerplane.admission.review import Request, answer_review, read_review
    from powerplane.admission.rollouts import judge_rollout
    from powerplane.admission.validation.validating import judge
from tests.admission.applying import apply, operations, pod, response, review
from tests.admission.hostile import LOCKS, bombs, full_pod, judge_changes, world
from tests.fuzz.running import fuzz, told

KNOWN = world()
NAMESPACES = [lock.lower() for lock in LOCKS]
EMPTY = b'"object":{}'
SHELLS = [review({}, namespace=each) for each in NAMESPACES]
JUDGED, WHOLE, ROLLOUT = 32, 64, 128
MOST_NESTED = 150


def one_input(data: bytes) -> None:
    """Decide, and look at what is answered."""
    if not data:
        return
    first, rest = data[0], data[1:]
    body = rest if first & WHOLE else SHELLS[first % len(SHELLS)].replace(EMPTY, b'"object":' + rest)
    try:
        request = read_review(body)
        decide_by = judge_rollout if first & ROLLOUT else judge if first & JUDGED else decide
        decision = decide_by(request, KNOWN)
    except MalformedError as error:
        told(error)
        return
    answer = response(answer_review(request.uid, decision.verdict))
    assert answer["uid"] == request.uid
    assert answer["allowed"] is True or first & JUDGED
    nested = body.count(b"[") + body.count(b"{")
    if (changes := operations(answer)) and nested < MOST_NESTED:  # the judge calls itself
        asked = json.loads(body)["request"]
        judge_changes(asked, changes, KNOWN)
        after = apply(asked["object"], changes)
        again = decide(turn(request, after), KNOWN)
        assert not again.verdict.patch, again


def turn(request: Request, after: dict) -> Request:
    """The same question about the changed pod."""
    return read_review(review(after, namespace=request.namespace))


def seeds() -> list[bytes]:
    """Sound pods in each namespace, whole reviews, a roll-out, and what is small of what is hostile."""
    found = [bytes([at]) + json.dumps(full_pod()).encode() for at in range(len(NAMESPACES))]
    found += [bytes([at]) + json.dumps(pod()).encode() for at in range(len(NAMESPACES))]
    found += [bytes([WHOLE]) + each for each in (review(pod()), review(full_pod(), namespace="gate"))]
    found += [bytes([JUDGED]) + json.dumps(full_pod()).encode(), *(bytes([WHOLE | JUDGED]) + each for each in ours())]
    deployment = {"metadata": {"name": "d"}, "spec": {"replicas": 3, "template": full_pod()}}
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    changed = review(deployment, operation="UPDATE", kind=kind, oldObject={"spec": {"template": pod()}})
    return [*found, bytes([WHOLE | ROLLOUT]) + changed, *(bytes([WHOLE]) + each[:4000] for _, each in bombs())]


def ours() -> list[bytes]:
    """Reviews of our own objects."""
    cap = {"cap": {"watts": "2kW"}, "mode": "Enforce", "selector": {"matchLabels": {"app": "a"}}, "priority": 1}
    specs = {
        "PowerDomain": {"kind": "rack", "budget": "2kW", "nodeNames": ["n1"], "node": {"idle": "1W", "peak": "2W"}},
        "PowerCappingPolicy": cap,
        "ClusterPowerCappingPolicy": cap,
        "PlacementPlan": {"expiresAt": "2026-12-01T00:00:00Z", "moves": []},
    }
    return [
        review(
            {"metadata": {"name": "o", "namespace": "gate"}, "spec": spec},
            kind={"group": "powerplane.dev", "version": "v1alpha1", "kind": kind},
        )
        for kind, spec in specs.items()
    ]


if __name__ == "__main__":
    fuzz(one_input, seeds())
