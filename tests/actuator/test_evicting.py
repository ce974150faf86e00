"""What the Eviction API answers, and what that means."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.actuator.acts import Evict
from powerplane.actuator.evicting import LONGEST_PAUSE_S, eviction_body, read_answer


def status(message="", reason="", retry_after_s=None):
    details = {"causes": [{"reason": reason}]} if reason else {}
    return msgspec.json.encode(
        {"message": message, "details": details | ({"retryAfterSeconds": retry_after_s} if retry_after_s else {})}
    )


@pytest.mark.parametrize(
    ("code", "body", "verdict", "reason"),
    [
        (200, b"{}", "accepted", ""),
        (201, b"{}", "accepted", ""),
        (404, status("not found"), "gone", "PodGone"),
        (409, status("the UID in the precondition"), "gone", "PodGone"),
        (429, status("would violate", "DisruptionBudget"), "budget", "DisruptionBudget"),
        (429, status("slow down", retry_after_s=10), "later", "TooManyRequests"),
        (429, status("Eviction triggered evacuation of VMI"), "accepted", "Evacuates"),
        (500, status("This pod has more than one PodDisruptionBudget"), "never", "SeveralBudgets"),
        (500, status("etcd is slow"), "later", "NoAnswer"),
        (503, b"", "later", "NoAnswer"),
        (0, b"no complete answer", "later", "NoAnswer"),
        (504, status("may have happened"), "later", "NoAnswer"),
        (401, status("Unauthorized"), "later", "NoAnswer"),
        (408, b"", "later", "NoAnswer"),
        (403, status("forbidden"), "forbidden", "Refused"),
        (403, b"", "forbidden", "Refused"),
        (422, status("invalid"), "never", "Refused"),
    ],
)
def test_each_answer_means_what_it_says(code, body, verdict, reason):
    answer = read_answer(code, body)
    assert (answer.verdict, answer.reason) == (verdict, reason)


def test_a_server_that_asks_to_wait_is_waited_for_and_not_for_ever():
    assert read_answer(429, status(retry_after_s=10)).pause_s == 10
    assert read_answer(429, status(retry_after_s=10**6)).pause_s == LONGEST_PAUSE_S
    assert read_answer(429, status("x", "DisruptionBudget")).pause_s > 0


def test_an_accepted_eviction_is_not_asked_for_again_at_once_and_an_evacuation_for_long():
    assert 1 < read_answer(201, b"").pause_s < 60 < read_answer(429, status("triggered evacuation")).pause_s


@given(st.integers(0, 599), st.binary(max_size=200))
def test_no_answer_is_too_strange(code, body):
    answer = read_answer(code, body)
    assert answer.verdict in ("accepted", "gone", "budget", "later", "forbidden", "never")
    assert answer.pause_s >= 0


def test_an_eviction_is_of_one_uid_alone():
    body = eviction_body(Evict("ns", "web-1", "u1"))
    assert body["deleteOptions"] == {"preconditions": {"uid": "u1"}}
    assert body["metadata"] == {"name": "web-1", "namespace": "ns"}
