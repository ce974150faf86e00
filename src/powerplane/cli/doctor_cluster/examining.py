"""``powerplane doctor``: the parts about the cluster, one after the other; each fails alone."""

import logging
from collections.abc import Callable, Iterator
from functools import cache
from typing import TypeVar

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_look import ClusterLook, Found, Told
from powerplane.cli.doctor_cluster.api import examine_api
from powerplane.cli.doctor_cluster.certificates import examine_certificates
from powerplane.cli.doctor_cluster.extender import examine_extender
from powerplane.cli.doctor_cluster.operator import examine_operator
from powerplane.cli.doctor_cluster.others import examine_others
from powerplane.cli.doctor_cluster.policies import examine_policies
from powerplane.cli.doctor_cluster.reading import read_api, read_cluster, read_others, read_webhook
from powerplane.cli.doctor_cluster.reviews import read_accounts, read_own
from powerplane.cli.doctor_cluster.rights import examine_rights
from powerplane.cli.doctor_cluster.saying import report, warn
from powerplane.cli.doctor_cluster.seen import ApiSeen, HookSeen, unread
from powerplane.cli.doctor_cluster.standing import standings
from powerplane.cli.doctor_cluster.topology import examine_topology
from powerplane.cli.doctor_cluster.webhook import examine_webhook
from powerplane.cli.doctor_section import SectionReport
from powerplane.cli.progress import Say

LOG = logging.getLogger(__name__)

T = TypeVar("T")
Part = Callable[[], SectionReport]

QUESTIONS = 24
"""All questions together may take as long as this many that are answered at the last moment."""


def examine_cluster(access: ClusterAccess, timeout_s: float, say: Say) -> Iterator[SectionReport]:
    """Yield the parts about the cluster; of an API server that does not answer, that part alone.

    Parameters
    ----------
    access : ClusterAccess
    timeout_s : float
        For one question.
    say : Say
    """
    look = ClusterLook(access, timeout_s, QUESTIONS * timeout_s)
    say("asking the API server what it is")
    api = tried(lambda: read_api(look), lambda why: ApiSeen(access.server, why))
    yield alone("api", "API server", lambda: examine_api(api))
    if not api.git_version:
        return
    say("asking who may do what")
    yield alone("rights", "Rights", lambda: examine_rights(read_own(look), read_accounts(look)))
    say("reading nodes, pods and policies")
    cluster = tried(lambda: read_cluster(look), unread)
    policies = cache(lambda: standings(cluster))
    say("trying the webhook")
    hooks = tried(
        lambda: read_webhook(look, cluster, timeout_s), lambda why: HookSeen(Found((), why), judging=Found((), why))
    )
    yield alone("webhook", "Webhook", lambda: examine_webhook(hooks, cluster))
    yield alone("extender", "Extender", lambda: examine_extender(cluster, policies()))
    yield alone("certificates", "Certificates and clocks", lambda: examine_certificates(hooks, cluster))
    yield alone("topology", "Power topology", lambda: examine_topology(cluster))
    yield alone("policies", "Policies and new pods", lambda: examine_policies(cluster, policies()))
    yield alone("operator", "Operator", lambda: examine_operator(cluster))
    say("looking for other controllers")
    yield alone(
        "others",
        "Other controllers",
        lambda: examine_others(read_others(look, api.groups), hooks, cluster, policies()),
    )


def tried(read: Callable[[], T], otherwise: Callable[[Told], T]) -> T:
    """Read, or where that fails, what is gone on with: nothing, and why."""
    try:
        return read()
    except Exception as error:
        LOG.debug("reading failed", exc_info=True)
        return otherwise(Told(0, f"{type(error).__name__}: {error}".encode()))


def alone(name: str, title: str, part: Part) -> SectionReport:
    """Return a part; where it fails, one that says so: an object that nobody foresaw must not hide the other parts."""
    try:
        return part()
    except Exception as error:
        LOG.debug("%s failed", name, exc_info=True)
        text = f"this part could not be looked at: {type(error).__name__}: {error}"
        return report(
            name,
            title,
            [warn(f"looking at {name}", text, "run it again; please report it with the objects it is about")],
        )
