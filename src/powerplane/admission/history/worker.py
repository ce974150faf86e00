"""The process that reads history for the webhook: days of thousands of pods would cost its answers time.

``python -m powerplane.admission.history.worker``: a line of JSON in, a line out; ends when its input does.
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
from powerplane.adapters.watch import Reflector, WatchPatience
from powerplane.admission.history.learning import Learner
from powerplane.admission.history.pods import PodBook, list_managed, watched_pods
from powerplane.admission.history.wire import Ask, Opening, Told
from powerplane.models.errors import PowerPlaneError, UnreachableError

NICENESS = 10
ATTEMPTS = 2
"""For a page of a list; the next round tries again."""

REST_S = 1.0
"""Of the watch in a storm: nothing here is in a hurry."""


class Rounds:
    """Rounds over one cluster and one source, with what has been learnt between them.

    Parameters
    ----------
    access : ClusterAccess
    source : Historian
    timeout_s : float
        For one question to the API server.
    clock : callable
        Unix seconds.
    """

    def __init__(
        self, access: ClusterAccess, source: Historian, timeout_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._access = access
        self._timeout_s = timeout_s
        self._clock = clock
        self._learner = Learner(source)
        self._book = PodBook(time.monotonic)
        patience = WatchPatience(page_timeout_s=timeout_s, rest_s=REST_S)
        self._watch = Reflector(access, watched_pods(), self._book.sink, patience)
        self._managed: frozenset[str] | None = None
        self._behind = False

    def start(self) -> None:
        """Begin to watch pods. Once only."""
        self._watch.start()

    def stop(self) -> None:
        """End the watch."""
        self._watch.stop()

    def ask(self, asked: Ask) -> Told:
        """Read one piece; what has no answer is told, and read in the next round."""
        if not self._watch.wait_synced(self._timeout_s):
            return Told(error=f"the pods are not listed yet: {self._watch.status.last_error or 'no answer'}")
        try:
            if asked.containers and not self._behind:
                self._managed = self._look_for_managed()
            self._behind = self._learner.learn(self._book.pods(), self._clock(), containers=asked.containers)
        except UnreachableError as error:
            self._behind = False
            return Told(error=str(error).partition("\n")[0])
        return Told(self._learner.histories(self._managed, containers=asked.containers), self._behind)

    def _look_for_managed(self) -> frozenset[str] | None:
        """What was known before stays where the list has no answer: without the right to it, nothing is filled in."""
        try:
            return list_managed(self._access, Patience(timeout_s=self._timeout_s, attempts=ATTEMPTS))
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
        rounds = Rounds(access, source, opening.timeout_s)
        rounds.start()
        _serve(rounds, reader, writer)
        rounds.stop()
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
