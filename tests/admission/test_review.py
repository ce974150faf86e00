"""Reviews as they come, and answers as they go."""

import json

import pytest
from tests.admission.applying import operations, pod, response, review

from powerplane.adapters.strict_json import MalformedError, read_once
from powerplane.admission.review import Verdict, answer_review, read_review


def test_a_review_is_read_with_its_object_whole():
    request = read_review(review(pod(), dryRun=True))
    assert (request.uid, request.operation, request.namespace, request.dry_run) == ("u-1", "CREATE", "default", True)
    assert request.object == pod()
    assert request.user_info.groups == ("system:masters",)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"request":{}}',
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        review(pod()).replace(b"admission.k8s.io/v1", b"admission.k8s.io/v1beta1"),
        review(pod()).replace(b'"u-1"', b'""'),
        review(pod()).replace(b'"u-1"', b'"' + b"u" * 1000 + b'"'),
        review(pod()).replace(b'"cpu":"2"', b'"cpu":"2","cpu":"1"'),
        review(pod()).replace(b'"operation"', b'"uid":"u-2","operation"'),
        review(pod()).replace(b'"2"', b"NaN"),
        review(pod()).replace(b'"dryRun":false', b'"dryRun":"yes"'),
        review({}).replace(b'"object":{}', b'"object":[]'),
        review(pod()).replace(b"generateName", b"\xff\xfe"),
    ],
)
def test_what_is_no_review_is_refused(body):
    with pytest.raises(MalformedError):
        read_review(body)


def test_what_go_escapes_is_read_as_it_was():
    body = review(pod()).replace(b'"web"', b'"\\u003cweb\\u0026\\u003e"')
    request = read_review(body)
    assert request.object
    assert request.object["metadata"]["labels"] == {"app": "<web&>"}


def test_an_answer_that_changes_nothing_has_no_patch():
    answer = response(answer_review("u", Verdict()))
    assert answer == {"uid": "u", "allowed": True}


def test_a_patch_goes_as_the_api_server_takes_it():
    verdict = Verdict(
        patch=[{"op": "add", "path": "/a", "value": 1}], audit={"k": "v"}, warnings=["w" * 200, *"abcdefghi"]
    )
    answer = response(answer_review("u", verdict))
    assert (answer["allowed"], answer["patchType"], operations(answer)) == (True, "JSONPatch", list(verdict.patch))
    assert answer["auditAnnotations"] == {"k": "v"}
    assert len(answer["warnings"]) == 8
    assert max(map(len, answer["warnings"])) == 120


def test_a_refusal_says_why_and_patches_nothing():
    answer = response(answer_review("u", Verdict(patch=[{"op": "add", "path": "/a", "value": 1}], denied="no room")))
    assert answer["allowed"] is False
    assert answer["status"] == {"code": 403, "reason": "Forbidden", "message": "no room"}
    assert "patch" not in answer
    assert json.dumps(answer)


GO_LINE = b'{"a":"\\u003c\\u0026\\u003e\\u2028\\u2029\\\\u0026","b":[1,-0.5,null,"\xc3\xa9"]}\n'


def test_what_go_writes_is_read_without_the_slower_reader(monkeypatch):
    monkeypatch.setattr(json, "loads", None)
    assert read_once(GO_LINE, "it") == {"a": "<&>\u2028\u2029\\u0026", "b": [1, -0.5, None, "é"]}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"\\u0026":1,"&":2}',
        b'{"\\u0026":1,"\\u0026":2}\n',
        b'{"a":{"<":1,"\\u003c":1}}',
        b'{"a":1,"a":1}\n',
        b'{"a":1, "a":1}\n\n',
    ],
)
def test_a_key_is_twice_there_also_where_it_is_written_in_two_ways(raw):
    with pytest.raises(MalformedError):
        read_once(raw, "it")
