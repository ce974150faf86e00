"""The extender's process: uvicorn in one event loop with what keeps the answers up to date.

>>> serve(answers, ServerSettings(port=9443, tls=TlsFiles(certificate, key, client_ca)), metrics)  # doctest: +SKIP
"""

import asyncio
import contextlib
import gc
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import uvicorn

from powerplane.models.errors import InputError, UnreachableError
from powerplane.scheduler_extender.answers import Answers
from powerplane.scheduler_extender.app import DEFAULT_PREFIX, ExtenderApp, OperationsApp
from powerplane.scheduler_extender.connection import guarded_protocol
from powerplane.scheduler_extender.limits import DEFAULT_LIMITS, Limits
from powerplane.scheduler_extender.metrics import ExtenderMetrics
from powerplane.scheduler_extender.tls import RotatingTls, TlsFiles

new_event_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    import uvloop
except ImportError:  # Windows has none
    new_event_loop = asyncio.new_event_loop
else:
    new_event_loop = uvloop.new_event_loop

Background = Callable[[], Awaitable[None]]

SWITCH_INTERVAL_S = 5e-4
"""How long another thread of this process may hold up an answer; CPython's own 5 ms is ten answers long."""

READY_POLL_S = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where and how the extender listens.

    Parameters
    ----------
    host, port : str, int
        Where the verbs are; port 0 takes any that is free.
    tls : TlsFiles or None
        Certificate and clients. None: plain HTTP, which only a loopback address may have, or `insecure`.
    insecure : bool
        Answer anybody who can reach the port. Who can forge questions can make reservations.
    operations_host, operations_port : str, int or None
        A second, plain port with health and metrics alone. None: no such port.
    prefix : str
        Path before each verb.
    limits : Limits
        Bounds on each request.
    keep_alive_s : float
        Longer than the 90 s after which Go's client closes an idle connection itself: a connection that we close just
        as it is used would fail that pod's cycle.
    backlog, connections : int
        Connections that wait to be accepted; that are open.
    grace_s : float
        From the signal to stop to the end of what is being answered.
    """

    host: str = "127.0.0.1"
    port: int = 9443
    tls: TlsFiles | None = None
    insecure: bool = False
    operations_host: str = "127.0.0.1"
    operations_port: int | None = None
    prefix: str = DEFAULT_PREFIX
    limits: Limits = DEFAULT_LIMITS
    keep_alive_s: int = 120
    backlog: int = 256
    connections: int = 256
    grace_s: int = 5
    certificate_poll_s: float = 2.0


class ExtenderServer:
    """An extender that listens once it is made, and answers while `run` runs.

    Raises
    ------
    InputError
        For a port that would be open to anybody, and for a certificate that cannot be used.
    UnreachableError
        For an address that cannot be listened on.
    """

    def __init__(
        self,
        answers: Answers,
        settings: ServerSettings,
        metrics: ExtenderMetrics,
        background: Sequence[Background] = (),
    ) -> None:
        _refuse_open_port(settings)
        self._answers = answers
        self._settings = settings
        self._background = list(background)
        self._stopping = asyncio.Event()
        tls = settings.tls
        names = tls.client_names if tls and tls.client_ca else ()
        self._tls = RotatingTls(tls, lambda ok: metrics.reloaded(ok=ok)) if tls else None
        app = ExtenderApp(answers, metrics, settings.prefix, settings.limits)
        protocol = guarded_protocol(names, settings.limits, metrics.stranger)
        self._listeners = [(_listen(settings.host, settings.port), _uvicorn(app, settings, protocol, self._tls))]
        if settings.operations_port is not None:
            plain = _uvicorn(
                OperationsApp(answers, metrics), settings, guarded_protocol((), settings.limits, metrics.stranger), None
            )
            self._listeners.append((_listen(settings.operations_host, settings.operations_port), plain))
        self.port: int = self._listeners[0][0].getsockname()[1]
        self.operations_port: int | None = self._listeners[1][0].getsockname()[1] if len(self._listeners) > 1 else None

    def stop(self) -> None:
        """End `run` gracefully; to be called in its loop."""
        self._stopping.set()

    async def run(self) -> None:
        """Answer until `stop`, or until a background task ends; what a task raises is raised."""
        servers = [asyncio.create_task(server.serve([sock])) for sock, server in self._listeners]
        tasks = [asyncio.ensure_future(task()) for task in self._background]
        if self._tls is not None:
            tasks.append(asyncio.ensure_future(self._tls.watch(self._settings.certificate_poll_s)))
        helpers = [asyncio.ensure_future(freeze_when_ready(self._answers))]
        stopping = asyncio.ensure_future(self._stopping.wait())
        _log.info("answering on port %d", self.port)
        try:
            await asyncio.wait([stopping, *servers, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for _, server in self._listeners:
                server.should_exit = True
            await asyncio.wait(servers)
            await _cancel([stopping, *helpers, *tasks])
        for task in (*servers, *tasks):
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error


def serve(
    answers: Answers, settings: ServerSettings, metrics: ExtenderMetrics, background: Sequence[Background] = ()
) -> None:
    """Answer until SIGTERM or SIGINT.

    Parameters
    ----------
    answers : Answers
        What decides.
    settings : ServerSettings
        Where to listen.
    metrics : ExtenderMetrics
        Where it is counted.
    background : sequence of callables
        Coroutine functions that run beside, cancelled at the end. One that ends, ends the server: an extender whose
        state is no longer kept must not answer from it.

    Raises
    ------
    InputError, UnreachableError
        As `ExtenderServer` does.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)

    async def main() -> None:
        server = ExtenderServer(answers, settings, metrics, background)
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, server.stop)
        await server.run()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())


async def freeze_when_ready(answers: Answers, poll_s: float = READY_POLL_S) -> None:
    """Take what was loaded at the start out of the garbage collector's way, once there is enough to answer from."""
    while not answers.ready()[0]:
        await asyncio.sleep(poll_s)
    freeze_heap()


def freeze_heap() -> None:
    """Collect once, and never look at what is left again: full collections over a cluster's objects take 100 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


class _Uvicorn(uvicorn.Server):
    """Leaves signals to `serve`, as two servers share the loop; and waits for no handshake longer than for a head."""

    handshake_timeout_s: float

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen as uvicorn does, which has no setting for the handshake's time: 60 s for anybody who connects."""
        loop, config = asyncio.get_running_loop(), self.config

        def protocol() -> asyncio.Protocol:
            made: Any = config.http_protocol_class
            return cast(asyncio.Protocol, made(config=config, server_state=self.server_state, app_state={}, _loop=loop))

        timeout_s = self.handshake_timeout_s if config.ssl else None
        self.servers = [
            await loop.create_server(
                protocol, sock=sock, ssl=config.ssl, backlog=config.backlog, ssl_handshake_timeout=timeout_s
            )
            for sock in sockets or ()
        ]
        self.started = True


def _uvicorn(app: Any, settings: ServerSettings, protocol: type[asyncio.Protocol], tls: RotatingTls | None) -> _Uvicorn:
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level=logging.ERROR,  # a client that cannot speak HTTP is counted, and not worth a line each
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=settings.backlog,
        limit_concurrency=settings.connections,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.grace_s,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls.listening,
    )
    server = _Uvicorn(config)
    server.handshake_timeout_s = settings.limits.head_timeout_s
    return server


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UnreachableError(
            f"cannot listen on {host} port {port}: {error.strerror or error}", "choose another address or port"
        ) from error


def _refuse_open_port(settings: ServerSettings) -> None:
    if settings.insecure or (settings.tls is not None and settings.tls.client_ca is not None):
        return
    if not _is_loopback(settings.host):
        raise InputError(
            f"{settings.host} port {settings.port} would answer anybody: there is no CA for clients' certificates",
            "give a certificate, its key and the clients' CA, or listen on 127.0.0.1",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _cancel(tasks: Sequence[asyncio.Future[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
