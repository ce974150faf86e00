"""The actuator as a process of its own, to be killed: ``python -m tests.rig.actuator_process KUBECONFIG NAME``.

It takes the plan's own arithmetic for true, since nobody measures here.
"""

import logging
import sys
import threading
from pathlib import Path

from prometheus_client import CollectorRegistry

from powerplane.actuator.confirming import ConfirmTerms
from powerplane.actuator.run import Actuator, Settings
from powerplane.actuator.terms import Terms
from powerplane.adapters.cluster_access import open_cluster


def main() -> None:
    """Run until killed."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    terms = Terms(confirm=ConfirmTerms(by_books=True))
    settings = Settings(identity=sys.argv[2], terms=terms)
    Actuator(open_cluster(Path(sys.argv[1])), settings, CollectorRegistry()).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
