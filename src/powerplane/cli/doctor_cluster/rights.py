"""``powerplane doctor``: what whoever runs it may see, and what our accounts may do."""

from collections.abc import Iterator, Sequence

from powerplane.cli.doctor_cluster.saying import fail, listed, ok, report, warn
from powerplane.cli.doctor_cluster.seen import Grip
from powerplane.cli.doctor_section import Finding, SectionReport
from powerplane.models.plan import Wire
from powerplane.models.rights import ACCOUNTS, DOCTOR, NAMESPACE, Account

BY_NAME = {account.name: account for account in ACCOUNTS}


class GripView(Wire, frozen=True):
    """What an account may do.

    Attributes
    ----------
    there : bool or None
        None where it may not be seen.
    lacks, too_much : tuple of str
    """

    account: str
    there: bool | None
    lacks: tuple[str, ...]
    too_much: tuple[str, ...]


def examine_rights(own: Grip, accounts: Sequence[Grip]) -> SectionReport:
    """Report on rights.

    Parameters
    ----------
    own : Grip
        Of whoever runs it.
    accounts : sequence of Grip
        Of ours.
    """
    findings = [_own(own), *(finding for each in accounts for finding in _account(BY_NAME[each.name], each))]
    views = tuple(GripView(account=e.name, there=e.there, lacks=e.lacks, too_much=e.too_much) for e in accounts)
    return report("rights", "Rights", findings, views)


def _own(own: Grip) -> Finding:
    if own.trouble:
        return warn("your rights", f"the API server does not tell what you may do: {own.trouble}", "run it again")
    if own.lacks:
        return warn(
            "your rights",
            f"you may not {listed(own.lacks)}: what rests on that is not looked at",
            "ask who administers the cluster for these; they only read",
        )
    return ok("your rights", f"you may see all that is looked at ({len(DOCTOR)} rights)")


def _account(account: Account, grip: Grip) -> Iterator[Finding]:
    check = f"rights of {account.name}"
    if grip.trouble:
        yield warn(
            check, f"what it may do is not told: {grip.trouble}", f"kubectl auth can-i --list --as {account.user}"
        )
        return
    if grip.there is False:
        if account.is_needed:
            text = f"the account is not there in {NAMESPACE}; it {account.does}"
            yield fail(check, text, f"kubectl apply -f {account.file}")
        else:
            yield ok(check, f"the account is not there; it {account.does}, where that is wanted")
        return
    if grip.lacks:
        text = f"it {account.does}, and may not {listed(grip.lacks)}"
        yield fail(check, text, f"kubectl apply -f {account.file}")
    for half in grip.halves:
        text = f"{half.file} is there in part: it {half.does}, and may not {listed(half.lacks)}"
        yield fail(check, text, f"kubectl apply -f {half.file}")
    if grip.too_much:
        text = f"it {account.does}, and may do what it must not: {listed(grip.too_much, 3)}"
        yield warn(check, text, f"find who grants it: kubectl get clusterrolebindings -o wide | grep {account.name}")
    if not grip.lacks and not grip.too_much and not grip.halves:
        yield ok(
            check, f"it {account.does}: all {len(account.rights)} rights that it needs, none that it must not have"
        )
