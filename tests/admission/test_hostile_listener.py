"""Hostile clients of the webhook's real port: each is answered or hung up on in time, and the next one is served."""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.admission.applying import operations, pod, response, review
from tests.admission.hostile import bombs, encoded, full_pod, judge, replace_somewhere, world
from tests.admission.serving import PATIENCE_S, Webhook, answering, process
from tests.scheduler_extender.asking import Reply
from tests.scheduler_extender.talking import Client

KNOWN = world()
PATH = "/mutate?timeout=2s"
SOUND = review(pod())
HEAD = b"POST /mutate?timeout=2s HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
SOCKETS = settings(
    max_examples=25, deadline=4000, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
LONGEST_S = 2.0
MOST_MB = 400


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    with answering(tmp_path_factory.mktemp("tls")) as found:
        yield found


def client(webhook: Webhook) -> Client:
    return Client(webhook.port, webhook.context)


def hung_up_on() -> contextlib.AbstractContextManager[None]:
    """To be hung up on is an answer too, whether OpenSSL or the kernel says it."""
    return contextlib.suppress(ConnectionError, ssl.SSLEOFError)


def served(webhook: Webhook) -> bool:
    with client(webhook) as one:
        return bool(operations(response(one.post(PATH, SOUND).body)))


def sent(webhook: Webhook, data: bytes) -> Reply | None:
    """What is answered; None where the server hangs up, which it must do in time, too."""
    with client(webhook) as one:
        one.socket.settimeout(LONGEST_S)
        with hung_up_on():
            one.socket.sendall(data)
            return one.reply()
    return None


def request(body: bytes, head: bytes = HEAD) -> bytes:
    return b"%scontent-length: %d\r\n\r\n%s" % (head, len(body), body)


def chunked(body: bytes, size: int) -> bytes:
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in pieces) + b"0\r\n\r\n"


def test_many_reviews_on_one_connection_are_answered_in_turn(webhook):
    with client(webhook) as one:
        for _ in range(20):
            assert operations(response(one.post(PATH, SOUND).body))
            assert one.post(PATH, b"{").status == 400
            assert one.get("/readyz").status == 200
            assert one.post("/rollouts", SOUND).status == 200


def test_reviews_sent_without_waiting_are_answered_in_order(webhook):
    plain, late = request(SOUND), HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(SOUND, 300)
    health = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    with client(webhook) as one:
        one.socket.sendall((plain + request(b"{") + late + health + plain) * 10)
        found = [one.reply() for _ in range(50)]
    assert [each.status for each in found] == [200, 400, 200, 200, 200] * 10
    assert [each.body for each in found[3::5]] == [b"ok\n"] * 10
    assert len({each.body for each in found[::5] + found[2::5] + found[4::5]}) == 1


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_review_in_pieces_gets_the_same_answer(webhook, size):
    whole, pieces = (
        sent(webhook, request(SOUND)),
        sent(webhook, HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(SOUND, size)),
    )
    assert whole is not None
    assert pieces is not None
    assert (pieces.status, pieces.body) == (200, whole.body)


def test_a_review_whose_bytes_come_one_by_one_is_answered(webhook):
    with client(webhook) as one:
        data = request(SOUND)
        for at in range(0, len(data), 40):
            one.socket.sendall(data[at : at + 40])
            time.sleep(0.002)
        assert one.reply().status == 200
        assert one.post(PATH, SOUND).status == 200


@SOCKETS
@given(data=st.binary(max_size=200))
def test_any_bytes_in_place_of_a_request(webhook, data):
    reply = sent(webhook, data + b"\r\n\r\n")
    assert reply is None or reply.status in (400, 404, 405, 411, 415)
    assert served(webhook)


@SOCKETS
@given(data=st.data())
def test_any_value_in_any_place_of_a_review_gets_what_it_gets_in_process(webhook, data):
    whole = json.loads(review(full_pod(), namespace=data.draw(st.sampled_from(["partition", "gate"]))))
    replace_somewhere(data.draw, whole)
    body = encoded(whole)
    reply = sent(webhook, request(body))
    assert reply is not None
    judge(body, reply, KNOWN)


@settings(SOCKETS, max_examples=6)
@given(lie=st.integers(-40, 40), cut=st.integers(0, len(SOUND)), bye=st.booleans())
def test_lengths_that_lie_and_bodies_that_end_early(webhook, lie, cut, bye):
    body = SOUND[:cut]
    data = b"%scontent-length: %d\r\n\r\n%s" % (HEAD, max(0, len(body) + lie), body)
    if bye:
        with client(webhook) as one:
            one.socket.sendall(data)
    else:
        reply = sent(webhook, data)
        assert reply is None or reply.status in (200, 400, 408)
    assert served(webhook)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\n", 400),
        (HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n", 400),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n", 408),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nFF\r\nx", 408),
        (HEAD + b"content-length: -1\r\n\r\n", 400),
        (HEAD + b"content-length: 99999999\r\n\r\n", 413),
        (HEAD + b"content-length: 100\r\n\r\n", 408),
        (HEAD + b"content-length: 100\r\n\r\n{", 408),
        (HEAD + b"expect: 100-continue\r\ncontent-length: 99999999\r\n\r\n", 413),
        (HEAD + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}", 415),
        (HEAD.replace(b"application/json", b"text/plain") + b"content-length: 2\r\n\r\n{}", 415),
        (HEAD.replace(b"application/json", b"application/json; charset=utf-8") + b"content-length: 2\r\n\r\n{}", 400),
        (HEAD + b"\r\n", 411),
        (HEAD.replace(b"POST", b"PUT") + b"content-length: 2\r\n\r\n{}", 405),
        (HEAD.replace(b"/mutate", b"/%6dutate") + b"content-length: 2\r\n\r\n{}", 400),
        (HEAD.replace(b"/mutate", b"/mutate/../x") + b"content-length: 2\r\n\r\n{}", 404),
        (b"GET /healthz HTTP/9.9\r\n\r\n", None),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None),
        (b"CONNECT x:1 HTTP/1.1\r\n\r\n", None),
        (b"\x16\x03\x01\x00\x05hello", None),
        (HEAD + b"x: " + b"y" * 40_000, None),
        (HEAD + b"x: y\r\n" * 5_000, None),
        (HEAD, None),
        (b"P", None),
    ],
)
def test_heads_that_smuggle_lie_or_never_end(webhook, head, status):
    start = time.perf_counter()
    reply = sent(webhook, head)
    assert time.perf_counter() - start < LONGEST_S
    if reply is None:
        assert status is None
    else:
        assert reply.status == status if status else 400 <= reply.status < 500
    assert served(webhook)


def test_a_body_that_stops_coming_is_told_so_and_counted(webhook):
    before = webhook.figure("reviews_total", path="/mutate", result="slow")
    reply = sent(webhook, b"%scontent-length: %d\r\n\r\n%s" % (HEAD, len(SOUND), SOUND[:100]))
    assert reply is not None
    assert (reply.status, reply.headers[b"connection"]) == (408, b"close")
    assert webhook.figure("reviews_total", path="/mutate", result="slow") == before + 1


def test_a_connection_that_answered_and_says_no_more_is_closed(tmp_path):
    with answering(tmp_path, keep_alive_s=1) as found, client(found) as one:
        for _ in range(2):
            assert one.post(PATH, SOUND).status == 200
            time.sleep(0.6)  # two of these are longer than a second: each review counts anew
        one.socket.settimeout(5)
        with pytest.raises(ConnectionError):
            one.reply()


def test_a_review_on_its_way_is_answered_when_the_port_ends(tmp_path):
    data = request(SOUND)
    found: list[Reply] = []

    def finish(one: Client) -> None:
        time.sleep(0.1)
        one.socket.sendall(data[-10:])
        found.append(one.reply())
        one.socket.close()

    with answering(tmp_path) as port:
        one = client(port)
        assert one.post(PATH, SOUND).status == 200
        one.socket.sendall(data[:-10])
        time.sleep(0.05)
        finishing = threading.Thread(target=finish, args=(one,))
        finishing.start()
    finishing.join()
    assert [(each.status, each.headers[b"connection"]) for each in found] == [(200, b"close")]


def test_a_client_who_never_says_goodbye_does_not_keep_the_port_from_ending(tmp_path):
    with contextlib.ExitStack() as stack:
        with answering(tmp_path) as port:
            one = stack.enter_context(client(port))
            assert one.post(PATH, SOUND).status == 200
            start = time.perf_counter()
        assert time.perf_counter() - start < LONGEST_S


def test_while_slow_clients_hold_connections_others_are_served(webhook):
    """64 connections are taken; half of them by clients who send a byte at a time."""
    slow = [client(webhook) for _ in range(32)]
    try:
        for each in slow[::2]:
            each.socket.sendall(HEAD[:20])
        for each in slow[1::2]:
            each.socket.sendall(HEAD + b"content-length: 5000\r\n\r\n{")
        start = time.perf_counter()
        assert served(webhook)
        assert time.perf_counter() - start < LONGEST_S / 4
        for each in slow:
            each.socket.settimeout(LONGEST_S)
            with hung_up_on():
                assert each.reply().status == 408
    finally:
        for each in slow:
            each.socket.close()
    assert served(webhook)


def test_clients_who_never_shake_hands_are_hung_up_on(webhook):
    silent = [socket.create_connection(("127.0.0.1", webhook.port), LONGEST_S) for _ in range(50)]
    try:
        assert served(webhook)
        for each in silent:
            with hung_up_on():
                assert each.recv(1) == b""
    finally:
        for each in silent:
            each.close()


def test_clients_who_hold_connections_and_ask_nothing_keep_nobody_out(webhook):
    """64 connections are allowed: who has been silent the longest makes room."""
    many = []
    try:
        for _ in range(80):
            many.append(client(webhook))
            assert many[-1].post(PATH, SOUND).status == 200
        with pytest.raises((ConnectionError, ssl.SSLEOFError)):
            many[0].post(PATH, SOUND)
        assert many[-20].post(PATH, SOUND).status == 200
        assert served(webhook)
    finally:
        for each in many:
            each.socket.close()


def test_while_all_connections_are_busy_a_newcomer_is_told_to_come_back(webhook):
    many = [client(webhook) for _ in range(63)]
    try:
        for each in many:
            each.socket.sendall(HEAD + b"content-length: 5000\r\n\r\n{")
        time.sleep(0.05)
        reply = sent(webhook, request(SOUND))
        assert reply is None or reply.status == 503
    finally:
        for each in many:
            each.socket.close()
    until = time.monotonic() + PATIENCE_S
    while not served_softly(webhook):
        assert time.monotonic() < until


def served_softly(webhook: Webhook) -> bool:
    with hung_up_on(), client(webhook) as one:
        return one.post(PATH, SOUND).status == 200
    return False


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


@pytest.mark.slow
def test_hostile_megabytes_from_many_clients_keep_the_process_small_and_others_served(tmp_path):
    """Two rounds: memory that the second does not give back would be a leak."""
    bodies = [body for _, body in bombs()]
    largest = b'{"request":{"uid":"' + b"u" * ((4 << 20) - 22) + b'"}}'
    with process(tmp_path) as webhook:
        assert served(webhook)
        settled = []
        for _ in range(2):
            waits: list[float] = []
            peak = hammer(webhook, [*bodies, *[largest] * 8], waits)
            settled.append(resident_mb(webhook.pid))
            assert peak < MOST_MB, f"{peak:.0f} MB"
            assert max(waits) < LONGEST_S, f"{max(waits):.2f} s"
        assert settled[1] < settled[0] + 30


def hammer(webhook: Webhook, bodies: list[bytes], waits: list[float]) -> float:
    """Send all bodies over eight connections at once, a good review beside them; returns the most memory seen."""

    def ask(share: list[bytes]) -> None:
        for body in share:
            with hung_up_on(), client(webhook) as one:
                one.post(PATH, body)

    threads = [threading.Thread(target=ask, args=(bodies[at::8],)) for at in range(8)]
    for each in threads:
        each.start()
    peak = 0.0
    while any(each.is_alive() for each in threads):
        start = time.perf_counter()
        assert served_softly(webhook)
        waits.append(time.perf_counter() - start)
        peak = max(peak, resident_mb(webhook.pid))
    for each in threads:
        each.join()
    return peak
