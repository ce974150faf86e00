"""The options by which commands that run all day are told where to read measured watts, as one parameter."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from powerplane.adapters.sample_feed import SampleFeed
from powerplane.cli.measured_feed import Figures, OwnQuery, measured_feed
from powerplane.cli.watts_source import (
    TELEMETRY,
    CaFile,
    Headers,
    NodeLabels,
    PrometheusUrl,
    TokenFile,
    WattsFrom,
    labels,
)

OwnSeries = Annotated[
    str | None,
    Parameter(
        name="--watts",
        group=TELEMETRY,
        help="Series to sum by node instead of all that is known and judged: one meter only, since zones overlap.",
    ),
]
OwnLabel = Annotated[
    str, Parameter(name="--watts-label", group=TELEMETRY, help="Label of --watts' series that names the node.")
]


@dataclass(frozen=True, slots=True)
class MeasuredOptions:
    """A Prometheus, and what to ask it.

    Parameters
    ----------
    prometheus, token_file, ca_file, header, node_label, watts, watts_label : optional
        As their help says.
    """

    prometheus: PrometheusUrl = None
    token_file: TokenFile = None
    ca_file: CaFile = None
    header: Headers = None
    node_label: NodeLabels = None
    watts: OwnSeries = None
    watts_label: OwnLabel = "node_name"

    def watts_from(self) -> WattsFrom:
        """What they name."""
        return WattsFrom(
            self.prometheus, None, self.token_file, self.ca_file, labels(self.header), labels(self.node_label)
        )

    def feed(self, figures: Figures) -> SampleFeed | None:
        """The feed of nodes' measured watts, see `measured_feed`; None without a Prometheus."""
        return measured_feed(self.watts_from(), OwnQuery(self.watts, self.watts_label), figures)


MeasuredFrom = Annotated[MeasuredOptions, Parameter(name="*")]
NOT_MEASURED = MeasuredOptions()
