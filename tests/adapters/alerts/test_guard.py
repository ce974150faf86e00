import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.alerts.guard import ForbiddenError, judged_address, trouble

METADATA = [
    "169.254.169.254",
    "169.254.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "::169.254.169.254",
    "2001:0:4136:e378:8000:63bf:5601:5601",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
]
NO_HOSTS = ["0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.1", "ff02::1", "240.0.0.1", "255.255.255.255"]
PRIVATE = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "fd12::1", "100.64.0.1"]
PUBLIC = ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", METADATA + NO_HOSTS)
def test_metadata_and_what_is_no_host_is_refused_even_where_private_hosts_are_allowed(address):
    assert trouble(address, private=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_needs_to_be_allowed(address):
    assert "private" in trouble(address, private=False)
    assert trouble(address, private=True) == ""


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_gone_to(address):
    assert trouble(address, private=False) == ""


@pytest.mark.parametrize("text", ["", "0x7f000001", "127.1", "2130706433", "a.b", "::gg", "1.2.3.4.5"])
def test_what_is_no_address_is_refused(text):
    assert trouble(text, private=True)


def test_one_bad_address_among_good_ones_is_enough_to_refuse():
    with pytest.raises(ForbiddenError):
        judged_address("host", 443, private=False, resolver=lambda *_: ["8.8.8.8", "169.254.169.254"])


def test_a_name_without_an_address_may_get_one_later():
    with pytest.raises(OSError, match="no address"):
        judged_address("host", 443, private=False, resolver=lambda *_: [])


@given(st.ip_addresses())
def test_every_address_gets_a_verdict_and_allowing_private_ones_never_refuses_more(address):
    strict, lenient = trouble(str(address), private=False), trouble(str(address), private=True)
    assert bool(strict) >= bool(lenient)


@given(st.ip_addresses(v=4), st.booleans())
def test_an_address_is_judged_alike_however_it_is_wrapped(address, private):
    plain = bool(trouble(str(address), private=private))
    number = int(address)
    for wrapped in (f"::ffff:{address}", f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}"):
        assert bool(trouble(wrapped, private=private)) == plain
    assert bool(trouble(f"2002:{number >> 16:x}:{number & 0xFFFF:x}::", private=private)) == plain
