"""Who may connect, and certificates that change while the extender serves."""

import contextlib
import dataclasses
import os
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from tests.scheduler_extender.answering import TableAnswers
from tests.scheduler_extender.asking import filter_body
from tests.scheduler_extender.certificates import LOOPBACK, Authority, write_pair
from tests.scheduler_extender.talking import PATIENCE_S, Client, Running, running

from powerplane.adapters.serving.tls import SCHEDULER_NAME, RotatingTls, TlsFiles, certificate_names
from powerplane.models.errors import InputError
from powerplane.scheduler_extender.limits import Limits
from powerplane.scheduler_extender.server import ServerSettings

POLL_S = 0.02
REFUSED = (ssl.SSLError, ConnectionError)


class Party:
    """A server's files and its clients' contexts."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.servers, self.clients = Authority("servers"), Authority("clients")
        certificate, key = write_pair(directory, self.servers.issue("extender", LOOPBACK))
        (directory / "ca.crt").write_bytes(self.clients.pem)
        self.files = TlsFiles(certificate, key, directory / "ca.crt")

    def settings(self, *names: str) -> ServerSettings:
        files = TlsFiles(self.files.certificate, self.files.key, self.files.client_ca, names or (SCHEDULER_NAME,))
        return ServerSettings(port=0, tls=files, certificate_poll_s=POLL_S)

    def context(self, pair: tuple[bytes, bytes] | None = None, servers: Authority | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=(servers or self.servers).pem.decode())
        if pair is not None:
            context.load_cert_chain(*write_pair(self.directory, pair, "client"))
        return context

    def scheduler(self, servers: Authority | None = None) -> ssl.SSLContext:
        return self.context(self.clients.issue(SCHEDULER_NAME), servers)


@pytest.fixture
def party(tmp_path) -> Party:
    return Party(tmp_path)


def answered(server: Running, context: ssl.SSLContext, name: str | None = "localhost") -> int:
    with Client(server.port, context, name) as client:
        return client.post("/scheduler/v1/filter", filter_body()).status


def eventually(holds) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(POLL_S)


def test_the_scheduler_is_let_in_and_nobody_else(party):
    strangers = Authority("strangers").issue(SCHEDULER_NAME), party.clients.issue("system:node:n1")
    with running(TableAnswers(), party.settings()) as server:
        assert answered(server, party.scheduler()) == 200
        for context in (party.context(), party.context(strangers[0]), party.context(strangers[1])):
            with pytest.raises(REFUSED):
                answered(server, context)
        assert server.figure("clients_refused_total") == 1
        assert server.figure("answers_total", verb="filter", result="ok") == 1
        assert answered(server, party.scheduler()) == 200


def test_a_client_without_a_server_name_is_served_too(party):
    context = party.scheduler()
    context.check_hostname = False
    with running(TableAnswers(), party.settings()) as server:
        assert answered(server, context, None) == 200


def test_a_handshake_that_does_not_come_is_not_waited_for(party):
    settings = dataclasses.replace(party.settings(), limits=Limits(head_timeout_s=0.2))
    with running(TableAnswers(), settings) as server, Client(server.port) as silent:
        with contextlib.suppress(ConnectionError):
            assert silent.socket.recv(1) == b""  # hung up on, within the client's patience
        assert answered(server, party.scheduler()) == 200


def test_alternative_names_count_as_names(party):
    names = (x509.DNSName("scheduler.example"), x509.UniformResourceIdentifier("spiffe://example/scheduler"))
    with running(TableAnswers(), party.settings("spiffe://example/scheduler")) as server:
        assert answered(server, party.context(party.clients.issue("any", names))) == 200
        with pytest.raises(REFUSED):
            answered(server, party.context(party.clients.issue("any", names[:1])))


def test_names_are_read_from_every_part_of_a_certificate():
    decoded = {
        "subject": ((("organizationName", "o"),), (("commonName", "a"), ("commonName", "b"))),
        "subjectAltName": (("DNS", "c"), ("IP Address", "10.0.0.1")),
    }
    assert certificate_names(decoded) == {"a", "b", "c", "10.0.0.1"}
    assert certificate_names({}) == frozenset()


def test_a_new_certificate_serves_new_connections_and_old_ones_go_on(party):
    renewed = Authority("renewed")
    with running(TableAnswers(), party.settings()) as server, Client(server.port, party.scheduler()) as old:
        assert old.post("/scheduler/v1/filter", filter_body()).status == 200
        write_pair(party.directory, renewed.issue("extender", LOOPBACK))
        eventually(lambda: server.figure("tls_reloads_total", result="ok") >= 1)
        assert answered(server, party.scheduler(renewed)) == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            answered(server, party.scheduler())
        assert old.post("/scheduler/v1/filter", filter_body()).status == 200


def test_a_pair_that_does_not_match_leaves_the_old_one_serving(party):
    certificate, key = party.servers.issue("extender", LOOPBACK)
    with running(TableAnswers(), party.settings()) as server:
        party.files.certificate.write_bytes(certificate)  # half of the change
        eventually(lambda: server.figure("tls_stale") == 1)
        assert answered(server, party.scheduler()) == 200
        party.files.key.write_bytes(key)
        eventually(lambda: server.figure("tls_stale") == 0)
        assert answered(server, party.scheduler()) == 200
        assert server.figure("tls_reloads_total", result="refused") == 1


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nMIIB", None])
def test_a_file_that_is_cut_off_or_gone_leaves_the_old_one_serving(party, content):
    with running(TableAnswers(), party.settings()) as server:
        if content is None:
            party.files.certificate.unlink()
        else:
            party.files.certificate.write_bytes(content)
        eventually(lambda: server.figure("tls_stale") == 1)
        assert answered(server, party.scheduler()) == 200


def test_the_clients_authority_changes_too(party):
    others = Authority("others")
    with running(TableAnswers(), party.settings()) as server:
        context = party.context(others.issue(SCHEDULER_NAME))
        with pytest.raises(REFUSED):
            answered(server, context)
        (party.directory / "ca.crt").write_bytes(others.pem)
        eventually(lambda: server.figure("tls_reloads_total", result="ok") >= 1)
        assert answered(server, context) == 200
        with pytest.raises(REFUSED):
            answered(server, party.scheduler())


def test_an_authority_that_is_emptied_does_not_let_everybody_in(party):
    with running(TableAnswers(), party.settings()) as server:
        (party.directory / "ca.crt").write_bytes(b"\n")
        eventually(lambda: server.figure("tls_stale") == 1)
        assert answered(server, party.scheduler()) == 200
        with pytest.raises(REFUSED):
            answered(server, party.context())


def test_a_swapped_link_is_seen_as_kubernetes_swaps_it(tmp_path):
    first, second = Authority("first"), Authority("second")
    for name, authority in (("1", first), ("2", second)):
        (tmp_path / name).mkdir()
        write_pair(tmp_path / name, authority.issue("extender", LOOPBACK))
    (tmp_path / "..data").symlink_to("1")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(Path("..data") / name)
    reloads: list[bool] = []
    tls = RotatingTls(TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key"), reloads.append)
    tls.refresh()
    assert reloads == []
    (tmp_path / "..data_tmp").symlink_to("2")
    os.replace(tmp_path / "..data_tmp", tmp_path / "..data")
    tls.refresh()
    tls.refresh()
    assert reloads == [True]


def test_files_that_return_to_what_they_were_are_not_stale_any_more(party):
    reloads: list[bool] = []
    tls = RotatingTls(party.files, reloads.append)
    moved = party.files.key.rename(party.directory / "away")
    tls.refresh()
    tls.refresh()
    moved.rename(party.files.key)
    tls.refresh()
    tls.refresh()
    assert reloads == [False, True]


def test_without_a_good_pair_at_the_start_there_is_no_server(party):
    party.files.key.write_bytes(party.servers.issue("other")[1])
    with pytest.raises(InputError, match="cannot be used"):
        RotatingTls(party.files)
