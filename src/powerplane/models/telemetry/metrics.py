"""The declared table: every metric that is read, what it means, in which unit, and which labels say whose it is.

Rows of one source and quantity with the same part are alternatives, the better one first; rows with different parts
add up. Names and labels are those of the exporters' own sources and pages: Kepler (docs/user/metrics.md, and
pkg/metrics of v0.7.12), dcgm-exporter (etc/default-counters.csv), node_exporter (collector/rapl_linux.go, hwmon),
ipmi_exporter (docs/metrics.md), Telegraf (inputs.redfish), Scaphandre (references/metrics.md), cAdvisor,
kube-state-metrics and the kubelet. Nothing here is written twice: the reference page is made from this table.
"""

from collections.abc import Iterable

from powerplane.models.telemetry.metrics_heat import HEAT
from powerplane.models.telemetry.metrics_use import METRICS_SERVER, OWNERS, PLACES, USE
from powerplane.models.telemetry.metrics_watts import (
    DCGM,
    IPMI,
    KEPLER,
    KEPLER_OLD,
    NODE_EXPORTER,
    REDFISH,
    SCAPHANDRE,
    TELEGRAF,
)
from powerplane.models.telemetry.metrics_work import WORK
from powerplane.models.telemetry.readings import Meaning, Quantity

SCRAPED = (
    *IPMI[:2],
    TELEGRAF,
    *KEPLER,
    *NODE_EXPORTER,
    *IPMI[2:],
    *SCAPHANDRE,
    *KEPLER_OLD,
    *DCGM,
    *USE,
    *PLACES,
)
"""What Prometheus carries and a round of watts needs."""

NEEDED = tuple(meaning for meaning in SCRAPED if meaning.quantity != "pod watts")
"""The same without what sources attribute to pods, which is only shown: more than half of all series."""

MEANINGS: tuple[Meaning, ...] = (*REDFISH, *SCRAPED, *HEAT, *OWNERS, *METRICS_SERVER, *WORK)
"""The whole table."""

DEAR: tuple[Quantity, ...] = ("node cpu cores", "pod cpu cores", "pod watts")
"""What has to be summed and is one of these is read only where nothing better brought it: every CPU's, every
container's series are many times as many, and neither decides what a node counts as drawing."""


def meanings_of(source: str) -> tuple[Meaning, ...]:
    """Rows of one source, in order of preference."""
    return tuple(meaning for meaning in MEANINGS if meaning.source == source)


def meanings_for(*quantities: Quantity, among: Iterable[Meaning] = MEANINGS) -> tuple[Meaning, ...]:
    """Rows of some quantities, in order of preference."""
    return tuple(meaning for meaning in among if meaning.quantity in quantities)
