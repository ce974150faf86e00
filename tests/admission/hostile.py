"""Reviews that nobody should send, and what any answer to them must hold."""

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import strategies as st
from tests.admission.applying import Json, apply, container, operations, pod, response, review
from tests.admission.test_deciding import everywhere, table
from tests.scheduler_extender.asking import Reply

from powerplane.admission.filling import Filler, Usual
from powerplane.admission.planned import Targets
from powerplane.admission.predicting import Bounds, KnownDemand
from powerplane.admission.scope import reason_to_leave
from powerplane.admission.table import Table
from powerplane.models.api.capping_policy import AdmissionChoice
from powerplane.models.errors import InputError
from powerplane.models.objects import LabelSelector, Pod
from powerplane.models.quantities import LARGEST, parse_quantity
from powerplane.models.requests import WATTS_RESOURCE

LOCKS = ("Partition", "Extender", "Claims", "Gate")
REFUSALS = (400, 404, 405, 408, 411, 413, 415, 503)
IGNORED = "ignored"
NAMESPACES = (*(lock.lower() for lock in LOCKS), IGNORED, "unknown", "", "default")


def world() -> Table:
    """A policy with its own lock in each of some namespaces; a workload with a history, and one with a plan."""
    policies = [
        everywhere(
            namespace_selector=LabelSelector(match_labels={"kubernetes.io/metadata.name": lock.lower()}),
            priority=9,
            admission=AdmissionChoice(
                lock=lock, scheduler_name="watts" if lock == "Claims" else "", fill_requests=lock != "Extender"
            ),
        )
        for lock in LOCKS
    ]
    young = KnownDemand(cores=Bounds(5, float("inf")))
    known = {"partition/StatefulSet/db": KnownDemand(watts=Bounds(33, 44)), "gate/Deployment/web": young}
    names = {lock.lower(): {"kubernetes.io/metadata.name": lock.lower()} for lock in LOCKS}
    names[IGNORED] = {"powerplane.dev/admission": "ignore"}
    made = table(*policies, everywhere(), known=known, namespaces=names)
    usual = {"a": Usual(0.3, 3e8), "c0": Usual(1.5, 1e9), "b": Usual(None, 5e8)}
    filler = Filler({"partition/StatefulSet/db": usual, "gate/Deployment/web": usual}, frozenset())
    targets = Targets(by_owner={("partition", "o"): ("n7", "n8"), ("claims", "o"): ("n7",)})
    return replace(made, listed=True, targets=targets, filler=filler, levels=("rack", "row"))


def judge(body: bytes, reply: Reply, known: Table, path: str = "/mutate") -> None:
    """Ensures that a review is refused in plain words, or answered as the API server takes it."""
    if reply.status != 200:
        assert reply.status in REFUSALS, reply
        assert reply.headers[b"content-type"].startswith(b"text/plain")
        assert 0 < len(reply.body) < 1000
        assert not set(reply.body) & set(range(32)) - {10}
        return
    request = json.loads(body)["request"]
    answer = response(reply.body)
    assert answer["uid"] == request["uid"]
    assert answer["allowed"] is True or (path == "/validate" and answer["status"]["code"] == 403)
    if changes := operations(answer):
        judge_changes(request, changes, known)


def judge_changes(request: Json, changes: list[Json], known: Table) -> None:
    """Ensures that the pod is still one, has all that it had, asks for no fewer watts, and was ours to change."""
    before = request["object"]
    after = apply(before, changes)
    decoded = msgspec.convert(after, Pod)
    was = msgspec.convert(before, Pod)
    namespace = request.get("namespace") or was.metadata.namespace
    assert request["operation"] == "CREATE"
    assert reason_to_leave(was, known.labels_of(namespace)) == ""
    assert not lost(before, after), lost(before, after)
    for each in decoded.spec.containers:
        wanted = dict((each.resources.requests if each.resources else None) or {}).get(WATTS_RESOURCE)
        if wanted is not None and each is decoded.spec.containers[0]:
            assert 0 <= parse_quantity(wanted) <= LARGEST


def lost(before: Any, after: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Places whose value is gone or lower, but for what a policy may name anew."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [at for key, value in before.items() for at in lost(value, after.get(key, _GONE), (*path, key))]
    if isinstance(before, list) and isinstance(after, list):
        pairs = zip(before, [*after, *[_GONE] * len(before)], strict=False)
        return [at for index, (old, new) in enumerate(pairs) for at in lost(old, new, (*path, index))]
    if before == after or before is None or not before:
        return []
    if path == ("spec", "schedulerName"):
        return [] if before == "default-scheduler" else [path]
    if path[:2] == ("metadata", "annotations") and str(path[2]).startswith("powerplane.dev/"):
        return []
    if path[-1:] == (WATTS_RESOURCE,) and _amount(after) >= _amount(before):
        return []
    return [path]


_GONE = object()


def _amount(value: Any) -> Fraction:
    try:
        return parse_quantity(value)
    except (InputError, TypeError):
        return Fraction(-1)


texts = st.text(max_size=8) | st.sampled_from(
    [
        "\x00",
        "\x1b[2J",
        "a\nb",
        "\u202e",
        "\ud800",
        "\udfff\ud800",
        "\U0001f4a9",
        "..",
        "~1~0/",
        "x" * 5000,
        "9" * 5000,
        "-" + "1" * 5000 + "x",
        "true",
    ]
)
quantities = st.sampled_from(
    [
        "0",
        "-1",
        "-0",
        "1e64",
        "1e999",
        "9" * 64,
        "9" * 65,
        "1Ei",
        "999999Ei",
        "1n",
        ".5",
        "5.",
        ".",
        "",
        "+2",
        "1.5",
        "2W",
        "２",
        "1e-64",
        "0x10",
        "1_000",
        "NaN",
        "Infinity",
        0,
        -1,
        1.5,
        2**53,
        2**64,
        10**100,
        1e308,
    ]
) | st.decimals(allow_nan=False, allow_infinity=False).map(str)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | texts | quantities
values: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


def full_pod() -> Json:
    """A pod with a member in every place that the webhook looks at."""
    made = pod(
        container("a", cpu="2", memory="1Gi"),
        container("b", cpu="500m", **{WATTS_RESOURCE: "7"}),
        owner=("ReplicaSet", "web-5d8f"),
        initContainers=[{**container("i", cpu="4"), "restartPolicy": "Always"}],
        affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        resourceClaims=[{"name": "gpu", "resourceClaimName": "g"}],
        schedulingGates=[{"name": "others.example/gate"}],
        schedulerName="default-scheduler",
        overhead={"cpu": "10m"},
        priority=0,
        priorityClassName="",
    )
    made["metadata"]["annotations"] = {"powerplane.dev/predicted-watts": "3", "a": "b"}
    made["metadata"]["labels"]["pod-template-hash"] = "5d8f"
    return made


def replace_somewhere(draw: st.DrawFn, whole: Any) -> None:
    """Put any value in any place, or take the place away."""
    place = whole
    while isinstance(place, dict | list) and place:
        key: Any = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.integers(0, 5)) == 0:
            if draw(st.integers(0, 9)) == 0:
                del place[key]
            else:
                place[key] = draw(values)
            return
        place = place[key]


@st.composite
def odd_pods(draw: st.DrawFn) -> Json:
    """The full pod, with up to three places that hold something else."""
    made = full_pod()
    for _ in range(draw(st.integers(0, 3))):
        replace_somewhere(draw, made)
    return made


@st.composite
def sound_pods(draw: st.DrawFn) -> Json:
    """Pods as an API server lets them in, of any size and owner, with watts of their own or none."""
    amounts = st.fixed_dictionaries(
        {},
        optional={
            "cpu": st.sampled_from(["100m", "2", "0", "1500m", "0.001"]),
            "memory": st.just("1Gi"),
            WATTS_RESOURCE: st.integers(0, 500).map(str),
        },
    )

    def one(name: str) -> Json:
        made = container(name, **draw(amounts))
        shape = draw(st.sampled_from(["both", "none", "null", "empty"]))
        if watts := made["resources"]["requests"].get(WATTS_RESOURCE):
            made["resources"]["limits"] = {WATTS_RESOURCE: watts}
        elif shape == "none":
            del made["resources"]
        elif shape != "both":
            made["resources"] = None if shape == "null" else {}
        return made

    made = pod(*(one(f"c{at}") for at in range(draw(st.integers(1, 4)))))
    inits = [one(f"i{at}") for at in range(draw(st.integers(0, 3)))]
    for each in inits:
        if draw(st.booleans()):
            each["restartPolicy"] = "Always"
    if inits:
        made["spec"]["initContainers"] = inits
    kind = draw(st.sampled_from(["", "ReplicaSet", "StatefulSet", "Job", "DaemonSet", "Node"]))
    if kind:
        name = {"StatefulSet": "db", "ReplicaSet": "web-5d8f"}.get(kind, "x")
        made["metadata"]["ownerReferences"] = [{"kind": kind, "name": name, "uid": "o", "controller": True}]
    made["metadata"]["labels"]["pod-template-hash"] = "5d8f"
    if draw(st.integers(0, 4)) == 0:
        made["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    if draw(st.integers(0, 4)) == 0:
        made["spec"]["nodeName"] = "n1"
    if draw(st.booleans()):
        made["spec"]["schedulingGates"] = draw(st.sampled_from([[], [{"name": "a.example/b"}]]))
    if draw(st.booleans()):
        made["spec"]["priorityClassName"] = draw(st.sampled_from(["", "low", "system-node-critical"]))
    return made


def encoded(whole: Json) -> bytes:
    """JSON with whatever is in it, NaN and lone surrogates too."""
    return json.dumps(whole, separators=(",", ":")).encode()


def bombs() -> Iterator[tuple[str, bytes]]:
    """Bodies of a megabyte and more, each of which costs some readers dear."""
    many = 60_000
    one = encoded(container("c", cpu="1"))
    sound = review(pod())

    def with_spec(spec: bytes) -> bytes:
        return sound.replace(encoded(pod()["spec"]), spec)

    def with_meta(meta: bytes) -> bytes:
        return sound.replace(b'"generateName":"p-"', meta)

    yield "deep arrays", b"[" * 1_000_000
    yield "deep objects", b'{"a":' * 200_000
    yield "deep spec", with_spec(b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
    yield "just deep enough", with_spec(b'{"containers":[' + one + b'],"a":' + b"[" * 900 + b"]" * 900 + b"}")
    yield "many keys", with_meta(b",".join(b'"%x":0' % at for at in range(many)))
    yield "many labels", with_meta(b'"annotations":{' + b",".join(b'"%x":""' % at for at in range(many)) + b"}")
    yield "many containers", with_spec(b'{"containers":[' + b",".join([one] * 15_000) + b"]}")
    yield "many empty containers", with_spec(b'{"containers":[' + b",".join([b"{}"] * 300_000) + b"]}")
    yield (
        "many different quantities",
        with_spec(
            b'{"containers":['
            + b",".join(b'{"name":"c","resources":{"requests":{"cpu":"%d.%dm"}}}' % (at, at) for at in range(15_000))
            + b"]}"
        ),
    )
    yield (
        "many resources",
        with_spec(
            b'{"containers":[{"resources":{"requests":{' + b",".join(b'"r%x":"1"' % at for at in range(many)) + b"}}}]}"
        ),
    )
    yield (
        "many denominators",
        with_spec(
            b'{"containers":['
            + b",".join(b'{"resources":{"requests":{"cpu":"1e-%d"}}}' % (at % 64) for at in range(20_000))
            + b"]}"
        ),
    )
    yield "many owners", with_meta(b'"ownerReferences":[' + b",".join([b"{}"] * 300_000) + b"]")
    yield (
        "long owner",
        with_meta(
            b'"ownerReferences":[{"kind":"Job","controller":true,"name":"-' + b"1" * 1_000_000 + b'x","uid":"u"}]'
        ),
    )
    yield (
        "many gates",
        with_spec(b'{"containers":[' + one + b'],"schedulingGates":[' + b",".join([b"{}"] * many) + b"]}"),
    )
    yield "long number", with_spec(b'{"priority":' + b"9" * 900_000 + b"}")
    yield "long fraction", with_spec(b'{"priority":0.' + b"9" * 900_000 + b"}")
    yield "far exponent", with_spec(b'{"priority":1e999999999}')
    yield "long quantity", with_spec(b'{"containers":[{"resources":{"requests":{"cpu":"' + b"9" * 900_000 + b'"}}}]}')
    yield "long string", with_meta(b'"name":"' + b"\\u0041" * 170_000 + b'"')
    yield "half a pair", with_meta(b'"name":"' + b"\\ud800" * 170_000 + b'"')
    yield "blanks", b" " * 1_000_000 + sound
    yield "blanks inside", sound.replace(b'"request":', b'"request":' + b" " * 1_000_000)
    yield "one key twice, many times", with_meta(b'"name":"a"' + b',"name":"a"' * 90_000)
    yield "a key twice beside an escape", with_meta(b'"name":"\\u0026","name":"b"')
    yield (
        "many warnings' worth",
        with_meta(b'"labels":{' + b",".join(b'"%x":"\\u003c"' % at for at in range(40_000)) + b"}"),
    )
