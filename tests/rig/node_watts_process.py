"""The controller as a process of its own, to be killed: ``python -m tests.rig.node_watts_process KUBECONFIG``."""

import sys
import threading
from pathlib import Path

from prometheus_client import CollectorRegistry

from powerplane.adapters.cluster_access import open_cluster
from powerplane.node_watts.run import NodeWattsRun, NodeWattsSettings


def main() -> None:
    """Run until killed."""
    settings = NodeWattsSettings(identity="process", namespace="default")
    NodeWattsRun(open_cluster(Path(sys.argv[1])), settings, CollectorRegistry()).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
