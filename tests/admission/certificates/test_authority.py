"""Authorities and certificates, and what becomes of them in a Secret."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store
from hypothesis import given
from hypothesis import strategies as st

from powerplane.admission.certificates.authority import issue, make_authority, read_pair
from powerplane.admission.certificates.bundle import authorities, bundle_of, read_bundle, write_bundle
from powerplane.admission.certificates.keys import FIELDS, Keys, decode_data, encode_data, read_keys, write_keys

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
DAY_S = 86400.0
NAMES = ("powerplane-webhook.powerplane-system.svc", "127.0.0.1", "::1")
OURS, NEXT, OLD = (make_authority(NOW, 365 * DAY_S) for _ in range(3))
LEAF = issue(OURS, NAMES, NOW, 30 * DAY_S)
FULL = Keys(OURS, NEXT, bundle_of(OLD.certificate), LEAF)


def later(seconds):
    return NOW + datetime.timedelta(seconds=seconds)


def test_a_certificate_stands_up_to_the_rules_of_the_web():
    """Those of cryptography's own verifier, which are stricter than Go's."""
    store = Store([OURS.certificate])
    verifier = PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName(NAMES[0]))
    assert verifier.verify(LEAF.certificate, []) == [LEAF.certificate, OURS.certificate]


def test_keys_are_p256_and_appear_in_nothing_that_is_shown():
    for pair in (OURS, LEAF):
        assert isinstance(pair.key.curve, ec.SECP256R1)
        assert "key" not in repr(pair)
    assert LEAF.names == set(NAMES)


def test_a_life_begins_a_little_earlier_and_another_follows_at_two_thirds():
    assert OURS.holds(later(-299))
    assert not OURS.holds(later(-301))
    assert not LEAF.is_due(later(19.9 * DAY_S))
    assert LEAF.is_due(later(20.1 * DAY_S))
    assert not LEAF.holds(later(30 * DAY_S))


def test_nothing_outlives_its_authority():
    short = issue(make_authority(NOW, DAY_S), NAMES, NOW, 30 * DAY_S)
    assert not short.holds(later(DAY_S))


def test_the_secret_reads_back_as_it_was_written():
    assert read_keys(decode_data(encode_data(write_keys(FULL)))) == FULL
    assert set(write_keys(FULL)) == set(FIELDS)
    assert encode_data(write_keys(Keys())) == dict.fromkeys(FIELDS)


@given(st.dictionaries(st.sampled_from(FIELDS), st.binary(max_size=64) | st.sampled_from([LEAF.pem, OURS.key_pem])))
def test_whatever_stands_in_the_secret_is_read_and_never_believed_beyond_what_it_proves(changed):
    keys = read_keys({**write_keys(FULL), **changed})
    for pair in (keys.authority, keys.following, keys.leaf):
        assert pair is None or pair.certificate.public_key() == pair.key.public_key()
    for authority in (keys.authority, keys.following):
        assert authority is None or authority in (OURS, NEXT)
    assert keys.trusted.keys() <= bundle_of(OURS.certificate, NEXT.certificate, OLD.certificate).keys()


def test_an_authority_whose_key_is_lost_stays_trusted_for_what_it_signed():
    keys = read_keys({**write_keys(FULL), "ca.key": b""})
    assert keys.authority is None
    assert keys.old == bundle_of(OURS.certificate, OLD.certificate)
    assert keys.leaf == LEAF


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN CERTIFICATE-----\nMIIB", LEAF.key_pem])
def test_what_is_no_certificate_is_no_pair(pem):
    assert read_pair(pem, LEAF.key_pem) is None
    assert read_pair(LEAF.pem, pem if pem != LEAF.key_pem else OURS.key_pem) is None


def test_bundles_keep_every_certificate_once_and_hand_on_authorities_alone():
    pem = OURS.pem + b"garbage\n" + LEAF.pem + OLD.pem + OURS.pem
    found = read_bundle(pem)
    assert found == bundle_of(OURS.certificate, LEAF.certificate, OLD.certificate)
    assert authorities(found) == bundle_of(OURS.certificate, OLD.certificate)
    assert write_bundle(found) == write_bundle(dict(reversed(found.items())))
    assert read_bundle(write_bundle(found)) == found
