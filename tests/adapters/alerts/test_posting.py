"""What is posted goes where it may, in bounded time, and no secret shows in what is told of it."""

import logging
import os
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.rig.pki import Authority

from powerplane.adapters.alerts.posting import MOST_BODY_BYTES, Poster, Target, checked_url
from powerplane.adapters.alerts.secret import Secret, only_one, read_secrets, redact
from powerplane.models.errors import InputError, UsageError

CANARY = "T0/B0/canary-5ecret"


class Local:
    """A server on loopback; ``answer`` is called with the handler."""

    def __init__(self, answer):
        self.asked = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.asked.append((self.path, dict(self.headers.items()), body))
                answer(self)

            def do_GET(self):
                self.do_POST()

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve():
    servers = []

    def start(answer):
        servers.append(Local(answer))
        return servers[-1]

    yield start
    for each in servers:
        each.close()


def say(status, body=b"", **headers):
    def answer(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def poster(local, *, host="receiver.example", private=True, timeout_s=2.0, headers=None):
    url = Secret(f"http://{host}:{local.port}/{CANARY}")
    hosts = frozenset((host,)) if private else frozenset()
    return Poster(Target(url, hosts, None, headers or {}, timeout_s), resolver=lambda *_: ["127.0.0.1"])


def test_a_post_reaches_the_address_that_was_judged_under_the_name_of_the_url(serve):
    local = serve(say(200))
    assert poster(local).post(b"{}").outcome == "ok"
    path, headers, body = local.asked[0]
    assert (path, headers["Host"], body) == (f"/{CANARY}", f"receiver.example:{local.port}", b"{}")


@pytest.mark.parametrize(("host", "outcome"), [("localhost", "ok"), ("receiver.example", "failed")])
def test_a_certificate_is_for_the_name_in_the_url_and_not_for_the_address(serve, tmp_path, host, outcome):
    authority = Authority(tmp_path)
    pair = authority.issue("receiver")
    local = serve(say(200))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    names = []
    context.sni_callback = lambda _sock, name, _context: names.append(name)
    local.server.socket = context.wrap_socket(local.server.socket, server_side=True)
    target = Target(Secret(f"https://{host}:{local.port}/x"), frozenset((host,)), str(authority.file), timeout_s=2.0)
    sent = Poster(target, resolver=lambda *_: ["127.0.0.1"]).post(b"{}")
    assert sent.outcome == outcome
    assert names == [host]
    if outcome != "ok":
        assert sent.told == "its certificate is not to be trusted for that name"


def test_a_name_is_resolved_once_for_each_attempt_and_the_next_answer_is_judged_again(serve):
    local, answers = serve(say(200)), [["127.0.0.1"], ["169.254.169.254"]]
    target = Target(Secret(f"http://receiver.example:{local.port}/"), frozenset(("receiver.example",)))
    sender = Poster(target, resolver=lambda *_: answers.pop(0))
    assert sender.post(b"{}").outcome == "ok"
    assert sender.post(b"{}").outcome == "refused"
    assert len(local.asked) == 1


def test_a_host_that_is_not_allowed_is_not_gone_to_at_a_private_address(serve):
    local = serve(say(200))
    sent = poster(local, private=False).post(b"{}")
    assert sent.outcome == "refused"
    assert "--allow-host" in sent.told
    assert local.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(serve, status):
    other = serve(say(200))
    local = serve(say(status, Location=f"http://127.0.0.1:{other.port}/"))
    assert poster(local).post(b"{}").outcome == "refused"
    assert other.asked == []


def test_the_environments_proxies_and_netrc_are_not_used(serve, monkeypatch, tmp_path):
    proxy, local = serve(say(200)), serve(say(200))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    (tmp_path / "netrc").write_text("machine receiver.example login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert poster(local).post(b"{}").outcome == "ok"
    assert proxy.asked == []
    assert "Authorization" not in local.asked[0][1]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "ok"), (204, "ok"), (400, "refused"), (401, "refused"), (404, "refused"), (410, "refused")]
    + [(status, "failed") for status in (408, 425, 429, 500, 502, 503, 504)],
)
def test_what_may_pass_is_failed_and_what_will_not_is_refused(serve, status, outcome):
    assert poster(serve(say(status))).post(b"{}").outcome == outcome


def test_the_pause_that_a_receiver_asks_for_is_handed_on(serve):
    assert poster(serve(say(429, Retry_After="7"))).post(b"{}").retry_after_s == 7.0
    assert poster(serve(say(429, Retry_After="inf"))).post(b"{}").retry_after_s is None


def drip(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


def flood(handler):
    handler.send_response(200)
    handler.end_headers()
    for _ in range(1000):
        handler.wfile.write(b"x" * (1 << 16))


def silent(handler):
    time.sleep(1.5)


@pytest.mark.parametrize("answer", [drip, flood, silent])
def test_an_answer_that_drips_floods_or_never_comes_ends_in_time_as_a_failure(serve, answer):
    began_s = time.monotonic()
    assert poster(serve(answer), timeout_s=0.5).post(b"{}").outcome == "failed"
    assert time.monotonic() - began_s < 1.4


def test_a_message_that_is_too_long_is_not_sent(serve):
    local = serve(say(200))
    assert poster(local).post(b"x" * (MOST_BODY_BYTES + 1)).outcome == "refused"
    assert local.asked == []


def test_no_secret_shows_whatever_goes_wrong(serve, caplog):
    caplog.set_level(logging.DEBUG)
    token = {"Authorization": Secret("Bearer canary-t0ken")}

    def echo(handler):
        say(400, f"bad {handler.path} {handler.headers['Authorization']}".encode())(handler)

    told = [poster(serve(answer), headers=token, timeout_s=0.3).post(b"{}").told for answer in (echo, silent)]
    closed = serve(say(200))
    closed.close()
    told.append(poster(closed, headers=token).post(b"{}").told)
    unresolved = Poster(Target(Secret(f"https://receiver.example/{CANARY}")), resolver=lambda *_: [])
    told.append(unresolved.post(b"{}").told)
    assert all(told)
    for text in (*told, repr(token), repr(Target(Secret(CANARY)))):
        assert "canary" not in text
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("powerplane")]
    assert not any("canary" in text for text in ours)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://canary/",
        "https:///canary",
        "https://u:canary@h/",
        "http://h/canary",
        "https://canary:x/",
        "https://é/canary",
    ],
)
def test_an_address_that_cannot_be_used_is_named_without_being_quoted(url):
    with pytest.raises(UsageError) as caught:
        checked_url(url, "--webhook")
    assert "canary" not in str(caught.value)


def test_plain_http_is_for_allowed_hosts_only():
    assert checked_url("http://h/x", "--webhook", private_hosts=frozenset(("h",))).reveal() == "http://h/x"


def test_secrets_come_from_a_file_before_the_environment_one_a_line(tmp_path):
    (tmp_path / "key").write_text(" new \n\nold\n")
    environment = {"KEYS": "other"}
    assert [each.reveal() for each in read_secrets(tmp_path / "key", "KEYS", "--key", environment)] == ["new", "old"]
    assert [each.reveal() for each in read_secrets(None, "KEYS", "--key", environment)] == ["other"]
    assert read_secrets(None, "NONE", "--key", environment) == ()


def test_a_secret_that_cannot_be_read_is_an_error_that_does_not_quote_it(tmp_path):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "bytes").write_bytes(b"canary\xff")
    for name in ("empty", "bytes", "gone"):
        with pytest.raises(InputError) as caught:
            read_secrets(tmp_path / name, "KEYS", "--key", {})
        assert "canary" not in str(caught.value)
    with pytest.raises(UsageError):
        only_one((Secret("canary"), Secret("b")), "--key")


def test_a_secret_does_not_show():
    secret = Secret("canary")
    assert "canary" not in f"{secret} {secret!r} {[secret]}"
    assert "canary" not in redact("a canary sings", secret)
    assert os.environ.get("POWERPLANE_SLACK_URL") is None
