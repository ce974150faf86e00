"""The process that reads history for the webhook: days of thousands of pods would cost its answers time.

``python -m powerplane.admission.history_worker``: a line of JSON in, a line out; ends when its input does.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from powerplane.adapters.cluster_access import ClusterAccess, open_cluster
from powerplane.adapters.cluster_lists import Patience
from powerplane.adapters.telemetry.pod_history import Historian
from powerplane.adapters.telemetry.prometheus_source import PrometheusSource
from powerplane.admission.history_learning import Learner
from powerplane.admission.history_pods import PodBook, list_managed, list_pods
from powerplane.admission.history_wire import Ask, Opening, Told
from powerplane.models.errors import PowerPlaneError, UnreachableError

NICENESS = 10
ATTEMPTS = 2
"""For a page of a list; the next round tries again."""


class Rounds:
    """Rounds over one cluster and one source, with what has been learnt between them.

    Parameters
    ----------
    access : ClusterAccess
    source : Historian
    patience : Patience
    clock : callable
        Unix seconds.
    """

    def __init__(
        self, access: ClusterAccess, source: Historian, patience: Patience, clock: Callable[[], float] = time.time
    ) -> None:
        self._access = access
        self._patience = patience
        self._clock = clock
        self._learner = Learner(source)
        self._book = PodBook()
        self._managed: frozenset[str] | None = None
        self._behind = False

    def ask(self, asked: Ask) -> Told:
        """Read one piece; what has no answer is told, and read in the next round."""
        try:
            if not self._behind:
                self._book.take(list_pods(self._access, self._patience), self._clock())
            if asked.containers and not self._behind:
                self._managed = self._look_for_managed()
            self._behind = self._learner.learn(self._book.pods, self._clock(), containers=asked.containers)
        except UnreachableError as error:
            self._behind = False
            return Told(error=str(error).partition("\n")[0])
        return Told(self._learner.histories(self._managed, containers=asked.containers), self._behind)

    def _look_for_managed(self) -> frozenset[str] | None:
        """What was known before stays where the list has no answer: without the right to it, nothing is filled in."""
        try:
            return list_managed(self._access, self._patience)
        except UnreachableError as error:
            sys.stderr.write(f"no VerticalPodAutoscalers: {str(error).partition(chr(10))[0]}\n")
            return self._managed


def main() -> int:
    """Serve until the input ends."""
    os.nice(NICENESS)
    reader, writer = sys.stdin.buffer, sys.stdout.buffer
    first = reader.readline()
    if not first:
        return 0
    opening = msgspec.json.decode(first, type=Opening)
    source = PrometheusSource(
        opening.url, (), timeout_s=opening.timeout_s, headers=opening.headers, ca_file=opening.ca_file
    )
    try:
        access = open_cluster(Path(opening.kubeconfig) if opening.kubeconfig else None, opening.context)
        _serve(Rounds(access, source, Patience(timeout_s=opening.timeout_s, attempts=ATTEMPTS)), reader, writer)
    except PowerPlaneError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    finally:
        source.close()
    return 0


def _serve(rounds: Rounds, reader: BinaryIO, writer: BinaryIO) -> None:
    decode = msgspec.json.Decoder(Ask).decode
    while line := reader.readline():
        writer.write(msgspec.json.encode(rounds.ask(decode(line))) + b"\n")
        writer.flush()


if __name__ == "__main__":
    sys.exit(main())
