"""The extender's process on a real socket."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.scheduler_extender.answering import TableAnswers
from tests.scheduler_extender.asking import filter_body
from tests.scheduler_extender.talking import Client, running

from powerplane.adapters.serving.tls import TlsFiles
from powerplane.models.errors import InputError, UnreachableError
from powerplane.scheduler_extender.limits import Limits
from powerplane.scheduler_extender.server import ServerSettings

PLAIN = ServerSettings(port=0, operations_port=0)
QUICK = ServerSettings(port=0, limits=Limits(head_timeout_s=0.2, read_timeout_s=0.2, head_bytes=4096))


def test_one_connection_asks_many_questions():
    with running(TableAnswers(), PLAIN) as server, Client(server.port) as client:
        for _ in range(5):
            assert client.post("/scheduler/v1/filter", filter_body()).json()["NodeNames"] == ["n2", "n3"]
        assert client.get("/healthz").body == b"ok\n"


def test_a_refused_question_leaves_the_connection_in_use():
    with running(TableAnswers(), PLAIN) as server, Client(server.port) as client:
        for path, body, status in (
            ("/scheduler/v1/filter", b"{", 400),
            ("/scheduler/v1/bind", b"{}", 400),
            ("/scheduler/v1/filter", filter_body(), 200),
        ):
            assert client.post(path, body).status == status


def test_a_body_of_megabytes_is_read():
    names = [f"node-{at:06d}" for at in range(90_000)]
    with running(TableAnswers(dict.fromkeys(names, 100)), PLAIN) as server, Client(server.port) as client:
        assert len(client.post("/scheduler/v1/filter", filter_body(names)).json()["NodeNames"]) == len(names)


def test_health_and_metrics_have_a_port_of_their_own():
    with running(TableAnswers(), PLAIN) as server:
        assert server.server.operations_port is not None
        with Client(server.server.operations_port) as client:
            assert client.get("/readyz").status == 200
            assert b"powerplane_extender_answers" in client.get("/metrics").body
        with Client(server.server.operations_port) as client:
            assert client.post("/scheduler/v1/filter", filter_body()).status == 404


def test_a_connection_that_says_nothing_is_closed():
    with running(TableAnswers(), QUICK) as server, Client(server.port) as client, pytest.raises(ConnectionError):
        client.reply()


@pytest.mark.parametrize("warm", [False, True])
def test_a_head_that_trickles_is_closed(warm):
    with running(TableAnswers(), QUICK) as server, Client(server.port) as client:
        if warm:
            assert client.get("/healthz").status == 200
        client.socket.sendall(b"POST /scheduler/v1/filter HTTP/1.1\r\nhos")
        with pytest.raises(ConnectionError):
            client.reply()


def test_a_head_without_end_is_cut_off():
    def send_on(client: Client) -> None:
        client.socket.sendall(b"GET /healthz HTTP/1.1\r\n")
        for at in range(1000):
            client.socket.sendall(b"x-%d: %s\r\n" % (at, b"y" * 90))
            time.sleep(0.001)

    patient = ServerSettings(port=0, limits=Limits(head_timeout_s=60, head_bytes=4096))
    with running(TableAnswers(), patient) as server, Client(server.port) as client, pytest.raises(ConnectionError):
        send_on(client)


def test_a_body_that_trickles_is_told_so():
    with running(TableAnswers(), QUICK) as server, Client(server.port) as client:
        client.socket.sendall(b"POST /scheduler/v1/filter HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{")
        assert client.reply().status == 408


def test_a_port_for_everybody_needs_saying_so():
    open_port = ServerSettings(host="0.0.0.0", port=0)
    with pytest.raises(InputError, match="anybody"), running(TableAnswers(), open_port):
        pass
    half = ServerSettings(host="0.0.0.0", port=0, tls=TlsFiles(Path("a"), Path("b")))
    with pytest.raises(InputError, match="anybody"), running(TableAnswers(), half):
        pass
    open_port = ServerSettings(host="0.0.0.0", port=0, insecure=True)
    with running(TableAnswers(), open_port) as server, Client(server.port) as client:
        assert client.get("/readyz").status == 200


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnreachableError, match=str(port)), running(TableAnswers(), ServerSettings(port=port)):
            pass


def test_what_keeps_the_state_up_to_date_takes_the_server_with_it():
    async def broken() -> None:
        raise ValueError("the watch has died")

    with pytest.raises(ValueError, match="the watch has died"), running(TableAnswers(), PLAIN, (broken,)):
        pass


def test_background_tasks_are_ended_with_the_server():
    ended: list[str] = []

    async def task() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("cancelled")

    with running(TableAnswers(), PLAIN, (task,)) as server, Client(server.port) as client:
        assert client.get("/healthz").status == 200
    assert ended == ["cancelled"]


def test_stopping_ends_the_answer_that_is_being_given():
    answers = TableAnswers()
    answers.bind_wait_s = 0.3
    body = b'{"PodName":"p","PodNamespace":"d","PodUID":"u","Node":"n2"}'
    with running(answers, PLAIN) as server, Client(server.port) as client:
        client.socket.sendall(
            b"POST /scheduler/v1/bind HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
        )
        time.sleep(0.1)
        server.stop()
        assert client.reply().json() == {"Error": ""}


PROGRAM = """
from powerplane.scheduler_extender.metrics import ExtenderMetrics
from powerplane.scheduler_extender.server import ServerSettings, serve
from tests.scheduler_extender.answering import TableAnswers
import asyncio

async def tell():
    print("up", flush=True)
    await asyncio.sleep(3600)

serve(TableAnswers(), ServerSettings(port=0), ExtenderMetrics(), [tell])
print("stopped", flush=True)
"""


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_process_gracefully(name):
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(name)
        out, told = process.communicate(timeout=10)
    assert (process.returncode, out, told) == (0, b"stopped\n", b"")
