"""Which step comes next, so that at no moment a replica shows what the API servers do not trust.

The order: trust the old and the new authority; wait until every API server has seen that; sign by the new; wait until
every replica shows it; trust the old one no more. Each step is one write, made on the condition that the object is as
it was seen, and what is to be done follows from what is there: whoever comes after a crash goes on where it stands.
Nothing here talks to anybody.
"""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from powerplane.adapters.webhook_lease import Report
from powerplane.admission.certificates.authority import Pair, issue, make_authority
from powerplane.admission.certificates.bundle import Bundle, authorities, bundle_of
from powerplane.admission.certificates.keys import Keys

DAY_S: Final = 86400.0
Step = Literal["wait", "publish", "prepare", "promote", "renew", "forget", "drop"]
Asked = Literal["", "certificate", "authority"]


@dataclass(frozen=True, slots=True)
class Terms:
    """How long what lives, and how long is waited.

    Parameters
    ----------
    names : tuple of str
        Host names and addresses that the certificate is for.
    authority_life_s, certificate_life_s : float
        Each is followed by another at two thirds of it.
    settle_s : float
        From the moment that every configuration holds an authority until something that it signed is shown: an API
        server answers from a copy that a watch keeps up to date. Also from the moment that a certificate is there to
        be shown until the authority of the one before may go.
    forget_s : float
        A replica whose report has not changed for so long is gone. Nobody shows a certificate that long without
        having looked: half of it after its last look a replica is not ready any more.
    """

    names: tuple[str, ...]
    authority_life_s: float = 365 * DAY_S
    certificate_life_s: float = 30 * DAY_S
    settle_s: float = 60.0
    forget_s: float = DAY_S


@dataclass(frozen=True, slots=True)
class Sight:
    """What is there at one moment.

    Parameters
    ----------
    keys : Keys
    bundles : tuple of Bundle
        What each webhook of each configuration trusts.
    reports : mapping of str to Report
        What replicas say, by their annotations.
    asked : Asked
        What an administrator wants made anew.
    """

    keys: Keys
    bundles: tuple[Bundle, ...] = ()
    reports: Mapping[str, Report] = field(default_factory=dict)
    asked: Asked = ""


class Hindsight:
    """Since when things are as they are, by one's own clock; who looks for the first time has seen nothing yet.

    Parameters
    ----------
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[tuple[str, str], float] = {}

    def note(self, sight: Sight) -> None:
        """Take in what is there now."""
        everywhere = set(sight.keys.trusted).intersection(*sight.bundles)
        now = {("trusted", each) for each in everywhere}
        now |= {("report", f"{key} {each.at} {each.certificate}") for key, each in sight.reports.items()}
        if sight.keys.leaf is not None:
            now |= {("leaf", each) for each in bundle_of(sight.keys.leaf.certificate)}
        self._since = {each: self._since.get(each, self._clock()) for each in now}

    def trusted_s(self, authority: Pair) -> float:
        """How long every webhook has trusted an authority."""
        return self._lasted("trusted", *bundle_of(authority.certificate))

    def shown_s(self, leaf: Pair) -> float:
        """How long a certificate has been there to be shown."""
        return self._lasted("leaf", *bundle_of(leaf.certificate))

    def silent_s(self, key: str, report: Report) -> float:
        """How long a replica has said nothing new."""
        return self._lasted("report", f"{key} {report.at} {report.certificate}")

    def _lasted(self, kind: str, what: str) -> float:
        since = self._since.get((kind, what))
        return -1.0 if since is None else self._clock() - since


def next_step(sight: Sight, hindsight: Hindsight, terms: Terms, now: datetime.datetime) -> Step:
    """Say what is to be done, from what is there.

    Parameters
    ----------
    sight : Sight
    hindsight : Hindsight
        It has noted this sight.
    terms : Terms
    now : datetime
        The time of day.
    """
    keys = sight.keys
    if any(not keys.trusted.keys() <= bundle.keys() for bundle in sight.bundles):
        return "publish"
    showing = [(key, each) for key, each in sight.reports.items() if each.authority]

    def settled(authority: Pair) -> bool:
        """Whether what it signs may be shown; at the very start nobody shows or trusts another, so that none waits."""
        others = any(bundle.keys() - bundle_of(authority.certificate).keys() for bundle in sight.bundles)
        return not (showing or others) or hindsight.trusted_s(authority) >= terms.settle_s

    following, signer = keys.following, keys.authority
    if following is not None and following.holds(now):
        return "promote" if settled(following) else "wait"
    if (
        following is not None
        or signer is None
        or not signer.holds(now)
        or signer.is_due(now)
        or sight.asked == "authority"
    ):
        return "prepare"
    if _is_stale(keys, terms, now) or sight.asked == "certificate":
        return "renew" if settled(signer) else "wait"
    if not any(bundle.keys() - bundle_of(signer.certificate).keys() for bundle in (keys.old, *sight.bundles)):
        return "wait"
    if keys.leaf is None or hindsight.shown_s(keys.leaf) < terms.settle_s:
        return "wait"
    others = [(key, each) for key, each in showing if each.authority != signer.identifier]
    if any(hindsight.silent_s(key, each) < terms.forget_s for key, each in others):
        return "wait"
    return "forget" if keys.old else "drop"


def _is_stale(keys: Keys, terms: Terms, now: datetime.datetime) -> bool:
    """Whether the certificate must be made anew: not there, not by this authority, due, or for other names."""
    leaf, signer = keys.leaf, keys.authority
    if leaf is None or signer is None or leaf.signer != signer.identifier:
        return True
    return not leaf.holds(now) or leaf.is_due(now) or not set(terms.names) <= leaf.names


def changed_keys(step: Step, sight: Sight, terms: Terms, now: datetime.datetime) -> Keys | None:
    """Return what the Secret shall hold after a step; None where the step leaves it as it is."""
    keys = sight.keys
    if step == "prepare":
        kept: dict[str, bytes] = {}
        for bundle in (*sight.bundles, keys.old):
            kept |= authorities(bundle)
        if keys.following is not None:
            kept |= bundle_of(keys.following.certificate)
        signer = keys.authority
        own = bundle_of(signer.certificate) if signer is not None else {}
        old = {each: pem for each, pem in kept.items() if each not in own}
        return replace(keys, following=make_authority(now, terms.authority_life_s), old=old)
    if step == "promote" and keys.following is not None:
        before = bundle_of(keys.authority.certificate) if keys.authority is not None else {}
        leaf = issue(keys.following, terms.names, now, terms.certificate_life_s)
        return Keys(keys.following, None, {**keys.old, **before}, leaf)
    if step == "renew" and keys.authority is not None:
        return replace(keys, leaf=issue(keys.authority, terms.names, now, terms.certificate_life_s))
    return replace(keys, old={}) if step == "forget" else None


def changed_bundle(step: Step, keys: Keys, bundle: Bundle) -> Bundle:
    """Return what a webhook shall trust after a step."""
    if step == "publish":
        return {**bundle, **keys.trusted}
    return keys.trusted if step == "drop" else bundle
