"""The problem and the checker, written apart from each other, say yes and no to the same moves."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.snapshots import TinyNode, TinyPod, disruption_budget, rack, tiny_snapshot

from powerplane.solver.check import check
from powerplane.solver.compose import compose_plan
from powerplane.solver.formulate import formulate
from powerplane.solver.problem import Problem, TopologyRule
from powerplane.solver.result import Flow, Result

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
APPS = st.sampled_from(["x", "y"])
KEYS = st.sampled_from(["zone", "host"])
SELECTORS = st.one_of(
    st.none(),
    st.just({}),
    APPS.map(lambda app: {"matchLabels": {"app": app}}),
    APPS.map(lambda app: {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": [app]}]}),
    st.just({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
)


def optional(**fields):
    return st.fixed_dictionaries({}, optional=fields)


def joined(*parts):
    return st.tuples(*parts).map(lambda dicts: {key: value for one in dicts for key, value in one.items()})


TERMS = joined(
    st.fixed_dictionaries({"topologyKey": KEYS, "labelSelector": SELECTORS}),
    optional(
        namespaces=st.just(["other"]),
        namespaceSelector=st.sampled_from([{}, {"matchLabels": {"team": "t"}}]),
        matchLabelKeys=st.just(["app"]),
        mismatchLabelKeys=st.just(["tier"]),
    ),
).map(lambda term: {key: value for key, value in term.items() if value is not None})
SPREADS = joined(
    st.fixed_dictionaries(
        {
            "maxSkew": st.integers(1, 2),
            "topologyKey": KEYS,
            "whenUnsatisfiable": st.sampled_from(["DoNotSchedule", "DoNotSchedule", "ScheduleAnyway"]),
            "labelSelector": SELECTORS,
        }
    ),
    optional(
        minDomains=st.integers(1, 3),
        nodeAffinityPolicy=st.sampled_from(["Honor", "Ignore"]),
        nodeTaintsPolicy=st.sampled_from(["Honor", "Ignore"]),
        matchLabelKeys=st.just(["tier"]),
    ),
)
NODE_TERMS = st.lists(
    st.sampled_from(
        [
            {"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["4"]}]},
            {"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]},
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n0"]}]},
            {},
        ]
    ),
    min_size=1,
    max_size=2,
)
AFFINITIES = optional(
    nodeAffinity=NODE_TERMS.map(lambda terms: {REQUIRED: {"nodeSelectorTerms": terms}}),
    podAffinity=st.lists(TERMS, max_size=2).map(lambda terms: {REQUIRED: terms}),
    podAntiAffinity=st.lists(TERMS, max_size=2).map(lambda terms: {REQUIRED: terms}),
)
TOLERATIONS = st.sampled_from(
    [{"operator": "Exists"}, {"key": "k", "value": "v"}, {"key": "k", "operator": "Exists", "effect": "NoExecute"}]
)
SPECS = optional(
    affinity=AFFINITIES,
    topologySpreadConstraints=st.lists(SPREADS, max_size=2),
    tolerations=st.lists(TOLERATIONS, max_size=1),
    nodeSelector=st.just({"disk": "ssd"}),
)
PORTS = st.lists(
    st.tuples(st.just("TCP"), st.sampled_from(["0.0.0.0", "10.0.0.1", "10.0.0.2"]), st.just(80)), max_size=1
).map(tuple)
LABELS = optional(app=APPS, tier=st.just("db"))
PODS = st.builds(
    dict,
    node=st.sampled_from(["n0", "n1", "n2", "n3"]),
    namespace=st.sampled_from(["default", "default", "other"]),
    cpu=st.sampled_from([0.5, 1]),
    labels=LABELS,
    spec=st.just({}) | SPECS,
    host_ports=st.just(()) | PORTS,
    unmovable=st.sampled_from(["", "", "", "DaemonSet"]),
)
NODE_LABELS = optional(
    zone=st.sampled_from(["a", "b"]), host=st.sampled_from(["1", "2", "3"]), disk=st.just("ssd"), cores=st.just("8")
)
TAINTS = (
    st.just(())
    | st.just(())
    | st.tuples(st.tuples(st.just("k"), st.just("v"), st.sampled_from(["NoSchedule", "NoExecute", "PreferNoSchedule"])))
)
NODES = st.lists(
    st.builds(
        dict,
        labels=NODE_LABELS,
        taints=TAINTS,
        unschedulable=st.sampled_from([False] * 5 + [True]),
        cpu=st.sampled_from([2, 8, 8]),
    ),
    min_size=4,
    max_size=4,
)
BUDGETS = st.lists(st.tuples(SELECTORS, st.integers(0, 2)), max_size=2)


def allows(problem: Problem, one: int, source: int, target: int) -> bool:
    """Whether one pod of a class may move, by the problem's own definitions."""
    if not problem.movable[one] or not problem.allowed[problem.allowed_set[one], target]:
        return False
    counts = np.zeros((problem.node_count, problem.class_count), dtype=np.int64)
    counts[problem.cell_node, problem.cell_class] = problem.cell_count
    taken = counts[target] @ problem.requests + problem.requests[one]
    wanted = problem.requests[one] > 0
    if (taken > problem.allocatable[target])[wanted].any():
        return False
    for budget in problem.disruption_budgets:
        if one in budget.classes and budget.allowed < 1:
            return False
    counts[source, one] -= 1
    return all(obeys(rule, counts, one, target) for rule in problem.rules)


def obeys(rule: TopologyRule, counts: np.ndarray, one: int, target: int) -> bool:
    """Whether a newcomer obeys a rule, the others standing as counted."""
    zone = rule.zone[target]
    near = rule.zone == zone
    carries, targeted = one in rule.carriers, one in rule.targets
    if rule.kind == "anti-affinity":
        named, carried = counts[near][:, rule.targets].sum(), counts[near][:, rule.carriers].sum()
        return zone < 0 or not ((carries and named) or (targeted and carried))
    if not carries:
        return True
    if rule.kind == "affinity":
        known = counts[rule.zone >= 0][:, rule.targets].sum()
        return zone >= 0 and bool(counts[near][:, rule.targets].sum() or (targeted and not known))
    held = [counts[(rule.zone == z) & rule.counted][:, rule.targets].sum() for z in range(rule.zone_count)]
    zones = set(rule.zone[rule.counted & (rule.zone >= 0)].tolist())
    least = 0 if len(zones) < rule.min_zones else min((held[z] for z in zones), default=0)
    return zone >= 0 and held[zone] + int(targeted) - least <= rule.max_skew


@settings(max_examples=200, deadline=None)
@given(NODES, st.lists(PODS, min_size=1, max_size=7), BUDGETS, st.integers(0, 3))
def test_the_problem_allows_exactly_the_single_moves_that_pass_the_checker(nodes, pods, budgets, target):
    snapshot = tiny_snapshot(
        [TinyNode(f"n{i}", **one) for i, one in enumerate(nodes)],
        [TinyPod(f"p{i}", **one) for i, one in enumerate(pods)],
        [rack("r1", ["n0", "n1"]), rack("r2", ["n2", "n3"])],
        [disruption_budget(f"b{i}", selector, allowed) for i, (selector, allowed) in enumerate(budgets)],
        {"default": {}, "other": {"team": "t"}},
    )
    formulation = formulate(snapshot)
    for one in range(len(formulation.classes)):
        for source in sorted(set(snapshot.pods.node[formulation.classes.of_pod == one].tolist()) - {target}):
            flow = Flow(one, source, target, 1, 1)
            result = Result("feasible", "disruption", (flow,), 1000, 1000, 0, 0, 0, 0.1)
            plan = compose_plan(snapshot, formulation, result, [("r1",)])
            report = check(snapshot, plan)
            said = "; ".join(map(str, report.violations))
            assert report.ok == allows(formulation.problem, one, source, target), said
