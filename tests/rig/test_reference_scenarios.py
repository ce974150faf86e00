"""Scenarios that others hold their extenders to, with ours in the chain, on the real scheduler.

The chain is that of kube-scheduler's own integration test of extenders (test/integration/scheduler/extender), told in
our words. The cases of many nodes, stale data, concurrency and recovery are those in which Telemetry Aware Scheduling
falls short: its scores go below zero from the twelfth node on, and pods that it refused stay pending.
"""

import json
import time
import urllib.request
from collections import Counter
from contextlib import ExitStack

import pytest
from tests.rig.cluster import bound, make_nodes, make_pods, node, pod
from tests.rig.extender import (
    PREFIX,
    Replica,
    change_domain,
    client_context,
    extender,
    install_objects,
    make_domains,
    power_domain,
)
from tests.rig.oracle import Oracle, serving
from tests.rig.processes import wait_for
from tests.rig.proxy import Proxy
from tests.rig.rig import scheduler_config

pytestmark = [pytest.mark.rig, pytest.mark.slow]

PLACED_S = 30.0
MACHINES = tuple(f"machine{i}" for i in range(1, 6))


def only(*names):
    """An extender's choice: these machines, where they are still to be had."""
    return lambda _, offered: [name for name in offered if name in names]


def scoring(best):
    """Ten for one machine and one for the others."""
    return lambda args: [{"Host": name, "Score": 10 if name == best else 1} for name in _names(args)]


def _names(args):
    nodes = args.get("Nodes") or {}
    return args.get("NodeNames") or [each["metadata"]["name"] for each in nodes.get("items") or ()]


class Chain:
    """Three extenders of others: two that filter and prioritize, one of which binds, and one that fails and may."""

    def __init__(self, stack: ExitStack, rig) -> None:
        self.rig = rig
        self.binds: list[dict] = []
        self.failures = 0
        self.first = Oracle("", only("machine1", "machine2", "machine3"))
        self.second = Oracle("", only("machine2", "machine3", "machine5"))
        verbs = {"filter": self.first.filter, "prioritize": scoring("machine2")}
        self.first.url = stack.enter_context(serving(verbs))
        verbs = {"filter": self._filter_whole_nodes, "prioritize": scoring("machine3"), "bind": self._bind}
        self.second.url = stack.enter_context(serving(verbs))
        self.third_url = stack.enter_context(serving({"filter": self._fail, "prioritize": self._fail}))

    def entries(self, *, binding: bool = True):
        """Their entries in the scheduler's configuration."""
        bind = {"bindVerb": "bind"} if binding else {}
        return [
            {"urlPrefix": self.third_url, "filterVerb": "filter", "prioritizeVerb": "prioritize", "weight": 4}
            | {"ignorable": True, "nodeCacheCapable": True},
            self.first.extender(prioritizeVerb="prioritize", weight=3),
            self.second.extender(prioritizeVerb="prioritize", weight=4, nodeCacheCapable=False) | bind,
        ]

    def _filter_whole_nodes(self, args):
        """The other form of the protocol, in which nodes come and go whole."""
        items = args["Nodes"]["items"]
        names = [each["metadata"]["name"] for each in items]
        self.second.asked[args["Pod"]["metadata"]["uid"]].append(frozenset(names))
        kept = set(self.second.choose(args["Pod"], names))
        return {"Nodes": {"items": [each for each in items if each["metadata"]["name"] in kept]}, "FailedNodes": {}}

    def _fail(self, _):
        self.failures += 1
        raise RuntimeError("out of order")

    def _bind(self, args):
        self.binds.append(args)
        meta = {"name": args["PodName"], "namespace": args["PodNamespace"], "uid": args["PodUID"]}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": meta}
        binding |= {"target": {"apiVersion": "v1", "kind": "Node", "name": args["Node"]}}
        path = f"/api/v1/namespaces/{args['PodNamespace']}/pods/{args['PodName']}/binding"
        answer = self.rig.api.call("POST", path, binding)
        return {"Error": "" if answer.ok else answer.message}


@pytest.fixture
def machines(rig):
    """Five machines, each a rack of its own with ample room: what is tight is offered in small portions only."""
    install_objects(rig)
    make_nodes(rig, [node(name) for name in MACHINES])
    make_domains(rig, [power_domain(f"rack-{name}", nodeNames=[name], budget="10kW") for name in MACHINES])
    return rig


@pytest.fixture
def chain(machines):
    with ExitStack() as stack:
        yield Chain(stack, machines)


def uid_of(rig, name):
    return rig.api.get(f"/api/v1/namespaces/default/pods/{name}")["metadata"]["uid"]


def place(rig, body):
    make_pods(rig, [body])
    name = body["metadata"]["name"]
    assert wait_for(lambda: name in bound(rig), PLACED_S), f"{name} is not placed"
    return bound(rig)[name]


def refused(rig, name):
    """Whether the scheduler has said of a pod that it fits nowhere."""
    conditions = rig.api.get(f"/api/v1/namespaces/default/pods/{name}")["status"].get("conditions", ())
    return any(each["type"] == "PodScheduled" and each["status"] == "False" for each in conditions)


def test_a_chain_of_extenders_with_ours_in_it_places_the_pod_where_all_of_them_agree(machines, chain):
    with extender(machines) as ours:
        machines.restart_scheduler(scheduler_config(*chain.entries(), ours.entry(weight=1)))
        assert place(machines, pod("p", watts=100)) == "machine3"
    uid = uid_of(machines, "p")
    assert [call["Node"] for call in chain.binds] == ["machine3"]
    assert chain.first.feasible(uid) == set(MACHINES)
    assert chain.second.feasible(uid) == {"machine1", "machine2", "machine3"}
    assert chain.failures > 0


def test_in_a_chain_ours_takes_away_the_favourite_whose_rack_is_full(machines, chain):
    change_domain(machines, "rack-machine3", budget="50W")
    with extender(machines) as ours:
        machines.restart_scheduler(scheduler_config(*chain.entries(), ours.entry(weight=1)))
        assert place(machines, pod("p", watts=100)) == "machine2"


def test_in_a_chain_a_pod_that_ours_does_not_manage_goes_by_the_others_alone(machines, chain):
    change_domain(machines, "rack-machine3", budget="50W")
    with extender(machines) as ours:
        machines.restart_scheduler(scheduler_config(*chain.entries(), ours.entry(weight=1)))
        assert place(machines, pod("p")) == "machine3"


def test_in_a_chain_ours_binds_where_it_is_the_one_that_may(machines, chain):
    with extender(machines, "binder", "--bind-pods") as ours:
        entries = [*chain.entries(binding=False), ours.entry(weight=1, bindVerb="bind")]
        machines.restart_scheduler(scheduler_config(*entries))
        assert place(machines, pod("p", watts=100)) == "machine3"
        assert ours.page("/metrics") is not None
    assert chain.binds == []


def ask(rig, replica: Replica, verb, body, names):
    """Put one question to a replica as the scheduler would."""
    question = json.dumps({"Pod": body, "Nodes": None, "NodeNames": names}).encode()
    url = f"https://127.0.0.1:{replica.port}{PREFIX}/{verb}"
    request = urllib.request.Request(url, question, {"Content-Type": "application/json"})
    direct = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=client_context(rig))
    )
    with direct.open(request, timeout=5) as answer:
        return json.load(answer)


@pytest.mark.parametrize("count", [11, 12, 40])
def test_scores_of_any_number_of_nodes_stay_from_0_to_10_and_rise_with_headroom(rig, count):
    install_objects(rig)
    names = [f"n{i:02}" for i in range(count)]
    make_nodes(rig, [node(name) for name in names])
    # Two and two alike: the first pair with the least headroom, the last with the most.
    budgets = [200 + 100 * (i // 2) for i in range(count)]
    make_domains(
        rig,
        [
            power_domain(f"rack-{name}", nodeNames=[name], budget=f"{watts}W")
            for name, watts in zip(names, budgets, strict=True)
        ],
    )
    waiting = pod("p", watts=100) | {}
    waiting["metadata"]["uid"] = "asked-by-hand"
    with extender(rig) as ours:
        left = ask(rig, ours, "filter", waiting, names)["NodeNames"]
        scores = {each["Host"]: each["Score"] for each in ask(rig, ours, "prioritize", waiting, names)}
    assert set(left) <= set(names)
    by_budget = [scores[name] for name in names]
    assert all(isinstance(score, int) and 0 <= score <= 10 for score in by_budget)
    assert by_budget == sorted(by_budget)
    assert all(by_budget[i] == by_budget[i + 1] for i in range(0, count - 1, 2))
    assert by_budget[-1] - by_budget[0] >= 3
    # In proportion, not by rank: half way up in headroom is about half way up in score.
    middle = by_budget[count // 2]
    assert abs(middle - (by_budget[0] + by_budget[-1]) / 2) <= 2


def test_pods_that_come_at_once_do_not_herd_onto_one_node(rig):
    install_objects(rig)
    names = [f"n{i}" for i in range(10)]
    make_nodes(rig, [node(name) for name in names])
    make_domains(rig, [power_domain(f"rack-{name}", nodeNames=[name], budget="150W") for name in names])
    with extender(rig) as ours:
        rig.restart_scheduler(scheduler_config(ours.entry()))
        make_pods(rig, [pod(f"p{i}", watts=100) for i in range(10)], at_once=10)
        assert wait_for(lambda: len(bound(rig)) == 10, PLACED_S), bound(rig)
        assert Counter(bound(rig).values()) == dict.fromkeys(names, 1)
        make_pods(rig, [pod("late", watts=100)])
        assert wait_for(lambda: refused(rig, "late"), PLACED_S)
        assert len(bound(rig)) == 10


def test_a_refused_pod_is_placed_soon_after_its_budget_grows_and_nothing_else_happens(rig):
    install_objects(rig)
    make_nodes(rig, [node("n1")])
    make_domains(rig, [power_domain("rack", nodeNames=["n1"], budget="50W")])
    with extender(rig) as ours:
        rig.restart_scheduler(scheduler_config(ours.entry()))
        make_pods(rig, [pod("p", watts=100)])
        assert wait_for(lambda: refused(rig, "p"), PLACED_S)
        time.sleep(3)
        assert bound(rig) == {}
        change_domain(rig, "rack", budget="150W")
        assert wait_for(lambda: bound(rig) == {"p": "n1"}, 20)


def test_a_refused_pod_is_placed_soon_after_another_one_leaves(rig):
    install_objects(rig)
    make_nodes(rig, [node("n1")])
    make_domains(rig, [power_domain("rack", nodeNames=["n1"], budget="150W")])
    with extender(rig) as ours:
        rig.restart_scheduler(scheduler_config(ours.entry()))
        assert place(rig, pod("first", watts=100)) == "n1"
        make_pods(rig, [pod("second", watts=100)])
        assert wait_for(lambda: refused(rig, "second"), PLACED_S)
        rig.api.delete("/api/v1/namespaces/default/pods/first", {"gracePeriodSeconds": 0})
        assert wait_for(lambda: bound(rig) == {"second": "n1"}, 20)


def test_an_extender_that_is_cut_off_places_nothing_by_what_it_knew(rig):
    """The books that it last saw have room; the cluster has none. Back again, it sees that, and then makes room."""
    install_objects(rig)
    make_nodes(rig, [node("n1")])
    make_domains(rig, [power_domain("rack", nodeNames=["n1"], budget="150W")])
    with Proxy(rig.ports["kube-apiserver"]) as proxy:
        through = proxy.kubeconfig(rig.kubeconfig, rig.folder / "through-the-proxy.kubeconfig")
        replica = Replica(rig, "cut-off", kubeconfig=through).start()
        try:
            replica.wait_ready()
            rig.restart_scheduler(scheduler_config(replica.entry()))
            proxy.shut()
            assert wait_for(lambda: not replica.ready(), 30, 0.2), "it answers although it sees nothing"
            # Bound past the scheduler: what the extender cannot see.
            body = pod("unseen", watts=100, nodeName="n1")
            make_pods(rig, [body, pod("asks", watts=100)])
            assert wait_for(lambda: refused(rig, "asks"), PLACED_S)
            time.sleep(3)
            assert bound(rig) == {"unseen": "n1"}
            proxy.reopen()
            replica.wait_ready()
            time.sleep(12)
            assert bound(rig) == {"unseen": "n1"}
            rig.api.delete("/api/v1/namespaces/default/pods/unseen", {"gracePeriodSeconds": 0})
            assert wait_for(lambda: bound(rig) == {"asks": "n1"}, PLACED_S)
        finally:
            replica.stop()
