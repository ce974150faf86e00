"""``powerplane claims node-plugin``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from powerplane.adapters.log_lines import log_to_stderr
from powerplane.cli.controller_options import run_until_ended
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
    log_to_stderr()
    run_until_ended(KubeletPlugin(PluginPaths(kubelet_dir, DRIVER)))
    return OK
