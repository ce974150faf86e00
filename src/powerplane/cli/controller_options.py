"""What the commands that run all day share: options of a replica, the log, and how they are ended."""

import os
import signal
import socket
import threading
from typing import Annotated, Protocol

from cyclopts import Group, Parameter
from prometheus_client import CollectorRegistry, start_http_server

from powerplane.adapters.log_lines import LogFormat
from powerplane.adapters.sample_feed import SampleFeed

REPLICAS = Group("Replicas", sort_key=4)

LeaseNamespace = Annotated[str, Parameter(group=REPLICAS, help="Of the Lease.")]
Identity = Annotated[str | None, Parameter(group=REPLICAS, help="This replica's name; default the host's.")]
OperationsPort = Annotated[int | None, Parameter(help="Port of /metrics, on 127.0.0.1.")]

LogLines = Annotated[LogFormat, Parameter(name="--log-format", help="Of the lines on stderr: text, or JSON objects.")]

LEASE_NAMESPACE = "powerplane-system"


class Controller(Protocol):
    """What runs on threads of its own."""

    def start(self) -> None:
        """Begin."""
        ...

    def stop(self) -> None:
        """End."""
        ...


def replica_name(identity: str | None) -> str:
    """Return this replica's name: what was given, the pod's, or the host's."""
    return identity or os.environ.get("POD_NAME") or socket.gethostname()


def run_until_ended(controller: Controller, feed: SampleFeed | None = None) -> None:
    """Run until SIGTERM or Ctrl-C.

    Parameters
    ----------
    controller : Controller
    feed : SampleFeed, optional
        Of what the controller reads: it begins before it and ends after it.
    """
    over = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: over.set())
    if feed is not None:
        feed.start()
    controller.start()
    over.wait()
    controller.stop()
    if feed is not None:
        feed.stop()


def serve_metrics(registry: CollectorRegistry, operations_port: int | None) -> None:
    """Serve /metrics on this host alone, where a port was given."""
    if operations_port is not None:
        start_http_server(operations_port, "127.0.0.1", registry)
