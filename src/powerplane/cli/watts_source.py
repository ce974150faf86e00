"""Where commands read watts from: a Prometheus, BMCs, or recorded pages; options, and opening what they name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Group, Parameter

from powerplane.adapters.telemetry.following import Opened
from powerplane.adapters.telemetry.prometheus_source import PrometheusSource
from powerplane.adapters.telemetry.recorded import RecordedSource
from powerplane.adapters.telemetry.redfish import RedfishSource
from powerplane.adapters.telemetry.redfish_file import read_bmcs
from powerplane.adapters.telemetry.several import SeveralSources
from powerplane.models.errors import InputError, UsageError
from powerplane.models.telemetry.metrics import NEEDED
from powerplane.models.telemetry.readings import Meaning

TELEMETRY = Group("Measured watts", sort_key=3)
EXAMPLE = "--prometheus http://127.0.0.1:9090, --redfish bmcs.yaml, or --telemetry DIR for recorded pages"
MOST_TOKEN_BYTES = 1 << 16
BMC_TIMEOUT_S = 10.0
"""For one BMC; they are slow, and one that hangs is not to keep the others waiting."""

PrometheusUrl = Annotated[
    str | None, Parameter(name="--prometheus", group=TELEMETRY, help="Prometheus to ask, such as http://host:9090.")
]
TelemetryDir = Annotated[
    Path | None,
    Parameter(name="--telemetry", group=TELEMETRY, help="Recorded pages or answers of Prometheus, instead of one."),
]
RedfishFile = Annotated[
    Path | None,
    Parameter(name="--redfish", group=TELEMETRY, help="File of BMCs to ask directly, beside a Prometheus or alone."),
]
MetricsServer = Annotated[
    bool,
    Parameter(
        name="--metrics-server",
        group=TELEMETRY,
        negative=(),
        help="Ask the API server for CPU in use as well, where no Prometheus tells it (metrics.k8s.io).",
    ),
]
TokenFile = Annotated[
    Path | None, Parameter(name="--token-file", group=TELEMETRY, help="File with the bearer token for Prometheus.")
]
CaFile = Annotated[
    Path | None, Parameter(name="--ca-file", group=TELEMETRY, help="Authority of Prometheus' certificate (PEM).")
]
Headers = Annotated[
    list[str] | None,
    Parameter(
        name="--header", group=TELEMETRY, negative=(), help="A header for Prometheus, such as 'X-Scope-OrgID: site-1'."
    ),
]
NodeLabels = Annotated[
    list[str] | None,
    Parameter(
        name="--node-label",
        group=TELEMETRY,
        negative=(),
        help="Label that names the node, before those that are known.",
    ),
]


@dataclass(frozen=True, slots=True)
class WattsFrom:
    """What the command line names.

    Parameters
    ----------
    prometheus : str or None
    telemetry : Path or None
    token_file, ca_file : Path or None
    headers, node_labels : tuple of str
    redfish : Path or None
    metrics_server : bool
        Whether to ask metrics-server of the cluster that ``kubeconfig`` and ``context`` name.
    kubeconfig, context : optional
    """

    prometheus: str | None = None
    telemetry: Path | None = None
    token_file: Path | None = None
    ca_file: Path | None = None
    headers: tuple[str, ...] = ()
    node_labels: tuple[str, ...] = ()
    redfish: Path | None = None
    metrics_server: bool = False
    kubeconfig: Path | None = None
    context: str | None = None


def open_source(watts: WattsFrom, *, timeout_s: float, meanings: Sequence[Meaning] = NEEDED) -> Opened:
    """Open what the command line names; nothing is asked yet.

    Parameters
    ----------
    watts : WattsFrom
    timeout_s : float
        For a whole reading.
    meanings : sequence of Meaning
        What to ask a Prometheus for.

    Raises
    ------
    UsageError
        When it names no source, a recording beside another, or options that do not go with what it names.
    InputError
        For files that cannot be used.
    """
    if watts.prometheus is None and watts.telemetry is None and watts.redfish is None:
        only = ", and --metrics-server tells no watts" if watts.metrics_server else ""
        raise UsageError(f"neither --prometheus nor --telemetry nor --redfish is given{only}", f"give {EXAMPLE}")
    asks_how = bool(watts.token_file or watts.ca_file or watts.headers or watts.node_labels)
    if watts.prometheus is None and asks_how:
        raise UsageError(
            "--token-file, --ca-file, --header and --node-label are for a Prometheus",
            "leave them out, or give --prometheus URL",
        )
    if watts.telemetry is not None:
        if watts.prometheus is not None or watts.redfish is not None or watts.metrics_server:
            raise UsageError("a recording and a live source, both are given", f"give one of them: {EXAMPLE}")
        return _recorded(watts.telemetry)
    live = [_prometheus(watts, watts.prometheus, timeout_s, meanings)] if watts.prometheus is not None else []
    live += [_bmcs(watts.redfish, timeout_s)] if watts.redfish is not None else []
    live += [_metrics_server(watts, timeout_s)] if watts.metrics_server else []
    return live[0] if len(live) == 1 else Opened(SeveralSources([each.source for each in live]), (), live[0].where)


def _recorded(directory: Path) -> Opened:
    recorded = RecordedSource(directory)
    if not recorded.moments:
        raise InputError(
            f"{directory} holds no sample of any metric that is known",
            "record pages of an exporter of power: docs/how-to/watch-and-diagnose.md",
        )
    return Opened(recorded, recorded.moments, str(directory))


def _prometheus(watts: WattsFrom, given: str, timeout_s: float, meanings: Sequence[Meaning]) -> Opened:
    url = check_url(given)
    source = PrometheusSource(
        url,
        meanings,
        timeout_s=timeout_s,
        headers=request_headers(watts),
        ca_file=certificate_file(watts),
        node_labels=watts.node_labels,
    )
    return Opened(source, (), url)


def _bmcs(path: Path, timeout_s: float) -> Opened:
    return Opened(RedfishSource(read_bmcs(path), timeout_s=min(timeout_s, BMC_TIMEOUT_S)), (), str(path))


def _metrics_server(watts: WattsFrom, timeout_s: float) -> Opened:
    from powerplane.adapters.cluster_access import open_cluster  # noqa: PLC0415  # the Kubernetes client: a second to import
    from powerplane.adapters.telemetry.metrics_server import MetricsServerSource  # noqa: PLC0415  # the Kubernetes client: a second to import

    access = open_cluster(watts.kubeconfig, watts.context)
    return Opened(MetricsServerSource(access, timeout_s=timeout_s / 2), (), access.server)


def check_url(url: str) -> str:
    """Return the URL of a Prometheus.

    Raises
    ------
    UsageError
        When it is none, or a page's; and when it carries credentials, which would be shown in messages.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = None, None
    if parts is None or parts.scheme not in ("http", "https") or not host:
        raise UsageError("--prometheus is not an address", "give one such as --prometheus http://127.0.0.1:9090")
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "--prometheus carries credentials, which would end up in messages",
            "give a bearer token by --token-file FILE, or --header 'Authorization: Basic …'",
        )
    if parts.query or parts.fragment:
        raise UsageError("--prometheus is the address of a page", "give what stands before /graph, /query or /api/v1")
    return url.rstrip("/")


def request_headers(watts: WattsFrom) -> Mapping[str, str]:
    """Headers for Prometheus, the token's included.

    Raises
    ------
    UsageError, InputError
        Which never tell the values.
    """
    headers = dict(_header(text) for text in watts.headers)
    if watts.token_file is not None:
        if any(name.lower() == "authorization" for name in headers):
            raise UsageError("--token-file and --header 'Authorization: …' are both given", "leave one of them out")
        headers["Authorization"] = f"Bearer {_token(watts.token_file)}"
    return headers


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    # What could not be sent would be shown in the error that says so.
    can_be_sent = (name + value).isascii() and (name + value).isprintable() and " " not in name
    if not colon or not name or not value or not can_be_sent:
        raise UsageError("a --header is not of the form 'Name: value'", "write it as --header 'X-Scope-OrgID: site-1'")
    return name, value


def _token(path: Path) -> str:
    mend = f"write the token alone into {path}: kubectl create token ACCOUNT > {path}"
    try:
        with path.open("rb") as stream:
            text = stream.read(MOST_TOKEN_BYTES).decode("ascii").strip()
    except OSError as error:
        raise InputError(f"cannot read --token-file {path}: {error.strerror}", mend) from error
    except UnicodeDecodeError as error:
        raise InputError(f"--token-file {path} holds no token", mend) from error
    if not text or not text.isprintable() or " " in text:
        raise InputError(f"--token-file {path} holds {'nothing' if not text else 'more than a token'}", mend)
    return text


def certificate_file(watts: WattsFrom) -> str | None:
    """Path of the authority's certificate; None for the usual ones.

    Raises
    ------
    InputError
        When there is no such file.
    """
    if watts.ca_file is not None and not watts.ca_file.is_file():
        raise InputError(f"--ca-file {watts.ca_file} does not exist", "give the authority's certificate (PEM)")
    return str(watts.ca_file) if watts.ca_file is not None else None


def labels(given: Sequence[str] | None) -> tuple[str, ...]:
    """Several values of an option; none where it was not given."""
    return tuple(given or ())
