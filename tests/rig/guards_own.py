"""What our accounts may reach at all, and what nobody else may touch of ours: labels, devices, Leases, tokens."""

import base64
from collections.abc import Callable
from typing import Any

from tests.rig.acts import (
    CLAIMS,
    LABELLER,
    OURS,
    RELEASER,
    TENANT,
    Act,
    Guard,
    does,
    merges,
    metadata,
    with_pod,
)
from tests.rig.api import JSON_PATCH, MERGE, Answer
from tests.rig.objects import written
from tests.rig.processes import wait_for
from tests.rig.rig import Rig
from tests.rig.security import SERVING, applied, as_user

from powerplane.models.api.kinds import POWER_DOMAIN

NAMESPACES, TEAM = "/api/v1/namespaces", "/api/v1/namespaces/team"
OPTED_OUT = {"powerplane.dev/admission": "ignore"}
TOLD = {"powerplane.dev/told": "1"}
DEVICES = "/apis/resource.k8s.io/v1"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
POWER = "power.powerplane.dev"
CLAIM_CONTROLLER = "system:serviceaccount:kube-system:resource-claim-controller"


def finalizes(user: str, labels: dict[str, str]) -> Act:
    """The namespace ``team``, with more labels, through its finalizers."""

    def act(rig: Rig) -> Answer:
        found = rig.api.get(TEAM)
        found["metadata"]["labels"] |= labels
        return as_user(rig, user, "PUT", f"{TEAM}/finalize?dryRun=All", found)

    return act


def binds(user: str, path: str = "pods/there/binding", gates: tuple[str, ...] = (), **fields: Any) -> Act:
    """A pod bound to a node by somebody."""

    def call(rig: Rig, _: dict[str, Any]) -> Answer:
        meta = {"name": "there", "namespace": "team", **fields}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": meta, "target": {"kind": "Node", "name": "n1"}}
        return as_user(rig, user, "POST", f"{TEAM}/{path}?dryRun=All", body)

    return with_pod(call, schedulingGates=[{"name": each} for each in gates])


def evicts(user: str, in_namespace: str = "team", *, by_uid: bool = True) -> Act:
    """A pod evicted, by its UID or by its name alone."""

    def call(rig: Rig, found: dict[str, Any]) -> Answer:
        options = {"preconditions": {"uid": found["metadata"]["uid"]}} if by_uid else {}
        meta = {"name": "there", "namespace": in_namespace}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta, "deleteOptions": options}
        return as_user(rig, user, "POST", f"/api/v1/namespaces/{in_namespace}/pods/there/eviction?dryRun=All", body)

    return with_pod(call, in_namespace)


def deletes(user: str) -> Act:
    return with_pod(lambda rig, _: as_user(rig, user, "DELETE", f"{TEAM}/pods/there?dryRun=All"))


def states(user: str) -> Act:
    """The status of a domain written by somebody."""

    def act(rig: Rig) -> Answer:
        path = f"{OURS}/powerdomains/stated"
        if not rig.api.call("GET", path).ok:
            rig.api.post(f"{OURS}/powerdomains", written(POWER_DOMAIN, "stated", {"kind": "rack"}))
        whole = [{"op": "add", "path": "/status", "value": {"acceptedSpec": {"kind": "rack", "budget": "1MW"}}}]
        return as_user(rig, user, "PATCH", f"{path}/status?dryRun=All", whole, JSON_PATCH)

    return act


def event(controller: str) -> dict[str, Any]:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "told", "namespace": "team"},
        "eventTime": "2030-01-01T00:00:00.000000Z",
        "reportingController": controller,
        "reportingInstance": "one",
        "action": "Observe",
        "reason": "Told",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "name": "p", "namespace": "team"},
        "type": "Normal",
    }


def of_an_event(controller: str) -> Act:
    """An event of some controller, which an account of ours counts on."""

    def act(rig: Rig) -> Answer:
        path = f"{EVENTS}/told"
        rig.api.post(EVENTS, event(controller))
        try:
            return as_user(rig, RELEASER, "PATCH", f"{path}?dryRun=All", {"series": SERIES}, MERGE)
        finally:
            rig.api.delete(path)

    return act


EVENTS = "/apis/events.k8s.io/v1/namespaces/team/events"
SERIES = {"count": 2, "lastObservedTime": "2030-01-01T00:00:01.000000Z"}


def device_class(name: str) -> dict[str, Any]:
    return {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": name}, "spec": {}}


def device_slice(driver: str) -> dict[str, Any]:
    spec = {
        "driver": driver,
        "pool": {"name": "r1", "generation": 1, "resourceSliceCount": 1},
        "allNodes": True,
        "devices": [{"name": "budget"}],
    }
    return {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": "r1"}, "spec": spec}


def slice_deleted(user: str, driver: str) -> Act:
    def act(rig: Rig) -> Answer:
        rig.api.post(f"{DEVICES}/resourceslices", device_slice(driver))
        try:
            return as_user(rig, user, "DELETE", f"{DEVICES}/resourceslices/r1?dryRun=All")
        finally:
            rig.api.delete(f"{DEVICES}/resourceslices/r1")

    return act


def asks(of: str) -> dict[str, Any]:
    return {"devices": {"requests": [{"name": "rack", "exactly": {"deviceClassName": of}}]}}


def asks_at_last(of: str) -> dict[str, Any]:
    ways = [{"name": "one", "deviceClassName": "example.com"}, {"name": "other", "deviceClassName": of}]
    return {"devices": {"requests": [{"name": "rack", "firstAvailable": ways}]}}


def claims(user: str, spec: dict[str, Any]) -> Act:
    body = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": "c"}, "spec": spec}
    return does(user, "POST", f"{DEVICES}/namespaces/team/resourceclaims", body)


def template(user: str, spec: dict[str, Any]) -> Act:
    kind = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate"}
    body = {**kind, "metadata": {"name": "t"}, "spec": {"spec": spec}}
    return does(user, "POST", f"{DEVICES}/namespaces/team/resourceclaimtemplates", body)


def token(user: str, of: str) -> Act:
    spec = {"audiences": ["tests"], "expirationSeconds": 600}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return does(user, "POST", f"/api/v1/namespaces/{of}/token", body)


def holds(user: str, in_namespace: str, name: str = "") -> Act:
    """A Lease taken, or made where no name is given."""
    path = LEASES.format(in_namespace)
    if name:
        return merges(user, f"{path}/{name}", {"spec": {"holderIdentity": "me"}})
    return does(user, "POST", path, {"metadata": {"name": "new"}, "spec": {}})


def writes_key(user: str) -> Act:
    """The webhook's Secret, as it is shipped, with another key."""

    def act(rig: Rig) -> Answer:
        with applied(rig, "webhook-own-certificates.yaml"):
            path = f"/api/v1/namespaces/{SYSTEM}/secrets/powerplane-webhook?dryRun=All"
            return as_user(rig, user, "PATCH", path, {"stringData": {"tls.key": "mine"}}, MERGE)

    return act


def makes_secret(user: str, name: str) -> Act:
    return does(user, "POST", f"/api/v1/namespaces/{SYSTEM}/secrets", {"metadata": {"name": name}})


def ca_bundle() -> dict[str, Any]:
    return {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}


ELSEWHERE = {"op": "replace", "path": "/webhooks/0/clientConfig/service/name", "value": "elsewhere"}


def configures(kind: str, patch: list[dict[str, Any]]) -> Act:
    """A webhook configuration of ours, as it is shipped, changed by the account that makes certificates."""

    def act(rig: Rig) -> Answer:
        with applied(rig, "webhook.yaml", "webhook-own-certificates.yaml"):
            path = f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations/powerplane?dryRun=All"
            authority = base64.b64encode(rig.authority.file.read_bytes()).decode()
            filled = [{**each, "value": authority} if each["path"].endswith("caBundle") else each for each in patch]
            return once_granted(lambda: as_user(rig, SERVING, "PATCH", path, filled, JSON_PATCH))

    return act


def once_granted(call: Callable[[], Answer]) -> Answer:
    """What comes of a call once the API server knows of the right to it, which it learns of a moment after."""
    answers: list[Answer] = []

    def granted() -> bool:
        answers.append(call())
        return " cannot patch resource " not in answers[-1].message

    wait_for(granted, 10, 0.1)
    return answers[-1]


SYSTEM = "powerplane-system"
GUARDS: list[Guard] = [
    (
        "namespaces",
        "keys under powerplane.dev/ on namespaces",
        does(LABELLER, "POST", NAMESPACES, metadata(name="new", labels=OPTED_OUT)),
        does(LABELLER, "POST", NAMESPACES, metadata(name="new", labels={"team": "a"})),
    ),
    (
        "namespaces",
        "keys under powerplane.dev/",
        merges(LABELLER, TEAM, metadata(labels={"powerplane.dev/allow-node-name": "true"})),
        lambda rig: rig.api.call("PATCH", f"{TEAM}?dryRun=All", metadata(labels=OPTED_OUT), MERGE),
    ),
    (
        "namespaces",
        "keys under powerplane.dev/",
        merges(LABELLER, f"{NAMESPACES}/exempt", metadata(labels={"powerplane.dev/allow-node-name": None})),
        merges(LABELLER, f"{NAMESPACES}/exempt", metadata(labels={"team": "b"})),
    ),
    (
        "namespaces",
        "keys under powerplane.dev/",
        merges(LABELLER, f"{TEAM}/status", metadata(labels=OPTED_OUT)),
        merges(LABELLER, f"{TEAM}/status", metadata(labels={"team": "b"})),
    ),
    (
        "namespaces",
        "keys under powerplane.dev/",
        finalizes(LABELLER, OPTED_OUT),
        finalizes(LABELLER, {"team": "b"}),
    ),
    (
        "bindings",
        "a binding may carry no labels or annotations",
        binds(LABELLER, annotations=TOLD),
        binds(LABELLER, annotations={"example.com/told": "1"}),
    ),
    ("bindings", "a binding may carry", binds(LABELLER, labels=TOLD), binds(LABELLER)),
    ("bindings", "a binding may carry", binds(LABELLER, "bindings", annotations=TOLD), binds(LABELLER, "bindings")),
    ("evictions", "by its UID", evicts(RELEASER, by_uid=False), evicts(RELEASER)),
    ("evictions", "by its UID", evicts(RELEASER, by_uid=False), evicts(TENANT, by_uid=False)),
    ("evictions", "evict nobody in kube-system", evicts(RELEASER, "left-alone"), evicts(RELEASER)),
    ("evictions", "and never delete them", deletes(RELEASER), deletes(TENANT)),
    ("statuses", "is written by PowerPlane", states(LABELLER), states(SERVING)),
    (
        "events",
        "whose reportingController is under powerplane.dev/",
        does(RELEASER, "POST", EVENTS, event("kubelet")),
        does(RELEASER, "POST", EVENTS, event("powerplane.dev/alerts")),
    ),
    (
        "events",
        "and no others",
        of_an_event("kubelet"),
        of_an_event("powerplane.dev/alerts"),
    ),
    (
        "devices",
        "written by powerplane-claims",
        does(LABELLER, "POST", f"{DEVICES}/resourceslices", device_slice(POWER)),
        does(LABELLER, "POST", f"{DEVICES}/resourceslices", device_slice("other.example.com")),
    ),
    (
        "devices",
        "written by powerplane-claims",
        does(RELEASER, "POST", f"{DEVICES}/resourceslices", device_slice(POWER)),
        does(CLAIMS, "POST", f"{DEVICES}/resourceslices", device_slice(POWER)),
    ),
    (
        "devices",
        "written by powerplane-claims",
        slice_deleted(LABELLER, POWER),
        slice_deleted(LABELLER, "other.example.com"),
    ),
    (
        "devices",
        "written by powerplane-claims",
        does(LABELLER, "POST", f"{DEVICES}/deviceclasses", device_class(POWER)),
        does(CLAIMS, "POST", f"{DEVICES}/deviceclasses", device_class(POWER)),
    ),
    ("claims", "made from templates", claims(TENANT, asks(POWER)), claims(TENANT, asks("example.com"))),
    ("claims", "made from templates", claims(TENANT, asks_at_last(POWER)), claims(CLAIM_CONTROLLER, asks(POWER))),
    ("claims", "made from templates", template(TENANT, asks(POWER)), template(TENANT, asks("example.com"))),
    ("claims", "made from templates", template(RELEASER, asks(POWER)), template(CLAIMS, asks(POWER))),
    (
        "tokens",
        "are fetched by kubelets",
        token(LABELLER, f"{SYSTEM}/serviceaccounts/powerplane"),
        token(LABELLER, "team/serviceaccounts/default"),
    ),
    ("leases", "written by PowerPlane's accounts", holds(LABELLER, SYSTEM, "powerplane"), holds(LABELLER, "team")),
    ("leases", "by nobody else", holds(LABELLER, SYSTEM), holds(SERVING, SYSTEM, "powerplane")),
    ("certificates", "written by the account powerplane", writes_key(LABELLER), writes_key(SERVING)),
    ("certificates", "and by nobody else", writes_key(RELEASER), makes_secret(RELEASER, "another")),
    (
        "certificates",
        "and by nobody else",
        makes_secret(LABELLER, "powerplane-webhook"),
        makes_secret(LABELLER, "powerplane-webhook-tls"),
    ),
    (
        "configurations",
        "may change caBundle, and nothing else",
        configures("mutating", [{"op": "replace", "path": "/webhooks/0/rules/0/resources", "value": ["secrets"]}]),
        configures("mutating", [ca_bundle()]),
    ),
    (
        "configurations",
        "may change caBundle, and nothing else",
        configures("validating", [ca_bundle(), ELSEWHERE]),
        configures("validating", [ca_bundle()]),
    ),
    (
        "configurations",
        "may change caBundle, and nothing else",
        configures("validating", [{"op": "replace", "path": "/webhooks/0/name", "value": "a.powerplane.dev"}]),
        configures("validating", [ca_bundle()]),
    ),
    (
        "configurations",
        "may change caBundle, and nothing else",
        configures("mutating", [{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Fail"}]),
        configures("mutating", [ca_bundle()]),
    ),
    (
        "configurations",
        "may change caBundle, and nothing else",
        configures("mutating", [{"op": "add", "path": "/metadata/finalizers", "value": ["a.b/c"]}]),
        configures("mutating", [ca_bundle()]),
    ),
]
