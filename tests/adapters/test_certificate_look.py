"""Certificates as those see them who are to trust them."""

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from tests.rig.pki import LIFE, Authority

from powerplane.adapters.certificate_look import address_of, look_at_port, read_bundle


@contextmanager
def served(authority: Authority) -> Iterator[int]:
    """A TLS port on loopback; its port."""
    pair = authority.issue("served")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # whoever hangs up early is the test itself
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def encoded(*files: Path) -> str:
    return base64.b64encode(b"".join(file.read_bytes() for file in files)).decode()


def test_a_bundle_tells_each_authority_and_how_long_it_holds_and_leaves_apart(tmp_path: Path) -> None:
    old, new = Authority(tmp_path / "a", "old"), Authority(tmp_path / "b", "new")
    bundle = read_bundle(encoded(old.file, new.file, old.issue("leaf").certificate))
    assert (bundle.trouble, sorted(each.subject for each in bundle.authorities), bundle.others) == (
        "",
        ["new", "old"],
        1,
    )
    assert all(0 <= each.until_s - each.from_s - LIFE.total_seconds() <= 600 for each in bundle.authorities)


@pytest.mark.parametrize("text", ["", "?", "AA==", base64.b64encode(b"no PEM").decode()])
def test_what_is_no_bundle_is_told(text: str) -> None:
    assert read_bundle(text).trouble


def test_a_broken_certificate_in_a_bundle_is_told() -> None:
    pem = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert "cannot be read" in read_bundle(base64.b64encode(pem).decode()).trouble


def test_a_port_shows_its_certificate_to_whoever_trusts_its_authority_and_to_nobody_else(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path / "a"), Authority(tmp_path / "b")
    with served(ours) as port:
        shown = look_at_port("127.0.0.1", port, ours.file.read_text(), "localhost", 5.0)
        assert shown.certificate is not None
        assert (shown.certificate.subject, shown.refused, shown.trouble) == ("served", "", "")
        assert look_at_port("127.0.0.1", port, theirs.file.read_text(), "localhost", 5.0).refused
        assert "mismatch" in look_at_port("127.0.0.1", port, ours.file.read_text(), "elsewhere", 5.0).refused.lower()
    assert look_at_port("127.0.0.1", port, ours.file.read_text(), "localhost", 5.0).trouble == "Connection refused"


def test_only_https_urls_have_an_address() -> None:
    assert address_of("https://hook.example:8443/mutate") == ("hook.example", 8443)
    assert address_of("https://hook.example") == ("hook.example", 443)
    for url in ("http://hook.example", "hook", "https://"):
        with pytest.raises(ValueError, match="no https URL"):
            address_of(url)
