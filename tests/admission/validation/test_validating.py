"""What the API server is told of objects before it stores them."""

import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.admission.applying import container, pod, response, review
from tests.admission.test_deciding import everywhere, table
from tests.models.api.domains import cluster_policy, domain, policy
from tests.scheduler_extender.asking import ask_once

from powerplane.admission.app import AdmissionApp
from powerplane.admission.gates.headroom import Headroom
from powerplane.admission.metrics import AdmissionMetrics
from powerplane.admission.review import LONGEST_WARNING, read_review
from powerplane.admission.unfit import unfit_words
from powerplane.admission.validation.ground import GroundBook, places_of
from powerplane.admission.validation.validating import judge
from powerplane.models.api.capping_policy import AdmissionChoice
from powerplane.models.api.tree import read_tree
from powerplane.models.power_tree import NodeFigures, compile_tree
from powerplane.models.requests import WATTS_RESOURCE

NODES = {"n1": {"rack": "r1"}, "n2": {"rack": "r2"}}
MEMBER = {"idle": "100W"}
FLOOR = (
    domain("row", "row", budget="3kW", labels={"level": "row"}),
    domain("r1", parents=["row"], budget="1kW", nodeNames=["n1"], node=MEMBER),
    domain("r2", parents=["row"], budget="2kW", nodeNames=["n2"], node=MEMBER),
)
WARNED, DENYING = everywhere(), everywhere(admission=AdmissionChoice(unfit="Deny"))


def known(*policies, floor=FLOOR, nodes=NODES):
    rules = policies or (WARNED,)
    return replace(table(*rules), ground=GroundBook().ground(nodes.items(), floor, rules))


def ask(made, on=None, **more):
    return judge(read_review(review(made, **more)), on or known())


def wants(watts, **spec):
    made = container(cpu="1")
    made["resources"] = {"requests": {WATTS_RESOURCE: str(watts)}, "limits": {WATTS_RESOURCE: str(watts)}}
    return pod(made, **spec)


def of(kind, name, spec, **more):
    made = {"metadata": {"name": name}, "spec": spec}
    about = {"kind": {"group": "powerplane.dev", "version": "v1alpha1", "kind": kind}, "name": name}
    return ask(made, **about, **more)


# Pods ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("watts", "result"), [(1900, "kept"), (1901, "warned")])
def test_a_pod_above_what_the_roomiest_node_gives_when_empty_is_warned_of(watts, result):
    decision = ask(wants(watts))
    assert decision.result == result
    if result == "warned":
        (told,) = decision.verdict.warnings
        assert told == "powerplane: 1901 W fit nowhere: rack r2 gives one pod 1900 W at most"
        assert not decision.verdict.denied


def test_a_policy_that_says_deny_has_it_refused_with_what_to_do():
    decision = ask(wants(2500), known(DENYING))
    assert decision.result == "denied"
    assert "rack r2" in decision.verdict.denied
    assert "spec.admission.unfit" in decision.verdict.denied
    assert ask(wants(1900), known(DENYING)).result == "kept"


def test_watts_that_are_noted_count_like_requested_ones():
    noted = pod(container(cpu="1"))
    noted["metadata"]["annotations"] = {"powerplane.dev/predicted-watts": "1901"}
    assert ask(noted).result == "warned"


def test_a_node_selector_narrows_where_it_may_go():
    told = ask(wants(1000, nodeSelector={"rack": "r1"}))
    assert "rack r1 gives one pod 900 W" in told.verdict.warnings[0]
    assert ask(wants(1000, nodeSelector={"rack": "r2"})).result == "kept"
    assert ask(wants(5000, nodeSelector={"rack": "r9"})).result == "kept"


def required(*terms):
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


def labelled(key, operator, *values):
    return {"matchExpressions": [{"key": key, "operator": operator, **({"values": list(values)} if values else {})}]}


def named(operator, *names):
    return {"matchFields": [{"key": "metadata.name", "operator": operator, "values": list(names)}]}


SIZED = {"n1": {"rack": "r1", "size": "4", "old": ""}, "n2": {"rack": "r2", "size": "16"}}


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (labelled("rack", "In", "r1", "r9"), labelled("rack", "In", "r1", "r2")),
        (labelled("rack", "NotIn", "r2"), labelled("rack", "NotIn", "r1")),
        (labelled("old", "Exists"), labelled("rack", "Exists")),
        (labelled("young", "DoesNotExist") | named("In", "n1"), labelled("old", "DoesNotExist")),
        (labelled("size", "Lt", "5"), labelled("size", "Gt", "5")),
        (named("In", "n1"), named("NotIn", "n1")),
    ],
)
def test_a_required_node_affinity_narrows_where_it_may_go(small, large):
    floor = known(nodes=SIZED)
    told = ask(wants(1000, affinity=required(small)), floor)
    assert "rack r1 gives one pod 900 W" in told.verdict.warnings[0]
    assert ask(wants(1000, affinity=required(large)), floor).result == "kept"


def test_one_term_of_several_is_enough_and_each_of_a_term_must_hold():
    either = required(labelled("rack", "In", "r1"), named("In", "n2"))
    assert ask(wants(1000, affinity=either)).result == "kept"
    both = required({**labelled("rack", "Exists"), **named("In", "n1")})
    assert ask(wants(1000, affinity=both)).result == "warned"
    assert (
        ask(wants(1000, affinity=required(labelled("rack", "Exists")), nodeSelector={"rack": "r1"})).result == "warned"
    )


def test_of_an_affinity_that_no_node_has_yet_nothing_is_known():
    assert ask(wants(5000, affinity=required(labelled("rack", "In", "r9")))).result == "kept"
    assert ask(wants(5000, affinity=required({}))).result == "kept"


def test_what_is_only_preferred_narrows_nothing():
    wish = {
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "preference": labelled("rack", "In", "r1")}
            ]
        }
    }
    assert ask(wants(1000, affinity=wish)).result == "kept"


def test_a_node_that_no_budget_holds_takes_anybody():
    assert ask(wants(9000), known(nodes={**NODES, "free": {}})).result == "kept"
    assert ask(wants(9000), known(floor=())).result == "kept"
    assert ask(wants(9000), known(nodes={})).result == "kept"


def test_a_nodes_own_budget_is_named_where_it_is_the_tightest():
    floor = (domain("r1", budget="1kW", nodeNames=["n1"], node={"idle": "50W", "budget": "400W"}),)
    assert "node n1 gives one pod 350 W" in ask(wants(500), known(floor=floor, nodes={"n1": {}})).verdict.warnings[0]


def test_a_policy_that_holds_at_all_hours_lowers_what_fits_and_a_scheduled_one_does_not():
    limit = {"rackConstraints": [{"domainNames": ["r2"], "maxPower": "1500W"}]}
    always = cluster_policy("low", mode="Initial", **limit)
    assert ask(wants(1500), known(WARNED, always)).result == "warned"
    evenings = {"start": "18:00", "end": "20:00", "rackConstraints": [{"domainNames": ["r2"], "maxPower": "2kW"}]}
    timed = cluster_policy("low", mode="Initial", schedule=[evenings], **limit)
    assert ask(wants(1500), known(WARNED, timed)).result == "kept"


def test_whom_the_webhook_leaves_alone_is_not_judged():
    assert ask(wants(9000), table(everywhere("Observe"))).result == "no_policy"
    daemon = wants(9000)
    daemon["metadata"]["ownerReferences"] = [{"kind": "DaemonSet", "name": "d", "uid": "o", "controller": True}]
    assert ask(daemon, known(DENYING)).result == "daemon"
    assert ask(wants(9000), known(DENYING), operation="UPDATE").result == "other_operation"
    assert ask(wants("1x"), known(DENYING)).result == "unreadable"


def test_the_systems_own_pods_are_warned_of_and_never_refused():
    assert ask(wants(9000, priorityClassName="system-node-critical"), known(DENYING)).result == "warned"


def test_a_warning_is_as_short_as_every_client_shows_whole_and_still_names_the_watts():
    long = domain("r" * 200, budget="1kW", nodeNames=["n1"])
    (told,) = ask(wants(123_456), known(floor=(long,), nodes={"n1": {}})).verdict.warnings
    assert len(told) == LONGEST_WARNING
    assert (told.startswith("powerplane: 123456 W fit nowhere: rack rrr"), told.endswith("1000 W at most")) == (1, 1)


BUDGETS = st.sampled_from(["", "300W", "700W", "1kW"])


@given(st.lists(BUDGETS, min_size=5, max_size=5), st.integers(0, 1500), st.booleans())
def test_a_pod_is_called_unfit_exactly_where_an_empty_floor_takes_it_nowhere(budgets, watts, shared):
    feeds = ["a", "b"] if shared else ["a"]
    floor = [domain(each, "feed", budget=budget) for each, budget in zip("ab", budgets[:2], strict=True)]
    parted = {"feedLoad": "Shared"} if shared else {}
    for i, budget in enumerate(budgets[2:], 1):
        floor.append(domain(f"r{i}", parents=feeds, budget=budget, nodeNames=[f"n{i}"], node=MEMBER, **parted))
    nodes = {f"n{i}": {} for i in (1, 2, 3)}
    reading = read_tree(floor, nodes.items())
    tree = compile_tree(reading.topology, [NodeFigures(name, base_mw=100_000) for name in nodes])
    empty = Headroom(tree, np.zeros(3, dtype=np.int64), np.zeros((3, 0), dtype=np.int64))
    unfit = places_of(reading, nodes, floor, ()).too_small(watts)
    assert (unfit is not None) == (not (empty.room_mw >= watts * 1000).any())
    assert unfit is None or len(unfit_words(watts, unfit)) <= LONGEST_WARNING


# Our objects -----------------------------------------------------------------------------------------------------


def test_a_domain_that_fits_in_is_let_pass_without_a_word():
    decision = of("PowerDomain", "r3", {"kind": "rack", "parents": ["row"], "budget": "1kW"})
    assert (decision.result, decision.verdict.denied, decision.verdict.warnings) == ("kept", "", ())


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"kind": "rack", "parents": ["rwo"]}, "the parent 'rwo' does not exist"),
        ({"kind": "rack", "nodeNames": ["n1"]}, "node 'n1' is in 'r1', too"),
        ({"kind": "rack", "parents": ["row"], "budget": "4kW"}, "above the 3kW of its parent"),
    ],
)
def test_what_is_wrong_between_domains_is_warned_of_and_stored(spec, words):
    decision = of("PowerDomain", "r3", spec)
    assert (decision.result, decision.verdict.denied) == ("warned", "")
    assert words.replace(" ", "") in decision.verdict.warnings[0].replace(" ", "")


def test_a_ring_is_warned_of():
    assert "circle" in of("PowerDomain", "row", {"kind": "row", "parents": ["r1"]}).verdict.warnings[0]


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "rack", "node": {"idle": "300W", "budget": "200W"}},
        {"kind": "rack", "node": {"idle": "300W", "peak": "200W"}},
        {"kind": "rack", "nodeSelector": {"matchExpressions": [{"key": "a", "operator": "Maybe"}]}},
    ],
)
def test_a_domain_that_is_wrong_by_itself_is_refused(spec):
    assert of("PowerDomain", "r3", spec).result == "denied"


def test_an_object_whose_spec_stays_is_never_stopped():
    bad = {"kind": "rack", "node": {"idle": "300W", "budget": "200W"}}
    stays = of("PowerDomain", "r3", bad, operation="UPDATE", oldObject={"metadata": {"name": "r3"}, "spec": bad})
    assert stays.result == "same_spec"
    changed = of("PowerDomain", "r3", bad, operation="UPDATE", oldObject={"metadata": {"name": "r3"}, "spec": {}})
    assert changed.result == "denied"


def test_who_draws_through_a_domain_that_goes_is_told():
    gone = of("PowerDomain", "row", {"kind": "row"}, operation="DELETE", object=None)
    assert "r1, r2 name it as a parent" in gone.verdict.warnings[0]
    assert of("PowerDomain", "r1", {"kind": "rack"}, operation="DELETE", object=None).result == "kept"


CAP = {"cap": {"watts": "2kW"}}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"rackConstraints": [{"domainNames": ["r1", "r7"], "maxPower": "1kW"}]}, "do not exist: r7"),
        (
            {"rackConstraints": [{"domainSelector": {"matchLabels": {"level": "pdu"}}, "maxPower": "1kW"}]},
            "chooses no domain",
        ),
        ({"cap": {"watts": "3kW"}, "mode": "Initial"}, "policy all of the same priority asks otherwise for pods: cap"),
        ({"cap": {"watts": "10kW"}, "mode": "Initial", "admission": {"lock": "Gate"}}, "pods: admission"),
        ({"schedule": [{"start": "01:00", "end": "02:00", "timeZone": "Mars/Base", **CAP}]}, "'Mars/Base'"),
    ],
)
def test_a_policy_that_names_nothing_or_contradicts_another_is_warned_of(spec, words):
    decision = of("ClusterPowerCappingPolicy", "new", spec)
    assert (decision.result, decision.verdict.denied) == ("warned", "")
    assert any(words in each for each in decision.verdict.warnings), decision.verdict.warnings


def test_policies_of_different_ranks_or_pods_do_not_contradict_each_other():
    assert of("ClusterPowerCappingPolicy", "new", CAP | {"priority": 1}).result == "kept"
    assert of("ClusterPowerCappingPolicy", "all", CAP).result == "kept"
    there = known(policy("mine", "default", selector={"matchLabels": {"app": "a"}}, **CAP))
    other = {"cap": {"watts": "1kW"}, "selector": {"matchLabels": {"app": "b"}}}
    assert of("PowerCappingPolicy", "new", other, on=there).result == "kept"


def test_a_policy_that_is_wrong_by_itself_is_refused():
    bad = {"selector": {"matchExpressions": [{"key": "a", "operator": "Maybe"}]}, **CAP}
    assert of("ClusterPowerCappingPolicy", "new", bad).result == "denied"


def move(**changes):
    return {"namespace": "a", "pod": "p", "uid": "u", "from": "n1", "to": "n2"} | changes


@pytest.mark.parametrize(
    ("moves", "result"),
    [
        ([move()], "kept"),
        ([move(to="n9")], "warned"),
        ([move(), move(pod="q")], "denied"),
        ([move(to="n1")], "denied"),
        ([move(to="n1", lever="evict")], "denied"),
        ([move(to="n1", lever="throttle")], "kept"),
        ([move(to="n1", lever="restore")], "kept"),
    ],
)
def test_a_plan_moves_each_pod_once_and_somewhere(moves, result):
    spec = {"expiresAt": "2030-01-01T00:00:00Z", "moves": moves}
    assert of("PlacementPlan", "plan", spec).result == result


def test_what_a_program_keeps_for_itself_is_not_judged():
    spec = {"owner": "shop/Deployment/web", "writtenAt": "2030-01-01T00:00:00Z"}
    assert of("DemandCheckpoint", "web", spec).result == "other_kind"


def test_other_kinds_are_left_alone():
    about = {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}}
    assert ask({"metadata": {"name": "d"}}, **about).result == "other_kind"
    about = {"kind": {"group": "powerplane.dev", "version": "v1alpha1", "kind": "Unknown"}}
    assert ask({"metadata": {"name": "d"}}, **about).result == "other_kind"


# Over the wire, and the ground -----------------------------------------------------------------------------------


def test_over_http_a_refusal_has_its_words_and_a_warning_lets_pass_and_neither_counts_watts():
    metrics = AdmissionMetrics()
    for rules, allowed in ((DENYING, False), (WARNED, True)):
        app = AdmissionApp(lambda rules=rules: known(rules), metrics)
        answer = response(ask_once(app, "/validate", review(wants(5000))).body)
        assert (answer["allowed"], "patch" in answer, "warnings" in answer) == (allowed, False, allowed)
        assert allowed or answer["status"]["code"] == 403
    count = metrics.registry.get_sample_value
    assert count("powerplane_admission_reviews_total", {"path": "/validate", "result": "denied"}) == 1
    assert count("powerplane_admission_requested_watts_total") == 0


def test_what_is_no_domain_is_a_400():
    body = json.loads(review({"metadata": {"name": "d"}, "spec": 3}))
    body["request"]["kind"] = {"group": "powerplane.dev", "version": "v1alpha1", "kind": "PowerDomain"}
    app = AdmissionApp(known, AdmissionMetrics())
    assert ask_once(app, "/validate", json.dumps(body, separators=(",", ":")).encode()).status == 400


def test_the_ground_is_made_anew_for_specs_and_labels_and_not_for_figures_in_a_status():
    book = GroundBook()
    first = book.ground(NODES.items(), FLOOR, (WARNED,))
    figures = msgspec.convert({"headroomWatts": 3}, type(domain("x", accepted={"kind": "rack"}).status))
    told = tuple(msgspec.structs.replace(each, status=figures) for each in FLOOR)
    assert book.ground(NODES.items(), told, (WARNED,)) is first
    assert book.ground({**NODES, "n3": {}}.items(), told, (WARNED,)) is not first


def test_while_the_domains_make_no_tree_the_last_one_says_what_fits():
    book = GroundBook()
    book.ground(NODES.items(), FLOOR, (WARNED,))
    torn = (*FLOOR[1:], domain("row", "row", parents=["gone"], budget="9kW"))
    place = book.ground(NODES.items(), torn, (WARNED,)).places.too_small(2500)
    assert place is not None
    assert place.watts == 1900
