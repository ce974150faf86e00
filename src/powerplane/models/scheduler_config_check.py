"""What a scheduler's configuration must hold for PowerPlane's budgets to be held through it, and what to change.

Sources: k8s.io/kube-scheduler/config/v1/types.go and its validation; pkg/scheduler/schedule_one.go. Most of what goes
wrong with an extender goes wrong here, and without a message.
"""

from collections.abc import Iterator

from powerplane.models.requests import WATTS_RESOURCE
from powerplane.models.scheduler_config import API_VERSION, KIND, Document, Lock, is_ours, nodes_shown
from powerplane.models.scheduler_config_extender import EVERY_EXTENDER, OUR_EXTENDER, Extender, Finding, listed, mapping

DEFAULT_SCHEDULER = "default-scheduler"
DEFAULT_LEASE = ("kube-system", "kube-scheduler")


def check_configuration(configuration: object, lock: Lock | None = None, nodes: int = 5000) -> list[Finding]:
    """Check a whole configuration.

    Parameters
    ----------
    configuration : object
        As read from YAML or JSON.
    lock : "extender", "both" or None
        What is to hold the budgets; None where either will do.
    nodes : int
        Size of the cluster.

    Returns
    -------
    list of Finding
        Errors first; empty where nothing is wrong.
    """
    if not isinstance(configuration, dict):
        return [Finding("error", "", "this is no mapping", f"start with `apiVersion: {API_VERSION}`, `kind: {KIND}`")]
    found = [
        *_check_head(configuration),
        *_check_election(configuration),
        *_check_extenders(configuration, lock, nodes),
    ]
    order = ("error", "warning", "note")
    return sorted(found, key=lambda one: order.index(one.severity))


def _check_head(configuration: Document) -> Iterator[Finding]:
    for field, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        if (value := configuration.get(field)) != wanted:
            yield Finding("error", field, f"is {value!r}, which kube-scheduler refuses", f"write `{field}: {wanted}`")


def _check_election(configuration: Document) -> Iterator[Finding]:
    """Ensures that a scheduler beside the default one does not wait for the default one's Lease."""
    election = mapping(configuration.get("leaderElection"))
    if election.get("leaderElect") is False or DEFAULT_SCHEDULER in _profile_names(configuration):
        return
    lease = (election.get("resourceNamespace") or DEFAULT_LEASE[0], election.get("resourceName") or DEFAULT_LEASE[1])
    if lease == DEFAULT_LEASE:
        yield Finding(
            "error",
            "leaderElection",
            f"the Lease {'/'.join(lease)} is the default scheduler's, so that one of the two waits for ever",
            f"write `resourceName: {_profile_names(configuration)[0]}`",
        )


def _check_extenders(configuration: Document, lock: Lock | None, nodes: int) -> Iterator[Finding]:
    there = configuration.get("extenders") or []
    if not isinstance(there, list) or not all(isinstance(one, dict) for one in there):
        yield Finding("error", "extenders", "is no list of mappings", "write a list, an extender an item")
        return
    extenders = [Extender(f"extenders[{at}]", one, lock) for at, one in enumerate(there)]
    ours = [one for one in extenders if is_ours(one.document)]
    if not ours:
        yield Finding(
            "error",
            "extenders",
            f"none is PowerPlane's: none manages {WATTS_RESOURCE}",
            "run `powerplane scheduler-config --patch FILE`",
        )
    for extender in extenders:
        for check in EVERY_EXTENDER:
            yield from check(extender)
    for extender in ours:
        for check in OUR_EXTENDER:
            yield from check(extender)
        yield from _check_order(extender, extenders)
    yield from _check_binders(extenders)
    yield from _check_shared_resources(extenders)
    if any(one.has("filterVerb") for one in ours):
        yield from _check_shown(configuration, nodes)


def _check_order(extender: Extender, extenders: list[Extender]) -> Iterator[Finding]:
    """Ensures that what tells hopeless nodes from others is asked first (KEP-1819); ignorable ones go last anyway."""
    ahead = [one for one in extenders[: extenders.index(extender)] if not one.on("ignorable") and one.has("filterVerb")]
    if ahead:
        yield extender.finding(
            "warning",
            "",
            f"is asked only about the nodes that {ahead[0].place} leaves, and preemption is tried where it cannot help",
            "put it before the others",
        )


def _check_binders(extenders: list[Extender]) -> Iterator[Finding]:
    binders = [one.place for one in extenders if one.has("bindVerb")]
    if len(binders) > 1:
        yield Finding(
            "error",
            "extenders",
            f"{' and '.join(binders)} have a bindVerb; kube-scheduler refuses more than one",
            "keep it in one",
        )


def _check_shared_resources(extenders: list[Extender]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for extender in extenders:
        managed = extender.document.get("managedResources")
        for one in managed if isinstance(managed, list) else ():
            name = str(mapping(one).get("name"))
            if name in seen:
                yield extender.finding(
                    "error",
                    "managedResources",
                    f"{name} is {seen[name]}'s already; kube-scheduler refuses it",
                    "remove it",
                )
            seen[name] = extender.place


def _check_shown(configuration: Document, nodes: int) -> Iterator[Finding]:
    """Ensures that the extender sees every node that fits: where it refuses all that it sees, the pod fails."""
    if nodes <= 100:
        return
    overall = configuration.get("percentageOfNodesToScore")
    profiles = [one for one in listed(configuration.get("profiles")) if isinstance(one, dict)]
    for at, profile in enumerate(profiles or [{}]):
        own = profile.get("percentageOfNodesToScore")
        percentage = overall if own is None else own
        shown = nodes_shown(nodes, percentage if isinstance(percentage, int) else 0)
        if shown < nodes:
            place = "percentageOfNodesToScore" if own is None else f"profiles[{at}].percentageOfNodesToScore"
            yield Finding(
                "warning",
                place,
                f"shows the extender {shown} of {nodes} nodes; if none of those has headroom, the pod fails",
                "write `percentageOfNodesToScore: 100`",
            )


def _profile_names(configuration: Document) -> list[str]:
    profiles = listed(configuration.get("profiles")) or [{}]
    return [str(mapping(one).get("schedulerName") or DEFAULT_SCHEDULER) for one in profiles]
