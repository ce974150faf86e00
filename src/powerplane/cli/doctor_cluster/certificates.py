"""``powerplane doctor``: certificates of the webhook, and clocks."""

from collections.abc import Iterable, Iterator

from powerplane.adapters.certificate_look import Certificate
from powerplane.adapters.lease_look import Lease
from powerplane.adapters.webhook_lease import WEBHOOK_LEASE
from powerplane.cli.doctor_cluster.saying import fail, listed, ok, report, unseen, warn
from powerplane.cli.doctor_cluster.seen import Cluster, HookSeen
from powerplane.cli.doctor_cluster.webhook import our_hook
from powerplane.cli.doctor_section import Finding, SectionReport
from powerplane.cli.report import words
from powerplane.cli.top_remarks import span
from powerplane.models.plan import Wire

MOST_SKEW_S = 5.0
LAST_PART = 8
"""In the last eighth of its life a certificate should have been renewed: cert-manager does so at a third, our own and
its webhooks' at a seventh."""

NTP = "keep its clock by NTP: timedatectl status"


class ClockView(Wire, frozen=True):
    """A clock.

    Attributes
    ----------
    ahead_seconds : float
        Of the API server's.
    """

    whose: str
    ahead_seconds: float


class CertificatesView(Wire, frozen=True):
    """Certificates and clocks.

    Attributes
    ----------
    authorities_days_left : tuple of float
    leaf_days_left : float or None
        None where it cannot be seen from here.
    server_ahead_seconds : float or None
        The API server's clock ahead of ours.
    skewed : tuple of ClockView
        Holders of Leases whose clocks are off.
    """

    authorities_days_left: tuple[float, ...]
    leaf_days_left: float | None
    server_ahead_seconds: float | None
    skewed: tuple[ClockView, ...]


def examine_certificates(seen: HookSeen, cluster: Cluster) -> SectionReport:
    """Report on certificates and clocks.

    Parameters
    ----------
    seen : HookSeen
    cluster : Cluster
    """
    skewed = tuple(_skewed((*cluster.leases.items, *cluster.node_leases.items)))
    leaf = seen.shown.certificate if seen.shown else None
    view = CertificatesView(
        authorities_days_left=tuple(
            _days(each, cluster.now_s) for each in (seen.bundle.authorities if seen.bundle else ())
        ),
        leaf_days_left=_days(leaf, cluster.now_s) if leaf else None,
        server_ahead_seconds=None if cluster.server_s is None else round(cluster.server_s - cluster.now_s, 1),
        skewed=skewed,
    )
    findings = [*_bundle(seen, cluster.now_s), *_leaf(seen, cluster.now_s), *_clocks(cluster, skewed)]
    return report("certificates", "Certificates and clocks", findings, view)


def _days(each: Certificate, now_s: float) -> float:
    return round((each.until_s - now_s) / 86_400, 2)


def _bundle(seen: HookSeen, now_s: float) -> Iterator[Finding]:
    bundle = seen.bundle
    if bundle is None:
        return
    inject = "put the certificate of the authority that signed the webhook's into caBundle, in base64"
    if bundle.trouble:
        text = f"caBundle is of no use: {bundle.trouble}; the API server cannot call the webhook"
        yield fail("caBundle", text, inject)
        return
    if not bundle.authorities:
        text = "caBundle holds a leaf, not an authority: the next certificate will not be trusted"
        yield warn("caBundle", text, inject)
        return
    good = [each for each in bundle.authorities if each.until_s > now_s]
    if not good:
        ended = span(now_s - max(each.until_s for each in bundle.authorities))
        yield fail("caBundle", f"every authority in caBundle has expired, the last {ended} ago", inject)
        return
    yield _life(
        "caBundle",
        max(good, key=lambda each: each.until_s),
        now_s,
        f"{words.count(len(good), 'authority')}".replace("authoritys", "authorities"),
    )


def _leaf(seen: HookSeen, now_s: float) -> Iterator[Finding]:
    hook = our_hook(seen)
    if hook is None or seen.bundle is None or seen.bundle.trouble:
        return
    renew = "renew it; with cert-manager: kubectl describe certificate -n powerplane-system"
    if seen.shown is None:
        text = "the webhook's own certificate cannot be seen from here: its Service's name is known in the cluster only"
        yield ok("webhook's certificate", f"{text}; `self test` shows whether the API server takes it")
    elif seen.shown.refused:
        text = f"what the webhook shows is not trusted by caBundle: {seen.shown.refused}; the API server cannot call it"
        yield fail("webhook's certificate", text, "put the authority that signed it into caBundle, or renew it")
    elif seen.shown.certificate is None:
        text = f"the webhook does not answer: {seen.shown.trouble}"
        yield fail("webhook's port", text, "see whether `powerplane serve --webhook-port` runs, and its log")
    else:
        finding = _life("webhook's certificate", seen.shown.certificate, now_s, "it is trusted by caBundle")
        yield Finding(level=finding.level, check=finding.check, text=finding.text, next=renew if finding.next else "")


def _life(check: str, each: Certificate, now_s: float, what: str) -> Finding:
    left_s = each.until_s - now_s
    text = f"{what}, for {span(left_s)} more"
    if left_s * LAST_PART < each.until_s - each.from_s:
        return warn(check, f"{text}: it should have been renewed by now", "renew it")
    return ok(check, text)


def _skewed(leases: Iterable[Lease]) -> Iterator[ClockView]:
    """Holders whose clock is off: what they wrote, against when the API server says that it was written.

    The webhook's Lease is also written to without being renewed, so that it cannot show a clock that is behind.
    """
    for each in leases:
        if each.renewed_s is not None and each.written_s is not None and each.holder:
            # The server's moment is cut to whole seconds.
            ahead_s = each.renewed_s - each.written_s
            behind = ahead_s < -MOST_SKEW_S and each.metadata.name != WEBHOOK_LEASE
            if ahead_s > MOST_SKEW_S + 1 or behind:
                yield ClockView(whose=each.holder, ahead_seconds=round(ahead_s, 1))


def _clocks(cluster: Cluster, skewed: tuple[ClockView, ...]) -> Iterator[Finding]:
    if cluster.server_s is None:
        yield warn("your clock", "the API server does not tell its time", "see what stands between you and it")
    else:
        ahead_s = cluster.server_s - cluster.now_s
        if abs(ahead_s) > MOST_SKEW_S:
            way = "behind" if ahead_s > 0 else "ahead of"
            text = f"this machine's clock is {words.seconds(abs(ahead_s))} {way} the API server's"
            yield warn("your clock", text, "keep both by NTP: timedatectl status")
        else:
            yield ok("your clock", f"within {MOST_SKEW_S:.0f} s of the API server's")
    for found, what in ((cluster.leases, "our Leases"), (cluster.node_leases, "nodes' Leases")):
        if not found.seen:
            yield unseen("clocks", what, found.told)
    if skewed:
        worst = sorted(skewed, key=lambda each: -abs(each.ahead_seconds))
        told = [f"{each.whose} {_way(each.ahead_seconds)}" for each in worst]
        yield warn("clocks", f"clocks differ from the API server's: {listed(told)}", NTP)
    elif cluster.leases.seen and cluster.node_leases.seen:
        known = sum(
            each.written_s is not None and bool(each.holder)
            for each in (*cluster.leases.items, *cluster.node_leases.items)
        )
        yield ok("clocks", f"those of {words.count(known, 'holder')} of Leases are within {MOST_SKEW_S:.0f} s")


def _way(ahead_s: float) -> str:
    return f"{span(abs(ahead_s))} {'ahead' if ahead_s > 0 else 'behind'}"
