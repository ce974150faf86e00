"""The options by which commands are told where to read watts, as one parameter of a command."""

from dataclasses import dataclass, replace
from typing import Annotated

from cyclopts import Parameter

from powerplane.cli.watts_source import (
    CaFile,
    Headers,
    NodeLabels,
    PrometheusUrl,
    RedfishFile,
    TelemetryDir,
    TokenFile,
    WattsFrom,
    labels,
)


@dataclass(frozen=True, slots=True)
class HistoryOptions:
    """Options of commands that need a Prometheus or a recording, which BMCs are not: they tell the present only.

    Parameters
    ----------
    prometheus, telemetry, token_file, ca_file, header, node_label : optional
        As their help says.
    """

    prometheus: PrometheusUrl = None
    telemetry: TelemetryDir = None
    token_file: TokenFile = None
    ca_file: CaFile = None
    header: Headers = None
    node_label: NodeLabels = None

    def watts_from(self) -> WattsFrom:
        """What they name."""
        asked_how = (self.token_file, self.ca_file, labels(self.header), labels(self.node_label))
        return WattsFrom(self.prometheus, self.telemetry, *asked_how)


@dataclass(frozen=True, slots=True)
class SourceOptions(HistoryOptions):
    """Options of commands that take any source of watts.

    Parameters
    ----------
    redfish : optional
        As its help says.
    """

    redfish: RedfishFile = None

    def watts_from(self) -> WattsFrom:
        """What they name."""
        return replace(HistoryOptions.watts_from(self), redfish=self.redfish)


HistorySource = Annotated[HistoryOptions, Parameter(name="*")]
Source = Annotated[SourceOptions, Parameter(name="*")]
NO_HISTORY_SOURCE = HistoryOptions()
NO_SOURCE = SourceOptions()
