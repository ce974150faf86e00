"""``powerplane doctor``: the parts about the cluster, one after the other; each fails alone."""

import logging
from collections.abc import Callable, Iterator

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_look import ClusterLook
from powerplane.cli.doctor_cluster.api import examine_api
from powerplane.cli.doctor_cluster.certificates import examine_certificates
from powerplane.cli.doctor_cluster.extender import examine_extender
from powerplane.cli.doctor_cluster.others import examine_others
from powerplane.cli.doctor_cluster.policies import examine_policies
from powerplane.cli.doctor_cluster.reading import read_api, read_cluster, read_others, read_webhook
from powerplane.cli.doctor_cluster.reviews import read_accounts, read_own
from powerplane.cli.doctor_cluster.rights import examine_rights
from powerplane.cli.doctor_cluster.saying import report, warn
from powerplane.cli.doctor_cluster.standing import standings
from powerplane.cli.doctor_cluster.topology import examine_topology
from powerplane.cli.doctor_cluster.webhook import examine_webhook
from powerplane.cli.doctor_section import SectionReport
from powerplane.cli.progress import Say

LOG = logging.getLogger(__name__)

Part = Callable[[], SectionReport]


def examine_cluster(access: ClusterAccess, timeout_s: float, say: Say) -> Iterator[SectionReport]:
    """Yield the parts about the cluster; of an API server that does not answer, that part alone.

    Parameters
    ----------
    access : ClusterAccess
    timeout_s : float
        For one question.
    say : Say
    """
    look = ClusterLook(access, timeout_s)
    say("asking the API server what it is")
    api = read_api(look)
    yield alone("api", "API server", lambda: examine_api(api))
    if not api.git_version:
        return
    say("asking who may do what")
    yield alone("rights", "Rights", lambda: examine_rights(read_own(look), read_accounts(look)))
    say("reading nodes, pods and policies")
    cluster = read_cluster(look)
    policies = standings(cluster)
    say("trying the webhook")
    hooks = read_webhook(look, cluster, timeout_s)
    yield alone("webhook", "Webhook", lambda: examine_webhook(hooks, cluster))
    yield alone("extender", "Extender", lambda: examine_extender(cluster, policies))
    yield alone("certificates", "Certificates and clocks", lambda: examine_certificates(hooks, cluster))
    yield alone("topology", "Power topology", lambda: examine_topology(cluster))
    yield alone("policies", "Policies and new pods", lambda: examine_policies(cluster, policies))
    say("looking for other controllers")
    others = read_others(look, api.groups)
    yield alone("others", "Other controllers", lambda: examine_others(others, hooks, cluster, policies))


def alone(name: str, title: str, part: Part) -> SectionReport:
    """Return a part; where it fails, one that says so: an object that nobody foresaw must not hide the other parts."""
    try:
        return part()
    except Exception as error:
        LOG.debug("%s failed", name, exc_info=True)
        text = f"this part could not be looked at: {type(error).__name__}: {error}"
        return report(
            name, title, [warn("looking", text, "run it again; please report it with the objects it is about")]
        )
