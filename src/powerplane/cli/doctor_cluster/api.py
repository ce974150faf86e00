"""``powerplane doctor``: the API server, our definitions in it, and features that we use."""

import re
from collections.abc import Iterator

from powerplane.cli.doctor_cluster.saying import fail, listed, ok, report, unseen, warn
from powerplane.cli.doctor_cluster.seen import ApiSeen, Definition
from powerplane.cli.doctor_section import Finding, SectionReport
from powerplane.models.api.kinds import KINDS, VERSION
from powerplane.models.plan import Wire

OLDEST = (1, 30)
"""Gates, conditions on webhooks and ValidatingAdmissionPolicy are stable from here on."""

NOMINATING = (1, 35)
"""From here on the scheduler keeps to a nomination that somebody else made (NominatedNodeNameForExpectation)."""

GUARDS = (
    "powerplane-node-writer",
    "powerplane-node-facts",
    "powerplane-sleep",
    "powerplane-pod-keys",
    "powerplane-node-name",
    "powerplane-gates",
    "powerplane-gate-releaser",
    "powerplane-actuator",
    "powerplane-placeholders",
    "powerplane-plans",
    "powerplane-namespaces",
    "powerplane-bindings",
    "powerplane-resize",
    "powerplane-throttles",
    "powerplane-evictions",
    "powerplane-statuses",
    "powerplane-events",
    "powerplane-devices",
    "powerplane-claims",
    "powerplane-tokens",
    "powerplane-leases",
    "powerplane-certificates",
    "powerplane-configurations",
)
"""The policies of ``deploy/admission-policies.yaml``."""

CRDS = "kubectl apply --server-side -f deploy/crds/"


class ApiView(Wire, frozen=True):
    """The API server.

    Attributes
    ----------
    version : str
    features : dict of bool or None
        None where it cannot be told.
    definitions : dict of str
        Stored versions by plural; "" where it is not there.
    """

    server: str
    version: str
    features: dict[str, bool | None]
    definitions: dict[str, str]


def examine_api(seen: ApiSeen) -> SectionReport:
    """Report on the API server.

    Parameters
    ----------
    seen : ApiSeen
    """
    findings = [_answers(seen)]
    if seen.git_version:
        findings += [*_definitions(seen), *_features(seen), *_guards(seen)]
    view = ApiView(
        server=seen.server,
        version=seen.git_version,
        features=_known(seen),
        definitions={each.plural: ", ".join(each.stored) for each in seen.definitions},
    )
    return report("api", "API server", findings, view)


def version_of(git_version: str) -> tuple[int, int]:
    """Major and minor version; (0, 0) where it cannot be read."""
    found = re.match(r"v?(\d+)\.(\d+)", git_version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _answers(seen: ApiSeen) -> Finding:
    if not seen.git_version:
        return fail(
            "api server",
            f"{seen.server} does not answer: {seen.version.trouble or 'it tells no version'}",
            "check the context: `kubectl version`; a longer --timeout",
        )
    if version_of(seen.git_version) < OLDEST:
        return fail(
            "api server",
            f"{seen.server} is {seen.git_version}: gates and admission policies are stable from 1.30 on only",
            "upgrade the cluster to 1.30 or later",
        )
    return ok("api server", f"{seen.server} answers, version {seen.git_version}")


def _definitions(seen: ApiSeen) -> Iterator[Finding]:
    wrong = [finding for each in seen.definitions if (finding := _definition(each)) is not None]
    yield from wrong
    if not wrong:
        yield ok(
            "definitions", f"all {len(KINDS)} kinds of ours are installed as this version ships them, {VERSION} stored"
        )


def _definition(each: Definition) -> Finding | None:
    if each.told.absent:
        return fail("definitions", f"{each.plural} are not installed", CRDS)
    if not each.told.ok:
        return unseen("definitions", f"the definition of {each.plural}", each.told)
    if not each.established:
        return fail("definitions", f"{each.plural} are installed and not served", f"kubectl describe crd {each.plural}")
    if VERSION not in each.served:
        return fail("definitions", f"{each.plural} are served as {listed(each.served)}, not as {VERSION}", CRDS)
    if each.missing:
        return fail(
            "definitions",
            f"{each.plural} lack {listed(each.missing)}: the API server drops what is written there",
            CRDS,
        )
    if each.stored != (VERSION,):
        return warn(
            "definitions",
            f"{each.plural} are stored as {listed(each.stored)}; only {VERSION} is known here",
            "write each object again, then take the other version out of the definition's status.storedVersions",
        )
    return None


def _known(seen: ApiSeen) -> dict[str, bool | None]:
    groups = seen.groups
    told = bool(seen.git_version)
    return {
        "nominatedNodeNameForExpectation": version_of(seen.git_version) >= NOMINATING if told else None,
        "inPlaceResize": seen.has_resize,
        "validatingAdmissionPolicy": _serves(groups, "admissionregistration.k8s.io/v1"),
        "resourceClaims": _serves(groups, "resource.k8s.io/v1"),
        "consumableCapacity": seen.claims,
    }


def _serves(groups: frozenset[str] | None, group: str) -> bool | None:
    return None if groups is None else group in groups


WITHOUT = {
    "nominatedNodeNameForExpectation": "planned moves are steered by the extender or by affinity, not by nomination",
    "inPlaceResize": "CPU limits cannot be lowered without a restart",
    "validatingAdmissionPolicy": "our guards cannot be installed",
    "resourceClaims": "the lock Claims cannot be had",
    "consumableCapacity": "the lock Claims cannot be had",
}


def _features(seen: ApiSeen) -> Iterator[Finding]:
    known = _known(seen)
    has = [name for name, there in known.items() if there]
    lacks = [f"{name} ({WITHOUT[name]})" for name, there in known.items() if there is False]
    untold = [name for name, there in known.items() if there is None]
    text = "; ".join(
        [
            *([f"there: {', '.join(has)}"] if has else []),
            *([f"not there: {', '.join(lacks)}"] if lacks else []),
            *([f"not tried: {', '.join(untold)}"] if untold else []),
        ]
    )
    yield ok("features", text)


def _guards(seen: ApiSeen) -> Iterator[Finding]:
    if not seen.guards.seen:
        yield unseen("guards", "admission policies", seen.guards.told)
        return
    there = {each.metadata.name for each in seen.guards.items}
    missing = [name for name in GUARDS if name not in there]
    if missing:
        yield warn(
            "guards",
            f"{len(missing)} of {len(GUARDS)} admission policies are not there: {listed(missing)}",
            "kubectl apply -f deploy/admission-policies.yaml",
        )
    else:
        yield ok("guards", f"all {len(GUARDS)} admission policies are there")
