"""What each receiver is sent, and that hostile names do nothing in it."""

import base64
import hashlib
import hmac
import json
import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.alerts.findings import finding, notice

from powerplane.adapters.alerts.alertmanager import Alertmanager
from powerplane.adapters.alerts.events import event_of
from powerplane.adapters.alerts.posting import MOST_BODY_BYTES
from powerplane.adapters.alerts.secret import Secret
from powerplane.adapters.alerts.sink import Sent
from powerplane.adapters.alerts.slack import LONGEST_TEXT, Slack, message_of
from powerplane.adapters.alerts.webhook import Webhook, body_of, read_keys, sign
from powerplane.adapters.cluster_events import LONGEST_NOTE
from powerplane.models.alerts.alert import AlertKey, Notice, Remedy
from powerplane.models.alerts.grouping import MOST_IN_BUNDLE, bundled
from powerplane.models.alerts.remedy import MOST_NAMED
from powerplane.models.errors import InputError

NOW_S = 1_790_000_000.0
LABEL = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_]*$")
EVENT_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")


class Kept:
    """Takes the place of what posts."""

    def __init__(self):
        self.posts = []

    def post(self, body, headers=None):
        self.posts.append((body, headers or {}))
        return Sent("ok")


def told(what="fired", count=1, **more):
    remedy = Remedy("migrate", 210_000, ("ns/a", "ns/b"), 2, enough=True)
    made = [
        Notice(
            f"e{i}",
            1,
            what,
            NOW_S,
            NOW_S - 60,
            finding(key=AlertKey("DomainOverBudget", f"rack-{i}", "/watch"), remedy=remedy),
        )
        for i in range(count)
    ]
    return bundled(made)[0]


def alertmanagers(*notices):
    kept = Kept()
    Alertmanager(kept, hold_s=300, now=lambda: NOW_S).renew(notices)
    return json.loads(kept.posts[0][0])


# Alertmanager ----------------------------------------------------------------------------------------------------


def moment(text):
    return datetime.fromisoformat(text).timestamp()


def test_what_fires_ends_in_some_minutes_and_what_resolved_has_ended():
    (one,) = alertmanagers(notice(1, at_s=NOW_S))
    assert (moment(one["startsAt"]), moment(one["endsAt"])) == (NOW_S - 10, NOW_S + 300)
    (one,) = alertmanagers(notice(1, "resolved", at_s=NOW_S - 5))
    assert moment(one["endsAt"]) == NOW_S - 5


def test_labels_are_the_same_whatever_the_figures_so_that_it_is_the_same_alert():
    first = alertmanagers(Notice("e", 1, "fired", NOW_S, NOW_S, finding(draw_w=1200)))[0]
    second = alertmanagers(Notice("e", 2, "repeated", NOW_S, NOW_S, finding(draw_w=1900)))[0]
    assert first["labels"] == second["labels"]
    assert first["annotations"] != second["annotations"]
    assert all(LABEL.match(name) and value for name, value in first["labels"].items())


def test_what_worsens_ends_as_what_it_was_and_starts_as_what_it_is():
    was, now = alertmanagers(Notice("e", 2, "worsened", NOW_S, NOW_S - 60, finding(severity="critical")))
    assert (was["labels"]["severity"], moment(was["endsAt"])) == ("warning", NOW_S)
    assert (now["labels"]["severity"], moment(now["endsAt"])) == ("critical", NOW_S + 300)


def test_what_would_have_been_done_is_told():
    kept = Kept()
    Alertmanager(kept).send(told())
    (one,) = json.loads(kept.posts[0][0])
    assert one["annotations"]["summary"] == "rack rack-0 draws 1.2 kW, 200 W over 1 kW of cluster policy watch"
    assert one["annotations"]["description"] == "In mode Enforce 2 pods would be moved (ns/a, ns/b): 210 W less."


def test_the_longest_message_that_there_can_be_is_short_enough_to_be_sent():
    longest = "n" * 253
    remedy = Remedy("capReplicas", 10**13, (f"{'n' * 63}/{longest}",) * MOST_NAMED, 10**6)
    key = AlertKey("DomainOverIfFeedLost", longest, f"{'n' * 63}/{longest}")
    made = finding("over", "critical", key, 10**10, 10**9, detail=longest, remedy=remedy)
    worst = bundled(Notice("f" * 32, i, "worsened", NOW_S, NOW_S, made) for i in range(MOST_IN_BUNDLE))[0]
    kept = Kept()
    for sink in (Alertmanager(kept), Webhook(kept, [NEW]), Slack(kept)):
        assert sink.send(worst).outcome == "ok"
    assert len(kept.posts) == 3
    assert max(len(body) for body, _ in kept.posts) < MOST_BODY_BYTES


# Webhook ---------------------------------------------------------------------------------------------------------

OLD, NEW = b"o" * 32, b"n" * 32


def verified(key, headers, body):
    """As a receiver does it, from the specification alone."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(expected, one) for one in headers["webhook-signature"].split())


def test_a_message_verifies_under_either_key_of_a_rotation_and_under_no_other():
    kept = Kept()
    Webhook(kept, [NEW, OLD], now=lambda: NOW_S).send(told())
    ((body, headers),) = kept.posts
    assert verified(NEW, headers, body)
    assert verified(OLD, headers, body)
    assert not verified(b"x" * 32, headers, body)
    assert not verified(NEW, headers, body + b" ")
    assert not verified(NEW, headers | {"webhook-timestamp": "1"}, body)
    assert not verified(NEW, headers | {"webhook-id": "other"}, body)


def test_a_message_that_is_sent_again_has_the_same_id_and_body_and_a_new_timestamp():
    kept, moments = Kept(), [NOW_S, NOW_S + 600]
    sink = Webhook(kept, [NEW], now=lambda: moments.pop(0))
    sink.send(told())
    sink.send(told())
    (first, second) = kept.posts
    assert first[0] == second[0]
    assert first[1]["webhook-id"] == second[1]["webhook-id"] == second[1]["Idempotency-Key"]
    assert first[1]["webhook-timestamp"] != second[1]["webhook-timestamp"]


def test_the_signature_is_that_of_the_specifications_example():
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_keys_are_one_or_two_and_long_enough_and_are_not_quoted_where_they_are_not():
    text = base64.b64encode(NEW).decode()
    assert read_keys([Secret(f"whsec_{text}"), Secret("o" * 32)]) == (NEW, OLD)
    for bad in ([], [Secret("x" * 32)] * 3, [Secret("canary")], [Secret("whsec_canary!")]):
        with pytest.raises(InputError) as caught:
            read_keys(bad)
        assert "canary" not in str(caught.value)


def test_a_message_tells_watts_and_what_would_have_been_done():
    (alert,) = body_of(told())["alerts"]
    assert (alert["drawWatts"], alert["limitWatts"], alert["overWatts"]) == (1200.0, 1000.0, 200.0)
    assert alert["wouldHave"] == {
        "lever": "migrate",
        "freedWatts": 210.0,
        "pods": ["ns/a", "ns/b"],
        "podCount": 2,
        "enough": True,
    }


# Slack -----------------------------------------------------------------------------------------------------------


@given(st.text(max_size=300), st.sampled_from(["fired", "resolved", "worsened", "repeated"]))
def test_no_name_links_mentions_or_formats_in_slack(name, what):
    made = Notice("e", 1, what, NOW_S, NOW_S, finding(key=AlertKey("DomainOverBudget", name, f"/{name}")))
    text = message_of(bundled([made])[0])["blocks"][0]["text"]["text"]
    assert len(text) <= 3000
    assert "<" not in text
    assert ">" not in text
    lines = text.splitlines()
    assert not set("*_~`") & set("".join(lines[1:]))
    assert all(c.isprintable() for line in lines for c in line)


def test_a_storm_is_one_message_of_bounded_length_that_says_how_many_more_there_are():
    message = message_of(told(count=MOST_IN_BUNDLE))
    text = message["blocks"][0]["text"]["text"]
    assert len(text) <= LONGEST_TEXT + 50
    assert re.search(r"… and \d+ more$", text)


# Events ----------------------------------------------------------------------------------------------------------


def test_an_event_is_named_after_its_episode_and_what_is_told_again_is_its_series():
    first, again = event_of(notice(1, episode="abc"), "me", uid), event_of(notice(1, "repeated", "abc", 3), "me", uid)
    assert first["metadata"]["name"] == again["metadata"]["name"] == "rack-1.abc"
    assert "series" not in first
    assert again["series"]["count"] == 3
    over = event_of(notice(1, "resolved", "abc", 4), "me", uid)
    assert (over["metadata"]["name"], over["type"], over["reason"]) == (
        "rack-1.abc.over",
        "Normal",
        "DomainOverBudgetResolved",
    )


def uid(kind, name):
    return f"{kind} {name}"


def test_an_event_is_about_the_domain_or_the_policy_and_stands_in_its_namespace():
    about = event_of(notice(1), "me", uid)
    assert about["regarding"]["kind"] == "PowerDomain"
    assert about["regarding"]["uid"] == "PowerDomain rack-1"
    assert about["metadata"]["namespace"] == "default"
    of_pods = Notice("e", 1, "fired", NOW_S, NOW_S, finding(key=AlertKey("PodsOverCap", "team", "ns/team")))
    about = event_of(of_pods, "me", uid)
    assert (about["regarding"]["kind"], about["metadata"]["namespace"]) == ("PowerCappingPolicy", "ns")
    assert about["regarding"]["uid"] == "PowerCappingPolicy ns/team"


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,250}[a-z0-9])?", fullmatch=True))
def test_an_event_keeps_to_the_apis_lengths(name):
    remedy = Remedy("evict", 1, tuple("n" * 253 + "/" + "p" * 253 for _ in range(10)), 10)
    made = Notice(
        "f" * 32, 2, "fired", NOW_S, NOW_S, finding(key=AlertKey("DomainOverBudget", name, "/watch"), remedy=remedy)
    )
    event = event_of(made, "me", uid)
    assert len(event["note"]) <= LONGEST_NOTE
    assert len(event["metadata"]["name"]) <= 253
    assert EVENT_NAME.match(event["metadata"]["name"])
    assert len(event["reason"]) <= 128
