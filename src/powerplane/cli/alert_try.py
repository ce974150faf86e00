"""``powerplane alert test``."""

import socket
import sys
import time
import uuid
from typing import Annotated

from cyclopts import Parameter

from powerplane.adapters.cluster_access import open_cluster
from powerplane.cli.alert_sinks import EXAMPLE, NO_SINKS, Sinks, open_sinks
from powerplane.cli.exit_codes import ERROR, OK
from powerplane.cli.options import Context, Kubeconfig
from powerplane.cli.output import print_text
from powerplane.models.alerts.alert import AlertKey, Finding, Notice, Remedy
from powerplane.models.alerts.grouping import bundled
from powerplane.models.alerts.words import deed, headline
from powerplane.models.errors import UsageError


def try_out(
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    to: Annotated[
        list[str] | None, Parameter(name="--to", negative=(), help="Only these: events, alertmanager, slack, webhook.")
    ] = None,
    receivers: Sinks = NO_SINKS,
    dry_run: Annotated[bool, Parameter(negative=(), help="Print the test alert, and send nothing.")] = False,
) -> int:
    """Send one test alert to each receiver, and say what came back; exit code 1 where one did not take it."""
    notice = trial(time.time())
    if dry_run:
        print_notice(notice)
        return OK
    access = open_cluster(kubeconfig, context) if receivers.events else None
    sinks = open_sinks(receivers, access, socket.gethostname(), lambda _kind, _name: "")
    strangers = sorted(set(to or ()) - {sink.name for sink in sinks})
    if strangers or not sinks:
        what = f"--to {strangers[0]}: nothing says where that is" if strangers else "nothing says where alerts go"
        raise UsageError(what, f"give {EXAMPLE}")
    (bundle,) = bundled([notice])
    code = OK
    for sink in sinks:
        if to and sink.name not in to:
            continue
        sent = sink.send(bundle)
        print_text(f"{sink.name}: {'taken' if sent.outcome == 'ok' else f'{sent.outcome}: {sent.told}'}")
        code = code if sent.outcome == "ok" else ERROR
    return code


def trial(now_s: float) -> Notice:
    """Return a notice that says what it is."""
    key = AlertKey("DomainOverBudget", "powerplane-test", "/powerplane-test")
    remedy = Remedy("migrate", 250_000, ("default/this-is-a-test",), 1, enough=True)
    finding = Finding(key, "over", "warning", 1_250_000, 1_000_000, "Observe", "rack", "", remedy)
    return Notice(uuid.uuid4().hex, 1, "test", now_s, now_s, finding)


def print_notice(notice: Notice) -> None:
    """Print what a notice says."""
    more = "" if notice.what == "resolved" else deed(notice.finding)
    print_text(f"{notice.what}: {notice.finding.severity}: {headline(notice)}. {more}".rstrip())
    sys.stdout.flush()
