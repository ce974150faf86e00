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
from tests.admission.applying import apply, operations, pod, response, review
from tests.admission.hostile import LOCKS, bombs, full_pod, judge_changes, world
from tests.fuzz.running import fuzz, told

KNOWN = world()
NAMESPACES = [lock.lower() for lock in LOCKS]
EMPTY = b'"object":{}'
SHELLS = [review({}, namespace=each) for each in NAMESPACES]
WHOLE, ROLLOUT = 64, 128
MOST_NESTED = 150


def one_input(data: bytes) -> None:
    """Decide, and look at what is answered."""
    if not data:
        return
    first, rest = data[0], data[1:]
    body = rest if first & WHOLE else SHELLS[first % len(SHELLS)].replace(EMPTY, b'"object":' + rest)
    try:
        request = read_review(body)
        decision = (judge_rollout if first & ROLLOUT else decide)(request, KNOWN)
    except MalformedError as error:
        told(error)
        return
    answer = response(answer_review(request.uid, decision.verdict))
    assert answer["uid"] == request.uid
    assert answer["allowed"] is True
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
    deployment = {"metadata": {"name": "d"}, "spec": {"replicas": 3, "template": full_pod()}}
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    changed = review(deployment, operation="UPDATE", kind=kind, oldObject={"spec": {"template": pod()}})
    return [*found, bytes([WHOLE | ROLLOUT]) + changed, *(bytes([WHOLE]) + each[:4000] for _, each in bombs())]


if __name__ == "__main__":
    fuzz(one_input, seeds())
