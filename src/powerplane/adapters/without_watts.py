"""Pods that came in without watts, told in one form by all who count pods.

A webhook that fails open lets pods in as they are while nobody answers, and pods were there before it. They draw on
all the same, so whoever keeps books counts them by what else they request; that there are any is told here. Pods of a
DaemonSet and mirrors of static pods are their node's own, and never given watts.
"""

import logging
import math
from collections.abc import Mapping

from prometheus_client.core import GaugeMetricFamily

METRIC = "powerplane_pods_without_watts"
PAUSE_S = 30.0
MOST_NAMED = 5


def pods_without_watts(counts: Mapping[str, int]) -> GaugeMetricFamily:
    """Return the gauge.

    Parameters
    ----------
    counts : mapping of namespace to int
        Bound pods that state no watts and are not their node's own.
    """
    told = "Bound pods that state no watts, or too few to be believed; those of DaemonSets and mirrors left out."
    family = GaugeMetricFamily(METRIC, told, labels=("namespace",))
    for namespace, count in sorted(counts.items()):
        if count:
            family.add_metric((namespace,), count)
    return family


class WithoutWattsLog:
    """Says in the log how many there are: when the number has changed, but not at every pod.

    Parameters
    ----------
    log : logging.Logger
    pause_s : float
        The shortest time between two lines.
    """

    def __init__(self, log: logging.Logger, pause_s: float = PAUSE_S) -> None:
        self._log = log
        self._pause_s = pause_s
        self._told = 0
        self._told_s = -math.inf

    def saw(self, counts: Mapping[str, int], now_s: float) -> None:
        """Take note of how many there are by namespace, at a moment of a monotonic clock."""
        total = sum(counts.values())
        if total == self._told or now_s < self._told_s + self._pause_s:
            return
        self._told, self._told_s = total, now_s
        if total:
            self._log.warning(
                "%d pods run without a request of watts and count by what else they request: %s", total, _by(counts)
            )
        else:
            self._log.info("no pod runs without a request of watts any more")


def _by(counts: Mapping[str, int]) -> str:
    """Namespaces, those with the most pods first."""
    ranked = sorted(((-count, name) for name, count in counts.items() if count))
    named = [f"{name} {-count}" for count, name in ranked[:MOST_NAMED]]
    if len(ranked) > MOST_NAMED:
        named.append(f"{len(ranked) - MOST_NAMED} more namespaces")
    return ", ".join(named)
