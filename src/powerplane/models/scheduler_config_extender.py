"""What is wrong with one extender in a scheduler's configuration, and what to write instead.

Sources: k8s.io/kube-scheduler/config/v1/types.go and its validation; pkg/scheduler/extender.go for what each setting
does.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from powerplane.models.requests import WATTS_RESOURCE
from powerplane.models.scheduler_config import URL_PATH, Document, Lock

Severity = Literal["error", "warning", "note"]

VERBS = {"filterVerb": "filter", "prioritizeVerb": "prioritize", "preemptVerb": "preempt", "bindVerb": "bind"}
FIELDS = frozenset(VERBS) | {
    "urlPrefix",
    "weight",
    "enableHTTPS",
    "tlsConfig",
    "httpTimeout",
    "nodeCacheCapable",
    "managedResources",
    "ignorable",
}
LEAST_WEIGHT = 4
"""Above the greatest weight of one built-in score (TaintToleration's 3)."""

LONGEST_TIMEOUT_S = 2.0
SHORTEST_TIMEOUT_S = 0.05
GO_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_GO_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, where, and what to write instead."""

    severity: Severity
    place: str
    problem: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Extender:
    """One item of `extenders`, and what it is checked against."""

    place: str
    document: Document
    lock: Lock | None

    def finding(self, severity: Severity, field: str, problem: str, next_step: str) -> Finding:
        """Return a finding about one of its fields."""
        return Finding(severity, f"{self.place}.{field}" if field else self.place, problem, next_step)

    def on(self, field: str) -> bool:
        """Whether a switch is on."""
        return self.document.get(field) is True

    def has(self, field: str) -> bool:
        """Whether a field says anything."""
        return bool(self.document.get(field))


def _check_fields(extender: Extender) -> Iterator[Finding]:
    """Ensures that kube-scheduler, which decodes strictly, knows every field."""
    for field in sorted(set(extender.document) - FIELDS, key=str):
        yield extender.finding("error", str(field), "is unknown to kube-scheduler, which refuses the file", "remove it")


def _check_address(extender: Extender) -> Iterator[Finding]:
    if not isinstance(extender.document.get("urlPrefix"), str) or not extender.has("urlPrefix"):
        yield extender.finding("error", "urlPrefix", "is missing", "write the extender's address")


def _check_weight(extender: Extender) -> Iterator[Finding]:
    """Ensures that a weight is there where scores are asked for: kube-scheduler does not start otherwise."""
    weight = extender.document.get("weight", 0)
    if extender.has("prioritizeVerb") and (not isinstance(weight, int) or isinstance(weight, bool) or weight <= 0):
        yield extender.finding(
            "error", "weight", "must be above 0 where there is a prioritizeVerb", "write `weight: 12`"
        )


def _check_bind_ignorable(extender: Extender) -> Iterator[Finding]:
    if extender.has("bindVerb") and extender.on("ignorable"):
        yield extender.finding(
            "error",
            "ignorable",
            "lets the default binder bind past the extender whenever a binding fails",
            "write `ignorable: false`, or remove bindVerb",
        )


def _check_verbs(extender: Extender) -> Iterator[Finding]:
    """Ensures that the verbs are those that the extender has."""
    for field, verb in VERBS.items():
        value = extender.document.get(field)
        if value and value != verb:
            yield extender.finding("error", field, f"is {value!r}, which the extender does not have", f"write `{verb}`")
    if not extender.has("filterVerb"):
        yield extender.finding(
            "error", "filterVerb", "is missing: scores alone hold no budget", "write `filterVerb: filter`"
        )
    if not extender.has("preemptVerb"):
        yield extender.finding(
            "warning",
            "preemptVerb",
            "is missing: pods may be evicted for one that no budget has room for",
            "write `preemptVerb: preempt`",
        )


def _check_url_path(extender: Extender) -> Iterator[Finding]:
    """Ensures that a verb put behind the path is one that the extender serves."""
    url = urlsplit(str(extender.document.get("urlPrefix", "")))
    path = url.path.rstrip("/")
    if path != URL_PATH:
        address = f"{url.scheme}://{url.netloc}{URL_PATH}"
        yield extender.finding(
            "error",
            "urlPrefix",
            f"has the path {path or '/'!r}, and a verb is put behind it: every call ends in 404",
            f"write `urlPrefix: {address}`, or give `powerplane serve` the same prefix",
        )


def _check_tls(extender: Extender) -> Iterator[Finding]:
    """Ensures that the scheduler knows whom it asks, and shows who it is."""
    tls = mapping(extender.document.get("tlsConfig"))
    if urlsplit(str(extender.document.get("urlPrefix", ""))).scheme != "https":
        yield extender.finding(
            "error", "urlPrefix", "is not https: anybody can ask, and answer", "write an https:// address"
        )
    if not extender.on("enableHTTPS"):
        yield extender.finding(
            "note", "enableHTTPS", "is not true; it changes nothing where there is a CA", "write `enableHTTPS: true`"
        )
    if tls.get("insecure") is True:
        yield extender.finding("error", "tlsConfig.insecure", "lets anybody answer", "remove it, and write caFile")
    elif not (tls.get("caFile") or tls.get("caData")):
        yield extender.finding(
            "error",
            "tlsConfig",
            "has no CA, which switches the check of the extender's certificate off",
            "write `caFile:` with the path of the extender's CA",
        )
    if not ((tls.get("certFile") or tls.get("certData")) and (tls.get("keyFile") or tls.get("keyData"))):
        yield extender.finding(
            "error",
            "tlsConfig",
            "has no client certificate, without which the extender refuses to talk",
            "write `certFile:` and `keyFile:`",
        )


def _check_influence(extender: Extender) -> Iterator[Finding]:
    """Ensures that a score can outweigh one of the built-in ones: at most 10 × 10 × weight against 100 × theirs."""
    weight = extender.document.get("weight", 0)
    if extender.has("prioritizeVerb") and isinstance(weight, int) and 0 < weight < LEAST_WEIGHT:
        yield extender.finding(
            "warning",
            "weight",
            f"of {weight} loses against a single built-in score (their weights are 1 to 3, 12 in all)",
            "write `weight: 12`",
        )


def _check_node_cache(extender: Extender) -> Iterator[Finding]:
    if not extender.on("nodeCacheCapable"):
        yield extender.finding(
            "error",
            "nodeCacheCapable",
            "is not true: every call ships whole nodes (15 to 30 times slower at 5,000), and the built-in scores then "
            "see every node empty",
            "write `nodeCacheCapable: true`",
        )


def _check_ignorable(extender: Extender) -> Iterator[Finding]:
    """Ensures that a budget that only the extender holds is not given up when it does not answer."""
    if not extender.on("ignorable"):
        return
    alone = extender.lock == "extender" or (extender.lock is None and _ignored(extender) is True)
    if alone:
        yield extender.finding(
            "error", "ignorable", "gives every budget up when the extender does not answer", "write `ignorable: false`"
        )
    else:
        yield extender.finding(
            "warning",
            "ignorable",
            "leaves only the nodes' watts to hold budgets when the extender does not answer",
            "write `ignorable: false`, unless availability comes first",
        )


def _check_timeout(extender: Extender) -> Iterator[Finding]:
    written = extender.document.get("httpTimeout")
    if written is None:
        yield extender.finding(
            "warning", "httpTimeout", "is missing: a hanging extender costs every pod 5 s", "write `httpTimeout: 500ms`"
        )
        return
    seconds = go_seconds(written)
    if seconds is None or seconds <= 0:
        yield extender.finding("error", "httpTimeout", f"{written!r} is no duration", "write `httpTimeout: 500ms`")
    elif seconds > LONGEST_TIMEOUT_S:
        yield extender.finding(
            "warning", "httpTimeout", f"a hanging extender costs every pod {seconds:g} s", "write `httpTimeout: 500ms`"
        )
    elif seconds < SHORTEST_TIMEOUT_S:
        yield extender.finding(
            "warning", "httpTimeout", f"{seconds:g} s is shorter than a busy moment", "write `httpTimeout: 500ms`"
        )


def _check_managed(extender: Extender) -> Iterator[Finding]:
    """Ensures that the scheduler's own look at watts fits what holds the budgets."""
    managed = extender.document.get("managedResources")
    item = f"[{{name: {WATTS_RESOURCE}, ignoredByScheduler: {str(extender.lock != 'both').lower()}}}]"
    if not managed:
        yield extender.finding(
            "warning",
            "managedResources",
            "is missing: every pod is sent, also those that ask for no watts",
            f"write `managedResources: {item}`",
        )
        return
    if not isinstance(managed, list) or not all(isinstance(one, dict) for one in managed):
        yield extender.finding("error", "managedResources", "is no list of mappings", f"write {item}")
        return
    for name in (one.get("name") for one in managed):
        if name != WATTS_RESOURCE:
            yield extender.finding("warning", "managedResources", f"{name!r} means nothing to PowerPlane", "remove it")
    ignored = _ignored(extender)
    if ignored is None:
        yield extender.finding("warning", "managedResources", f"{WATTS_RESOURCE} is not in it", f"write {item}")
    elif extender.lock == "extender" and not ignored:
        yield extender.finding(
            "error",
            "managedResources",
            "the scheduler looks for watts that no node advertises: every pod that asks for some waits for ever",
            "write `ignoredByScheduler: true`, or advertise watts on nodes and use --lock both",
        )
    elif extender.lock == "both" and ignored:
        yield extender.finding(
            "error",
            "managedResources",
            "the scheduler does not look at the nodes' watts, so they hold nothing",
            "write `ignoredByScheduler: false`",
        )


def go_seconds(text: object) -> float | None:
    """Return the seconds of a Go duration such as "500ms" or "1m30s"; None for what is none."""
    if not isinstance(text, str) or not re.fullmatch(rf"(?:{_GO_PART.pattern})+", text):
        return None
    return sum(float(number) * GO_UNITS_S[unit] for number, unit in _GO_PART.findall(text))


def _ignored(extender: Extender) -> bool | None:
    """Whether the scheduler passes over watts; None where the extender does not manage them."""
    for one in listed(extender.document.get("managedResources")):
        if mapping(one).get("name") == WATTS_RESOURCE:
            return mapping(one).get("ignoredByScheduler") is True
    return None


def mapping(value: object) -> dict[str, Any]:
    """Return a mapping as it is, and anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """Return a list as it is, and anything else as an empty one."""
    return value if isinstance(value, list) else []


Check = Callable[[Extender], Iterator[Finding]]

EVERY_EXTENDER: tuple[Check, ...] = (_check_fields, _check_address, _check_weight, _check_bind_ignorable)
OUR_EXTENDER: tuple[Check, ...] = (
    _check_verbs,
    _check_url_path,
    _check_tls,
    _check_influence,
    _check_node_cache,
    _check_ignorable,
    _check_timeout,
    _check_managed,
)
