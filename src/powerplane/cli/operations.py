"""Health and metrics of the commands that run all day, on a port that others can reach."""

import re
from dataclasses import dataclass
from typing import Annotated, Protocol

from cyclopts import Parameter
from prometheus_client import CollectorRegistry

from powerplane.adapters.serving.listener import Listener, ListenerSettings
from powerplane.adapters.serving.operations import Operations
from powerplane.adapters.serving.port_metrics import PortMetrics
from powerplane.adapters.serving.server import Server, run_until_signal
from powerplane.models.errors import UsageError

PREFIX = "powerplane_operations_"
"""Of the port's own figures."""

Address = Annotated[
    str | None, Parameter(help="Where /metrics, /healthz and /readyz are served, as 127.0.0.1:9464 or :9464.")
]

_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]]*):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Where:
    """An address to listen on."""

    host: str
    port: int


class Watched(Protocol):
    """What runs, and says how it is."""

    def start(self) -> None:
        """Begin."""
        ...

    def stop(self) -> None:
        """End."""
        ...

    def trouble(self) -> str:
        """Why it can do nothing; "" where all is well."""
        ...


def read_address(text: str | None) -> Where | None:
    """Read where to listen; without a host, on all addresses.

    Raises
    ------
    UsageError
    """
    if text is None:
        return None
    found = _ADDRESS.fullmatch(text.strip())
    if found is None or int(found["port"]) > 65_535:
        raise UsageError(f"--metrics-address {text!r} is no address", "give one such as 127.0.0.1:9464 or :9464")
    return Where(found["host"].strip("[]") or "0.0.0.0", int(found["port"]))


def run_with_operations(controller: Watched, registry: CollectorRegistry, where: Where) -> None:
    """Run until SIGTERM or Ctrl-C, and tell meanwhile how it is.

    Parameters
    ----------
    controller : Watched
        Ready while it has no trouble.
    registry : CollectorRegistry
    where : Where

    Raises
    ------
    UnreachableError
        For an address that cannot be listened on; then nothing was begun.
    """
    figures = PortMetrics(PREFIX, registry)
    begun = False

    def ready() -> tuple[bool, str]:
        trouble = controller.trouble()
        return not trouble, trouble

    def make() -> Server:
        nonlocal begun
        # What is read here harms nobody, and nothing can be written: the port may be open to the cluster.
        settings = ListenerSettings(where.host, where.port, insecure=True)
        listener = Listener(Operations(ready, figures.render), settings, figures)
        begun = True
        controller.start()
        return Server([listener])

    try:
        run_until_signal(make)
    finally:
        if begun:
            controller.stop()
