"""``powerplane doctor``: whether somebody answers the scheduler, and whether the scheduler asks."""

from collections.abc import Iterator, Sequence

from powerplane.adapters.lease_look import STALE_S
from powerplane.admission.offering import ASKED_WITHIN_S
from powerplane.cli.doctor_cluster.saying import fail, ok, report, unseen, warn
from powerplane.cli.doctor_cluster.seen import Cluster
from powerplane.cli.doctor_cluster.standing import PolicyStanding
from powerplane.cli.doctor_section import Finding, SectionReport
from powerplane.cli.report import words
from powerplane.cli.top_remarks import span
from powerplane.models.api.capping_policy import ACTING
from powerplane.models.plan import Wire
from powerplane.models.rights import NAMESPACE

LEASE = "powerplane"
CHECK = (
    "check the scheduler's configuration: powerplane scheduler-config check FILE (the file of kube-scheduler --config)"
)


class ExtenderView(Wire, frozen=True):
    """The extender.

    Attributes
    ----------
    holder : str
        The replica that answers; "" for none.
    asked_seconds_ago : float or None
        None where the scheduler never asked.
    """

    holder: str
    asked_seconds_ago: float | None


def examine_extender(cluster: Cluster, policies: Sequence[PolicyStanding]) -> SectionReport:
    """Report on the extender.

    Parameters
    ----------
    cluster : Cluster
    policies : sequence of PolicyStanding
    """
    lease = cluster.lease(LEASE)
    asked = cluster.signs.asked_ago_s
    view = ExtenderView(
        holder=lease.holder if lease else "",
        asked_seconds_ago=None if asked is None else round(asked, 1),
    )
    return report("extender", "Extender", _findings(cluster, policies), view)


def _findings(cluster: Cluster, policies: Sequence[PolicyStanding]) -> Iterator[Finding]:
    if not cluster.leases.seen:
        yield unseen("answers the scheduler", f"Leases of {NAMESPACE}", cluster.leases.told)
        return
    acting = [each for each in policies if each.mode in ACTING]
    stated = [each for each in acting if each.chosen == "Extender"]
    open_ = [each for each in acting if each.lock == "Auto"]
    lease = cluster.lease(LEASE)
    if lease is None:
        yield warn("answers the scheduler", f"Lease {LEASE} is not there", "kubectl apply -f deploy/rbac.yaml")
        return
    age_s = None if lease.renewed_s is None else _age(cluster, lease.renewed_s, lease.written_s)
    if not lease.holder or age_s is None or age_s > STALE_S:
        since = "" if age_s is None else f"; the last one was seen {span(age_s)} ago"
        text = f"nobody answers the scheduler{since}"
        level = fail if stated else warn
        yield level("answers the scheduler", text, "see whether `powerplane serve` runs, and its log")
        return
    yield ok("answers the scheduler", f"{lease.holder} answers the scheduler")
    yield _asked(cluster, stated, open_)


def _age(cluster: Cluster, renewed_s: float, written_s: float | None) -> float:
    if written_s is not None and cluster.server_s is not None:
        return cluster.server_s - written_s
    return cluster.now_s - renewed_s


def _asked(cluster: Cluster, stated: Sequence[PolicyStanding], open_: Sequence[PolicyStanding]) -> Finding:
    ago_s = cluster.signs.asked_ago_s
    if cluster.signs.asks and ago_s is not None:
        return ok("asked by the scheduler", f"the scheduler asked {span(ago_s)} ago")
    told = "never asked" if ago_s is None else f"has not asked for {span(ago_s)}"
    limit = words.seconds(ASKED_WITHIN_S)
    if stated:
        text = f"the scheduler {told}, and policy {stated[0].shown} rests on its asking"
        return fail("asked by the scheduler", text, CHECK)
    if open_:
        return warn("asked by the scheduler", f"the scheduler {told}, and nothing else holds budgets", CHECK)
    return ok("asked by the scheduler", f"the scheduler {told} (within {limit} it counts); no policy rests on it")
