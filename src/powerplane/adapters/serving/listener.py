"""One port: uvicorn with bounded handshakes, heads and connections, behind a certificate that may change."""

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import uvicorn

from powerplane.adapters.serving.at_once import Answer, AtOnceProtocol
from powerplane.adapters.serving.connection import GuardedProtocol, guarded_protocol
from powerplane.adapters.serving.limits import DEFAULT_LIMITS, RequestLimits
from powerplane.adapters.serving.tls import RotatingTls, ServerTls, TlsEvents, TlsFiles
from powerplane.models.errors import InputError, UnreachableError

App = Callable[..., Awaitable[None]]


class Events(TlsEvents, Protocol):
    """Where a port's events are counted."""

    def stranger(self) -> None:
        """Count a connection that was closed because its certificate is another's."""
        ...


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """Where and how a port listens.

    Parameters
    ----------
    host, port : str, int
        Port 0 takes any that is free.
    tls : TlsFiles, ServerTls or None
        Certificate and clients, or certificates that come otherwise, for any client. None: plain HTTP.
    insecure : bool
        Answer anybody who can reach the port, though it is not on a loopback address.
    limits : RequestLimits
        Bounds on each request.
    keep_alive_s : float
        Longer than the 90 s after which Go's client closes an idle connection itself: a connection that we close just
        as it is used would fail that request.
    backlog, connections : int
        Connections that wait to be accepted; that are open: beyond that, who has been silent the longest makes room.
    grace_s : float
        From the signal to stop to the end of what is being answered.
    certificate_poll_s : float
        How often the certificate's files are looked at.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls: TlsFiles | ServerTls | None = None
    insecure: bool = False
    limits: RequestLimits = DEFAULT_LIMITS
    keep_alive_s: int = 120
    backlog: int = 256
    connections: int = 256
    grace_s: int = 5
    certificate_poll_s: float = 2.0


class Listener:
    """A port that is taken once this is made, and answered on while `serve` runs.

    Parameters
    ----------
    app : ASGI application
    settings : ListenerSettings
    events : Events
    at_once : mapping of path to callable, optional
        What answers short requests without waiting; the application answers all others, of the same paths too.

    Raises
    ------
    InputError
        For a port that would be open to anybody, and for a certificate that cannot be used.
    UnreachableError
        For an address that cannot be listened on.
    """

    def __init__(
        self, app: App, settings: ListenerSettings, events: Events, at_once: Mapping[bytes, Answer] | None = None
    ) -> None:
        _refuse_open_port(settings)
        self._settings = settings
        tls = settings.tls
        names = tls.client_names if isinstance(tls, TlsFiles) and tls.client_ca else ()
        self._tls: ServerTls | None = RotatingTls(tls) if isinstance(tls, TlsFiles) else tls
        if self._tls is not None:
            self._tls.tell(events)
        base = AtOnceProtocol if at_once else GuardedProtocol
        protocol = guarded_protocol(names, settings.limits, events.stranger, base, at_once=at_once or {})
        self._socket = _listen(settings.host, settings.port)
        self._server = _uvicorn(app, settings, protocol, self._tls)
        self.port: int = self._socket.getsockname()[1]

    async def serve(self) -> None:
        """Answer until `stop`."""
        await self._server.serve([self._socket])

    def stop(self) -> None:
        """Take no more connections, and let `serve` end."""
        self._server.should_exit = True

    async def watch_certificate(self) -> None:
        """Take new certificates as they come, for ever; without a certificate there is nothing to do."""
        if self._tls is None:
            await asyncio.Event().wait()
        else:
            await self._tls.watch(self._settings.certificate_poll_s)


class _Uvicorn(uvicorn.Server):
    """Leaves signals to the process, as ports share its loop; and waits for no handshake longer than for a head."""

    handshake_timeout_s: float

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen as uvicorn does, which has no settings for TLS' times: 60 s to shake hands, 30 s to say goodbye."""
        loop, config = asyncio.get_running_loop(), self.config

        def protocol() -> asyncio.Protocol:
            made: Any = config.http_protocol_class
            return cast(asyncio.Protocol, made(config=config, server_state=self.server_state, app_state={}, _loop=loop))

        timeout_s = self.handshake_timeout_s if config.ssl else None
        self.servers = [
            await loop.create_server(
                protocol,
                sock=sock,
                ssl=config.ssl,
                backlog=config.backlog,
                ssl_handshake_timeout=timeout_s,
                ssl_shutdown_timeout=timeout_s,
            )
            for sock in sockets or ()
        ]
        self.started = True


def _uvicorn(app: Any, settings: ListenerSettings, protocol: type[asyncio.Protocol], tls: ServerTls | None) -> _Uvicorn:
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


def _refuse_open_port(settings: ListenerSettings) -> None:
    if settings.insecure or (isinstance(settings.tls, TlsFiles) and settings.tls.client_ca is not None):
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
