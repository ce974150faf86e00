"""Messages between a kubelet and a driver, beside Google's own library."""

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.kubelet_plugin.wire import WireError, done, plugin_info, read_claims, read_registered


def field(name, number, kind=9, *, label=1, type_name=""):
    return descriptor_pb2.FieldDescriptorProto(
        name=name, number=number, type=kind, label=label, type_name=type_name or None
    )


def messages():
    """The messages of api.proto, as far as they are used; label 3 repeats, type 11 is a message, 8 a truth value."""
    file = descriptor_pb2.FileDescriptorProto(name="dra.proto", package="t", syntax="proto3")
    parts = {
        "Claim": [field("namespace", 1), field("uid", 2), field("name", 3)],
        "Request": [field("claims", 1, 11, label=3, type_name=".t.Claim")],
        "Device": [field("request_names", 1, label=3), field("pool_name", 2)],
        "Done": [field("devices", 1, 11, label=3, type_name=".t.Device"), field("error", 2)],
        "Entry": [field("key", 1), field("value", 2, 11, type_name=".t.Done")],
        "Answer": [field("claims", 1, 11, label=3, type_name=".t.Entry")],
        "Info": [field("type", 1), field("name", 2), field("endpoint", 3), field("supported_versions", 4, label=3)],
        "Status": [field("plugin_registered", 1, 8), field("error", 2)],
    }
    for name, own in parts.items():
        file.message_type.add(name=name).field.extend(own)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"t.{name}")) for name in parts}


M = messages()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=20))
def test_claims_are_read_as_the_library_writes_them(claims):
    request = M["Request"](claims=[M["Claim"](namespace=ns, uid=uid, name=name) for ns, uid, name in claims])
    assert read_claims(request.SerializeToString()) == tuple(uid for _, uid, _ in claims)


@given(st.lists(TEXT, max_size=20, unique=True))
def test_the_library_reads_every_claim_as_done_with_no_device_and_no_error(uids):
    answer = M["Answer"].FromString(done(uids))
    assert [each.key for each in answer.claims] == uids
    assert all(each.HasField("value") and not each.value.devices and not each.value.error for each in answer.claims)


@given(st.booleans(), TEXT)
def test_what_a_kubelet_says_of_the_registration_is_read(ok, error):
    status = M["Status"](plugin_registered=ok, error=error)
    assert read_registered(status.SerializeToString()) == (ok, error)


def test_the_library_reads_who_is_here():
    info = M["Info"].FromString(plugin_info("power.powerplane.dev", "/x/dra.sock"))
    assert (info.type, info.name, info.endpoint) == ("DRAPlugin", "power.powerplane.dev", "/x/dra.sock")
    assert list(info.supported_versions) == ["v1.DRAPlugin"]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(message):
    for read in (read_claims, read_registered):
        try:
            read(message)
        except WireError:
            continue


@pytest.mark.parametrize("message", [b"\x0a\x05ab", b"\x0a", b"\xff" * 12, b"\x0b", b"\x09\x00"])
def test_bytes_that_break_off_are_refused(message):
    with pytest.raises(WireError):
        read_claims(message)


def test_fields_that_came_later_are_passed_over():
    later = b"\x11" + bytes(8) + b"\x1d" + bytes(4) + b"\x20\x96\x01"
    assert read_claims(b"\x0a\x03\x12\x01u" + later) == ("u",)
