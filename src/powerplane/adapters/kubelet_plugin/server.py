"""The plugin of one kubelet: two sockets, one that it is found by and one that it is asked at.

Source: KEP-4381 (dynamic resource allocation), KEP-595 (plugin registration): a kubelet watches its folder
``plugins_registry``, asks who is behind each new socket, and connects to the endpoint that it is told.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from powerplane.adapters.kubelet_plugin.wire import (
    DRA_SERVICE,
    REGISTRATION_SERVICE,
    WireError,
    done,
    plugin_info,
    read_claims,
    read_registered,
)
from powerplane.models.errors import UsageError

LOG = logging.getLogger(__name__)

STOP_S = 2.0
LONGEST_PATH = 107
"""Bytes that a Unix socket's path may have (unix(7), less the closing 0)."""

THREADS = 4


@dataclass(frozen=True, slots=True)
class PluginPaths:
    """Where a plugin's sockets lie.

    Parameters
    ----------
    kubelet : Path
        The kubelet's own folder.
    driver : str
    """

    kubelet: Path
    driver: str

    @property
    def endpoint(self) -> Path:
        """Where claims are prepared."""
        return self.kubelet / "plugins" / self.driver / "dra.sock"

    @property
    def registration(self) -> Path:
        """Where the kubelet finds us."""
        return self.kubelet / "plugins_registry" / f"{self.driver}-reg.sock"


class KubeletPlugin:
    """Answers one kubelet.

    Parameters
    ----------
    paths : PluginPaths
    """

    def __init__(self, paths: PluginPaths) -> None:
        self._paths = paths
        self._asked = self._server(paths.endpoint, DRA_SERVICE, self._dra())
        self._found = self._server(paths.registration, REGISTRATION_SERVICE, self._registration())
        self.registered = False
        """Whether the kubelet has taken us."""

    def start(self) -> None:
        """Listen: first where claims are prepared, then where the kubelet finds us.

        Raises
        ------
        UsageError
            Where a socket cannot be made.
        """
        for path, server in ((self._paths.endpoint, self._asked), (self._paths.registration, self._found)):
            try:
                path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
                # What a plugin left behind that was killed would keep the new one from listening.
                path.unlink(missing_ok=True)
                if len(bytes(path)) > LONGEST_PATH or server.add_insecure_port(f"unix:{path}") == 0:
                    raise OSError("the path is too long, or taken")
            except (OSError, RuntimeError) as error:
                self.stop()
                raise UsageError(
                    f"no socket can be made at {path}: {error}",
                    "run as root on the node, with the kubelet's folder as --kubelet-dir",
                ) from error
            server.start()

    def stop(self) -> None:
        """Go: the kubelet first loses sight of us, then what is being answered is waited for."""
        with suppress(OSError):
            self._paths.registration.unlink()
        for server in (self._found, self._asked):
            server.stop(STOP_S).wait()
        with suppress(OSError):
            self._paths.endpoint.unlink()

    def _server(self, path: Path, service: str, methods: dict[str, Any]) -> grpc.Server:
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix=path.name)
        server = grpc.server(pool, options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
        return server

    def _dra(self) -> dict[str, Any]:
        """Without (de)serializers a message is handed on as bytes."""
        names = ("NodePrepareResources", "NodeUnprepareResources")
        return {name: grpc.unary_unary_rpc_method_handler(_answer) for name in names}

    def _registration(self) -> dict[str, Any]:
        info = plugin_info(self._paths.driver, str(self._paths.endpoint))
        return {
            "GetInfo": grpc.unary_unary_rpc_method_handler(lambda _request, _context: info),
            "NotifyRegistrationStatus": grpc.unary_unary_rpc_method_handler(self._told),
        }

    def _told(self, request: bytes, _context: grpc.ServicerContext) -> bytes:
        """Take note of what the kubelet says; after a refusal it asks again when the socket is made anew."""
        told = read_registered(request)
        self.registered = told.ok
        if told.ok:
            LOG.info("registered with the kubelet")
        else:
            LOG.error("the kubelet does not take the plugin: %s", told.error)
        return b""


def _answer(request: bytes, context: grpc.ServicerContext) -> bytes:
    try:
        return done(read_claims(request))
    except WireError as error:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        raise
