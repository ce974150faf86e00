"""Options that say where alerts go, and the sinks that they name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from powerplane.adapters.alerts.alertmanager import PATH, Alertmanager
from powerplane.adapters.alerts.events import Events, Uids
from powerplane.adapters.alerts.posting import Poster, Target, checked_url
from powerplane.adapters.alerts.secret import Secret, only_one, read_secrets
from powerplane.adapters.alerts.sink import Sink
from powerplane.adapters.alerts.slack import Slack
from powerplane.adapters.alerts.webhook import Webhook, read_keys
from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_writes import Writer
from powerplane.models.errors import InputError, UsageError

SINKS = Group("Where alerts go", sort_key=4)
EXAMPLE = "--events, --alertmanager URL, --slack-url-file FILE, --webhook URL"
SLACK_VARIABLE = "POWERPLANE_SLACK_URL"
KEYS_VARIABLE = "POWERPLANE_WEBHOOK_KEYS"
TOKEN_VARIABLE = "POWERPLANE_ALERTMANAGER_TOKEN"

EventsOption = Annotated[
    bool, Parameter(name="--events", negative=(), group=SINKS, help="Events of the cluster (events.k8s.io/v1).")
]
AlertmanagerUrl = Annotated[
    str | None, Parameter(name="--alertmanager", group=SINKS, help="Alertmanager, such as http://host:9093.")
]
AlertmanagerToken = Annotated[
    Path | None,
    Parameter(
        name="--alertmanager-token-file", group=SINKS, help=f"File with its bearer token; or in {TOKEN_VARIABLE}."
    ),
]
SlackFile = Annotated[
    Path | None,
    Parameter(
        name="--slack-url-file",
        group=SINKS,
        help=f"File with the URL of an incoming webhook of Slack; or in {SLACK_VARIABLE}.",
    ),
]
WebhookUrl = Annotated[
    str | None, Parameter(name="--webhook", group=SINKS, help="Address that takes signed messages (POST, JSON).")
]
WebhookKeys = Annotated[
    Path | None,
    Parameter(
        name="--webhook-key-file",
        group=SINKS,
        help=f"File with the key that signs, or two of them, the new one first, a line each; or in {KEYS_VARIABLE}.",
    ),
]
AllowHosts = Annotated[
    list[str] | None,
    Parameter(
        name="--allow-host",
        group=SINKS,
        negative=(),
        help="Host that may have a private address, and be spoken to without TLS.",
    ),
]
SinkCa = Annotated[
    Path | None,
    Parameter(name="--sink-ca-file", group=SINKS, help="Authority of the receivers' certificates (PEM)."),
]


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """What the command line names.

    Parameters
    ----------
    events, alertmanager, alertmanager_token, slack, webhook, webhook_keys, allow_hosts, ca_file : optional
        As their help says.
    """

    events: EventsOption = False
    alertmanager: AlertmanagerUrl = None
    alertmanager_token: AlertmanagerToken = None
    slack: SlackFile = None
    webhook: WebhookUrl = None
    webhook_keys: WebhookKeys = None
    allow_hosts: AllowHosts = None
    ca_file: SinkCa = None

    @property
    def private(self) -> frozenset[str]:
        """Hosts that may be private; as they stand in a URL's host, in lower case."""
        return frozenset(host.lower().strip("[]") for host in self.allow_hosts or ())


Sinks = Annotated[SinkOptions, Parameter(name="*")]
NO_SINKS = SinkOptions()


def open_sinks(options: SinkOptions, access: ClusterAccess | None, instance: str, uids: Uids) -> tuple[Sink, ...]:
    """Make the sinks that the command line names; nothing is sent yet.

    Parameters
    ----------
    options : SinkOptions
    access : ClusterAccess or None
        For events.
    instance : str
        This replica's name.
    uids : Uids

    Raises
    ------
    UsageError, InputError
        For what cannot be used; no secret is told.
    """
    if options.ca_file is not None and not options.ca_file.is_file():
        raise InputError(f"--sink-ca-file {options.ca_file} does not exist", "give the authority's certificate (PEM)")
    found: list[Sink] = []
    if options.events and access is not None:
        found.append(Events(Writer(access, attempts=1), instance, uids))
    if options.alertmanager is not None:
        found.append(Alertmanager(_alertmanager(options, options.alertmanager)))
    slack = only_one(read_secrets(options.slack, SLACK_VARIABLE, "--slack-url-file"), "--slack-url-file")
    if slack is not None:
        found.append(Slack(_poster(options, slack.reveal(), "the URL of Slack")))
    if options.webhook is not None:
        keys = read_keys(read_secrets(options.webhook_keys, KEYS_VARIABLE, "--webhook-key-file"))
        found.append(Webhook(_poster(options, options.webhook, "--webhook"), keys))
    elif options.webhook_keys is not None:
        raise UsageError("--webhook-key-file is given, and no --webhook", "give --webhook URL as well")
    return tuple(found)


def _alertmanager(options: SinkOptions, url: str) -> Poster:
    secrets = read_secrets(options.alertmanager_token, TOKEN_VARIABLE, "--alertmanager-token-file")
    token = only_one(secrets, "--alertmanager-token-file")
    headers = {"Authorization": Secret(f"Bearer {token.reveal()}")} if token is not None else {}
    return _poster(options, url.rstrip("/") + PATH, "--alertmanager", headers)


def _poster(options: SinkOptions, url: str, option: str, headers: dict[str, Secret] | None = None) -> Poster:
    checked = checked_url(url, option, private_hosts=options.private)
    ca_file = str(options.ca_file) if options.ca_file is not None else None
    return Poster(Target(checked, options.private, ca_file, headers or {}))
