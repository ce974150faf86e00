"""The extender's HTTP face: what is answered, what is refused, and that it is never an empty object."""

import asyncio
import json
import logging

import pytest
from tests.scheduler_extender.answering import TableAnswers
from tests.scheduler_extender.asking import JSON_HEADERS, ask, ask_once, filter_body, go_json, pod

from powerplane.adapters.serving.operations import Operations
from powerplane.scheduler_extender.app import ExtenderApp
from powerplane.scheduler_extender.limits import Limits
from powerplane.scheduler_extender.metrics import ExtenderMetrics

VERBS = ("filter", "prioritize", "preempt", "bind")
LIMITS = Limits(body_bytes=4096, read_timeout_s=0.05, bind_timeout_s=0.05)


@pytest.fixture
def answers() -> TableAnswers:
    return TableAnswers()


@pytest.fixture
def metrics() -> ExtenderMetrics:
    return ExtenderMetrics()


@pytest.fixture
def app(answers, metrics) -> ExtenderApp:
    return ExtenderApp(answers, metrics, limits=LIMITS)


def count(metrics: ExtenderMetrics, verb: str, result: str) -> float:
    return (
        metrics.registry.get_sample_value("powerplane_extender_answers_total", {"verb": verb, "result": result}) or 0.0
    )


def test_filter_says_which_nodes_pass_and_why_others_do_not(app, metrics):
    reply = ask_once(app, "/scheduler/v1/filter", filter_body(["n1", "n2", "n3", "gone"]))
    assert reply.status == 200
    assert reply.headers[b"content-type"] == b"application/json"
    assert reply.json() == {
        "Nodes": None,
        "NodeNames": ["n2", "n3"],
        "FailedNodes": {"n1": "no headroom"},
        "FailedAndUnresolvableNodes": {"gone": "no such node"},
        "Error": "",
    }
    assert count(metrics, "filter", "ok") == 1
    nodes = [
        metrics.registry.get_sample_value("powerplane_extender_nodes_total", {"answer": a})
        for a in ("passed", "failed", "unresolvable")
    ]
    assert nodes == [2, 1, 1]


def test_names_that_all_pass_are_sent_back_byte_for_byte(app):
    names = b'["n2", "n\\u0033"]'
    reply = ask_once(app, "/scheduler/v1/filter", b'{"Pod":%s,"Nodes":null,"NodeNames":%s}' % (go_json(pod()), names))
    assert b'"NodeNames":' + names in reply.body


def test_where_no_node_passes_the_list_is_empty_and_not_missing(app, metrics):
    reply = ask_once(app, "/scheduler/v1/filter", filter_body(watts=5000))
    assert reply.json()["NodeNames"] == []
    assert set(reply.json()["FailedNodes"]) == {"n1", "n2", "n3"}
    assert count(metrics, "filter", "no_node") == 1


def test_prioritize_answers_with_a_bare_array(app):
    reply = ask_once(app, "/scheduler/v1/prioritize", filter_body())
    assert reply.json() == [{"Host": "n1", "Score": 1}, {"Host": "n2", "Score": 10}, {"Host": "n3", "Score": 2}]


def test_preempt_answers_by_uid(app):
    body = {
        "Pod": pod(),
        "NodeNameToVictims": None,
        "NodeNameToMetaVictims": {
            "n1": {"Pods": [{"UID": "v"}], "NumPDBViolations": 2},
            "gone": {"Pods": [{"UID": "w"}], "NumPDBViolations": 0},
        },
    }
    reply = ask_once(app, "/scheduler/v1/preempt", go_json(body))
    assert reply.json() == {"NodeNameToMetaVictims": {"n1": {"Pods": [{"UID": "v"}], "NumPDBViolations": 2}}}


def test_bind_tells_what_the_binding_said(app, answers):
    body = {"PodName": "p", "PodNamespace": "d", "PodUID": "u", "Node": "n2"}
    assert ask_once(app, "/scheduler/v1/bind", go_json(body)).json() == {"Error": ""}
    assert answers.bound[0].node == "n2"
    assert ask_once(app, "/scheduler/v1/bind", go_json(body | {"Node": "x"})).json() == {"Error": "no such node"}


def test_a_binding_that_hangs_is_told_as_an_error_in_time(app, answers, metrics):
    answers.bind_wait_s = 60
    body = {"PodName": "p", "PodNamespace": "d", "PodUID": "u", "Node": "n2"}
    assert "too long" in ask_once(app, "/scheduler/v1/bind", go_json(body)).json()["Error"]
    assert count(metrics, "bind", "error") == 1


@pytest.mark.parametrize("verb", VERBS)
def test_before_it_is_ready_every_verb_says_what_is_missing(app, answers, metrics, verb):
    answers.missing = "nodes are not listed yet"
    reply = ask_once(app, f"/scheduler/v1/{verb}", filter_body())
    assert reply.status == 503
    assert "nodes are not listed yet" in reply.json()["Error"]
    assert count(metrics, verb, "not_ready") == 1
    ready = ask_once(app, "/readyz", method="GET")
    assert (ready.status, ready.body) == (503, b"nodes are not listed yet\n")
    assert ask_once(app, "/healthz", method="GET").status == 200


@pytest.mark.parametrize("verb", ["filter", "prioritize"])
def test_a_failing_answer_is_an_error_and_counted_and_logged(app, answers, metrics, verb, caplog):
    def fail() -> None:
        raise KeyError("secret detail")

    answers.before = fail
    with caplog.at_level(logging.ERROR):
        reply = ask_once(app, f"/scheduler/v1/{verb}", filter_body())
    assert reply.status == 500
    assert reply.json() == {"Error": f"{verb} failed: KeyError"}
    assert count(metrics, verb, "exception") == 1
    assert "secret detail" in caplog.text


def test_what_cannot_say_whether_it_is_ready_is_not(answers, metrics, caplog):
    def broken() -> tuple[bool, str]:
        raise RuntimeError("no state")

    answers.ready = broken
    app = ExtenderApp(answers, metrics)
    assert ask_once(app, "/scheduler/v1/filter", filter_body()).status == 503
    assert ask_once(app, "/readyz", method="GET").status == 503


def test_an_answer_with_an_error_passes_no_node(answers, metrics):
    class Failing(TableAnswers):
        def filter(self, args):
            return super().filter(args).__class__(error="ledger is behind")

    reply = ask_once(ExtenderApp(Failing(), metrics), "/scheduler/v1/filter", filter_body())
    assert reply.json()["Error"] == "ledger is behind"
    assert reply.json()["NodeNames"] == []


def test_methods_and_paths_that_do_not_exist_are_named(app):
    assert ask_once(app, "/scheduler/v1/filter", method="GET").status == 405
    assert ask_once(app, "/scheduler/v1/filter", method="GET").headers[b"allow"] == b"POST"
    assert ask_once(app, "/healthz", method="POST").status == 405
    for path in ("/", "/filter", "/scheduler/v1/filter/", "/scheduler/v1/", "/scheduler/v1/unknown"):
        assert ask_once(app, path, filter_body()).status == 404


@pytest.mark.parametrize(("prefix", "path"), [("", "/filter"), ("/", "/filter"), ("a/b/", "/a/b/filter")])
def test_the_prefix_may_be_any(answers, metrics, prefix, path):
    assert ask_once(ExtenderApp(answers, metrics, prefix), path, filter_body()).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 411),
        (((b"content-length", b"99999"),), 413),
        (((b"content-length", b"9" * 5000),), 413),
        (((b"content-length", b"-1"),), 400),
        (((b"content-length", b"2"), (b"content-type", b"text/html")), 415),
        (((b"content-length", b"2"), (b"content-encoding", b"gzip")), 415),
        (((b"content-length", b"2"), (b"content-type", b"application/json; charset=utf-8")), 400),
        (((b"transfer-encoding", b"chunked"),), 400),
    ],
)
def test_heads_that_do_not_fit_are_refused_before_the_body_is_read(app, headers, status):
    reply = ask_once(app, "/scheduler/v1/filter", b"{}", headers=headers)
    assert reply.status == status
    assert reply.json()["Error"]


def test_a_body_that_grows_beyond_the_cap_is_cut_off(app, metrics):
    reply = asyncio.run(
        ask(app, "/scheduler/v1/filter", [b"x" * 3000] * 3, headers=[*JSON_HEADERS, (b"transfer-encoding", b"chunked")])
    )
    assert reply.status == 413
    assert count(metrics, "filter", "too_large") == 1


def test_bodies_of_all_requests_together_are_bounded(answers, metrics):
    app = ExtenderApp(answers, metrics, limits=Limits(total_bytes=5000, read_timeout_s=0.2))

    async def both() -> list[int]:
        slow = asyncio.create_task(ask(app, "/scheduler/v1/filter", [b"x" * 3000], ending="silent"))
        await asyncio.sleep(0)
        busy = await ask(app, "/scheduler/v1/filter", [b"x" * 3000])
        held = await slow
        after = await ask(app, "/scheduler/v1/filter", [filter_body()])
        return [busy.status, held.status, after.status]

    assert asyncio.run(both()) == [503, 408, 200]


def test_a_body_that_does_not_come_ends_in_time(app, metrics):
    reply = asyncio.run(ask(app, "/scheduler/v1/filter", [b'{"Pod":'], ending="silent"))
    assert reply.status == 408
    assert count(metrics, "filter", "slow") == 1


def test_a_client_that_hangs_up_is_not_answered(app, metrics):
    assert asyncio.run(ask(app, "/scheduler/v1/filter", [b'{"Pod":'], ending="gone")) is None
    assert count(metrics, "filter", "gone") == 1


def test_a_body_in_many_pieces_is_one_body(app):
    body = filter_body()
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
    assert asyncio.run(ask(app, "/scheduler/v1/filter", pieces)).status == 200


def test_the_plain_port_has_health_and_metrics_alone(answers, metrics):
    app = Operations(answers.ready, metrics.render)
    assert ask_once(app, "/scheduler/v1/filter", filter_body()).status == 404
    assert ask_once(app, "/healthz", method="GET").body == b"ok\n"
    assert ask_once(app, "/readyz", method="GET").status == 200
    assert b"powerplane_extender_" in ask_once(app, "/metrics", method="GET").body


def test_a_malformed_question_is_a_400_that_says_why(app, metrics):
    reply = ask_once(app, "/scheduler/v1/filter", b'{"Pod":')
    assert reply.status == 400
    assert "body" in json.loads(reply.body)["Error"]
    assert count(metrics, "filter", "malformed") == 1
