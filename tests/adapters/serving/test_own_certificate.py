"""Whether a client would take what a port shows, judged by TLS itself."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from powerplane.adapters.serving.own_certificate import make_face, read_certificate, refusal
from powerplane.admission.certificates.authority import issue, make_authority

HOST = "powerplane-webhook.powerplane-system.svc"
NOW = datetime.now(UTC)
OURS = make_authority(NOW, 3600)
LEAF = issue(OURS, (HOST, "127.0.0.1"), NOW, 600)


def face(leaf=LEAF):
    return make_face(leaf.pem, leaf.key_pem).context


@pytest.mark.parametrize("host", [HOST, "127.0.0.1"])
def test_who_trusts_the_authority_takes_what_it_signed_for_its_names(host):
    assert refusal(face(), host, OURS.pem) == ""
    assert refusal(face(), host, make_authority(NOW, 60).pem + OURS.pem) == ""


def test_another_name_another_authority_and_none_are_refused_with_a_reason():
    assert "mismatch" in refusal(face(), "other.powerplane-system.svc", OURS.pem)
    assert "issuer" in refusal(face(), HOST, make_authority(NOW, 60).pem)
    assert "issuer" in refusal(face(), HOST, b"")
    assert refusal(face(), HOST, b"no certificate") != ""


@pytest.mark.parametrize(("days", "why"), [(-3, "expired"), (3, "not yet valid")])
def test_what_has_expired_or_does_not_hold_yet_is_refused(days, why):
    then = NOW + timedelta(days=days)
    authority = make_authority(NOW - timedelta(days=4), 30 * 86400)
    leaf = issue(authority, (HOST,), then, 600)
    assert why in refusal(face(leaf), HOST, authority.pem)
    assert read_certificate(leaf.pem).trouble(time.time()) != ""


def test_a_common_name_is_no_name():
    leaf = issue(OURS, ("another.example",), NOW, 600)
    assert leaf.certificate.subject.rfc4514_string() == "CN=powerplane-webhook"
    assert "mismatch" in refusal(face(leaf), "powerplane-webhook", OURS.pem)


def test_a_key_of_another_certificate_makes_no_face():
    with pytest.raises(OSError, match=r"."):
        make_face(LEAF.pem, issue(OURS, (HOST,), NOW, 600).key_pem)
    with pytest.raises((OSError, ValueError), match=r"."):
        make_face(b"", LEAF.key_pem)


def test_a_certificate_tells_when_it_ends_and_who_signed_it():
    told = read_certificate(LEAF.pem)
    assert told.authority == OURS.identifier
    assert told.until_s == LEAF.certificate.not_valid_after_utc.timestamp()
    assert told.trouble(time.time()) == ""
