"""``powerplane claims node-plugin``."""

import logging
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from powerplane.cli.exit_codes import OK
from powerplane.models.errors import UsageError

DRIVER = "power.powerplane.dev"


def node_plugin(
    *,
    kubelet_dir: Annotated[Path, Parameter(help="The kubelet's own folder.")] = Path("/var/lib/kubelet"),
) -> int:
    """Answer this node's kubelet for pods that claim watts: there is nothing to prepare.

    Each node that runs such pods needs it, as root, with the kubelet's folders plugins and plugins_registry. Needs the
    extra node-plugin. SIGTERM or Ctrl-C ends it; pods that run stay.
    """
    try:
        from powerplane.adapters.kubelet_plugin.server import KubeletPlugin, PluginPaths  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise UsageError("grpcio is not installed", "pip install 'powerplane[node-plugin]'") from error
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    plugin = KubeletPlugin(PluginPaths(kubelet_dir, DRIVER))
    over = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: over.set())
    plugin.start()
    over.wait()
    plugin.stop()
    return OK
