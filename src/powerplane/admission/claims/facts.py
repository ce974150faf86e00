"""What the controller of claims keeps of a pod, a claim and a template."""

from dataclasses import dataclass

from powerplane.adapters.node_rates import Draw
from powerplane.admission.claims.names import DRIVER, POD_CLAIM, WATTS, Template, template_of
from powerplane.admission.gates.facts import SeenPod, pod_fact
from powerplane.models.errors import InputError
from powerplane.models.objects import Narrow, ObjectMeta, RawQuantity
from powerplane.models.pod_reading import FINISHED
from powerplane.models.quantities import MILLI, parse_quantity


class Consumer(Narrow, frozen=True):
    """Who may use a claim."""

    uid: str = ""


class AllocatedDevice(Narrow, frozen=True):
    """What a claim holds of one device."""

    driver: str = ""
    pool: str = ""
    consumed_capacity: dict[str, RawQuantity] | None = None


class AllocatedDevices(Narrow, frozen=True):
    """All devices of a claim."""

    results: tuple[AllocatedDevice, ...] | None = None


class Allocation(Narrow, frozen=True):
    """What a claim was given."""

    devices: AllocatedDevices = AllocatedDevices()


class ClaimStatus(Narrow, frozen=True):
    """What became of a claim."""

    allocation: Allocation | None = None
    reserved_for: tuple[Consumer, ...] | None = None


class SeenClaim(Narrow, frozen=True):
    """resource.k8s.io/v1 ResourceClaim."""

    metadata: ObjectMeta
    status: ClaimStatus = ClaimStatus()


class SeenTemplate(Narrow, frozen=True):
    """resource.k8s.io/v1 ResourceClaimTemplate."""

    metadata: ObjectMeta


@dataclass(frozen=True, slots=True)
class ClaimingFact:
    """A pod that draws or will.

    Parameters
    ----------
    uid, namespace : str
    node : str
        Where it is bound; "" for nowhere.
    draw : Draw
    template : Template or None
        That it names under our name.
    """

    uid: str
    namespace: str
    node: str
    draw: Draw
    template: Template | None


@dataclass(frozen=True, slots=True)
class ClaimFact:
    """A claim that holds watts: whose, and milliwatts by pool."""

    key: tuple[str, str]
    pods: tuple[str, ...]
    held_mw: dict[str, int]


def claiming_fact(pod: SeenPod) -> ClaimingFact | None:
    """Reduce a pod; None for one that neither draws nor claims."""
    meta, spec = pod.metadata, pod.spec
    if pod.status.phase in FINISHED:
        return None
    named = (
        each.get("resourceClaimTemplateName") for each in spec.resource_claims or () if each.get("name") == POD_CLAIM
    )
    name = next(named, None)
    template = template_of(name) if isinstance(name, str) else None
    if not spec.node_name and template is None:
        return None
    fact = pod_fact(pod) if spec.node_name else None
    return ClaimingFact(meta.uid, meta.namespace, spec.node_name, fact.draw if fact else Draw(None), template)


def claim_fact(claim: SeenClaim) -> ClaimFact:
    """Reduce a claim to what it holds of our devices."""
    held: dict[str, int] = {}
    allocation = claim.status.allocation
    for each in (allocation.devices.results or ()) if allocation else ():
        if each.driver == DRIVER:
            held[each.pool] = held.get(each.pool, 0) + _milliwatts((each.consumed_capacity or {}).get(WATTS, 0))
    pods = tuple(consumer.uid for consumer in claim.status.reserved_for or ())
    return ClaimFact((claim.metadata.namespace, claim.metadata.name), pods, held)


def _milliwatts(text: RawQuantity) -> int:
    try:
        return int(parse_quantity(text) * MILLI)
    except InputError:
        return 0
