"""Rules between pods against brute force: every order in which a wave's pods can arrive, judged pod by pod."""

from collections import Counter
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.snapshots import TinyNode, TinyPod, tiny_snapshot
from tests.solver.check.plans import move, verdict

NODES = ("x1", "x2", "y1", "y2", "z1")
AWAY = "nowhere"
HOST = "kubernetes.io/hostname"


@st.composite
def rules(draw):
    """Anti-affinity, affinity or spread over one label, in a zone or on a host; or none."""
    kind = draw(st.sampled_from(["none", "podAntiAffinity", "podAffinity", "spread"]))
    key, selector = draw(st.sampled_from(["zone", HOST])), {"matchLabels": {"app": draw(st.sampled_from("ab"))}}
    if kind == "none":
        return {}
    if kind == "spread":
        rule = {"maxSkew": draw(st.integers(1, 2)), "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule"}
        least = draw(st.sampled_from([{}, {"minDomains": 4}]))
        return {"topologySpreadConstraints": [rule | {"labelSelector": selector} | least]}
    term = {"topologyKey": key, "labelSelector": selector}
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


@st.composite
def waves(draw):
    """Up to six pods of two apps, and one wave of up to four moves."""
    specs = [draw(rules()) for _ in range(3)]
    apps = draw(st.lists(st.sampled_from("ab"), min_size=2, max_size=6))
    pods = [
        TinyPod(f"p{i}", draw(st.sampled_from(NODES)), cpu=0, labels={"app": app}, spec=draw(st.sampled_from(specs)))
        for i, app in enumerate(apps)
    ]
    places = [(i, draw(st.sampled_from([n for n in NODES if n != pod.node]))) for i, pod in enumerate(pods)]
    return pods, draw(st.lists(st.sampled_from(places), unique=True, min_size=1, max_size=4))


def zone(node, key):
    return node[0] if key == "zone" else node


def names(rule, pod):
    return pod.labels == rule["labelSelector"]["matchLabels"]


def terms(pod, kind):
    rule = pod.spec.get("affinity", {}).get(kind, {})
    return rule.get("requiredDuringSchedulingIgnoredDuringExecution", [])


def accepted(pod, node, others):
    """Whether the scheduler takes a pod on a node, with the others (pod, node) where they are."""
    for other, place in others:
        for one, two in ((pod, other), (other, pod)):
            for term in terms(one, "podAntiAffinity"):
                key = term["topologyKey"]
                if names(term, two) and zone(place, key) == zone(node, key):
                    return False
    for term in terms(pod, "podAffinity"):
        named = [zone(place, term["topologyKey"]) for other, place in others if names(term, other)]
        first = not named and names(term, pod)
        if zone(node, term["topologyKey"]) not in named and not first:
            return False
    for rule in pod.spec.get("topologySpreadConstraints", ()):
        key = rule["topologyKey"]
        counts = Counter({zone(each, key): 0 for each in NODES})
        counts.update(zone(place, key) for other, place in others if names(rule, other))
        emptiest = min(counts.values()) if len(counts) >= rule.get("minDomains", 1) else 0
        if counts[zone(node, key)] + names(rule, pod) - emptiest > rule["maxSkew"]:
            return False
    return True


def may_be_refused(pods, moves):
    """Pods that the scheduler refuses in some state of the others."""
    refused = set()
    for mover, target in moves:
        rest = dict(move for move in moves if move[0] != mover)
        for choice in product(range(3), repeat=len(rest)):
            places = {i: pod.node for i, pod in enumerate(pods) if i != mover}
            for (i, goal), now in zip(rest.items(), choice, strict=True):
                places[i] = (pods[i].node, AWAY, goal)[now]
            others = [(pods[i], place) for i, place in places.items() if place != AWAY]
            if not accepted(pods[mover], target, others):
                refused.add(f"default/p{mover}")
    return refused


def refused_by_checker(pods, moves):
    snapshot = tiny_snapshot([TinyNode(name, {"zone": name[0], HOST: name}) for name in NODES], pods)
    report = verdict(snapshot, [move(snapshot, f"p{i}", target) for i, target in moves])
    return {each.subject for each in report.violations if each.kind in ("anti-affinity", "affinity", "spread")}


@given(waves())
@settings(max_examples=300, deadline=None)
def test_no_arrival_that_some_order_refuses_is_accepted(wave):
    assert may_be_refused(*wave) <= refused_by_checker(*wave)


@given(waves())
@settings(max_examples=300, deadline=None)
def test_a_move_on_its_own_is_refused_exactly_when_the_scheduler_refuses_it(wave):
    pods, moves = wave
    assert may_be_refused(pods, moves[:1]) == refused_by_checker(pods, moves[:1])
