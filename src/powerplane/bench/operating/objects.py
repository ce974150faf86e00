"""A simulated cluster's pods, nodes, domains and budgets as the API server would show them."""

import msgspec
import numpy as np

from powerplane.actuator.seen import SeenCondition, SeenGate, SeenPod, SeenSpec, SeenStatus
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject, Lever
from powerplane.models.api.power_domain import (
    SHARED_LOAD,
    BreakerPoint,
    BreakerSpec,
    PowerDomainObject,
    PowerDomainSpec,
    PowerDomainStatus,
)
from powerplane.models.marks import MOVE_GATE, OWN_NAMESPACE
from powerplane.models.matching import NAMESPACE_NAME
from powerplane.models.objects import (
    Container,
    DisruptionBudgetStatus,
    Namespace,
    Node,
    NodeCondition,
    ObjectMeta,
    OwnerReference,
    PodDisruptionBudget,
    ResourceRequirements,
)
from powerplane.models.snapshot import PodTemplate
from powerplane.models.topology import SHARED, PowerDomain
from powerplane.recommender.publishing import rfc3339
from powerplane.simulator.pods import Phase
from powerplane.simulator.world import World


class PodObjects:
    """Pods as objects: what templates share is made once.

    Parameters
    ----------
    world : World
    """

    def __init__(self, world: World) -> None:
        self._world = world
        base = world.spec.base
        self._specs = [_spec(template, base.resources) for template in base.templates]
        self._owners = [owner_of(template) for template in base.templates]

    def pod(self, row: int, created_s: float, nominated: str, leaving_s: float | None) -> SeenPod:
        """Return a row's pod.

        Parameters
        ----------
        row : int
        created_s : float
            Unix seconds.
        nominated : str
            Node that it is nominated to; "" for none.
        leaving_s : float or None
            When its deletion began; None where it has not.
        """
        pods, world = self._world.pods, self._world
        template = world.spec.base.templates[int(pods.template[row])]
        name, uid = pods.name_and_uid(row)
        phase, place = int(pods.phase[row]), int(pods.node[row])
        bound = phase != Phase.WAITING and place >= 0
        owner = self._owners[int(pods.template[row])]
        spec: SeenSpec = msgspec.structs.replace(
            self._specs[int(pods.template[row])],
            node_name=world.nodes[place] if bound else "",
            scheduling_gates=(SeenGate(MOVE_GATE),) if pods.gated[row] else None,
        )
        return SeenPod(
            ObjectMeta(
                name=name,
                namespace=template.namespace,
                uid=uid,
                labels=dict(template.labels),
                owner_references=(owner,),
                creation_timestamp=rfc3339(created_s),
                deletion_timestamp=None if leaving_s is None else rfc3339(leaving_s),
            ),
            spec,
            SeenStatus(
                phase="Running" if bound else "Pending",
                conditions=(SeenCondition("Ready", "True" if phase == Phase.RUNNING else "False"),),
                nominated_node_name="" if bound else nominated,
            ),
        )


def owner_of(template: PodTemplate) -> OwnerReference:
    """Return the controller of a template's pods: of a Deployment's, its ReplicaSet."""
    kind, _, name = template.owner.partition("/")
    shown = "ReplicaSet" if kind == "Deployment" else kind
    return OwnerReference(kind=shown, name=name, uid=f"{template.namespace}/{shown}/{name}", controller=True)


def _spec(template: PodTemplate, resources: tuple[str, ...]) -> SeenSpec:
    requests: dict[str, str | int | float] = {
        resource: f"{amount}m" if resource == "cpu" else str(amount)
        for resource, amount in zip(resources, template.requests, strict=True)
        if amount and resource != "pods"
    }
    return SeenSpec(
        node_selector=dict(template.node_selector) or None,
        affinity=template.affinity,
        tolerations=template.tolerations or None,
        containers=(Container(name="main", resources=ResourceRequirements(requests=requests)),),
        priority=template.priority or None,
        topology_spread_constraints=template.spread or None,
    )


def node_object(node: Node, *, ready: bool) -> Node:
    """Return a node with its condition."""
    status = msgspec.structs.replace(node.status, conditions=(NodeCondition("Ready", "True" if ready else "Unknown"),))
    return Node(metadata=node.metadata, spec=node.spec, status=status)


def domain_object(domain: PowerDomain, budget_watts: float, status: PowerDomainStatus | None) -> PowerDomainObject:
    """Return a domain with the budget that it has now, infinite for none."""
    breaker = None
    if domain.breaker is not None:
        points = tuple(BreakerPoint(times, seconds) for times, seconds in domain.breaker.curve)
        breaker = BreakerSpec(f"{domain.breaker.rating_mw} mW", points)
    spec = PowerDomainSpec(
        kind=domain.kind,
        parents=domain.parents,
        feed_load=SHARED_LOAD if domain.feed_load == SHARED else "",
        budget=f"{int(budget_watts * 1000)} mW" if np.isfinite(budget_watts) else "",
        breaker=breaker,
        node_names=domain.nodes,
    )
    return PowerDomainObject(ObjectMeta(name=domain.name, uid=f"domain/{domain.name}"), spec, status)


def policy_object(levers: tuple[Lever, ...]) -> ClusterPowerCappingPolicyObject:
    """Return the policy that lets every pod be moved; what racks may draw stands in their own domains."""
    body = {
        "metadata": {"name": "hold", "uid": "policy/hold"},
        "spec": {
            "mode": "Enforce",
            "levers": list(levers),
            "rackConstraints": [{"domainSelector": {}, "maxPower": "1000MW"}],
        },
    }
    return msgspec.convert(body, ClusterPowerCappingPolicyObject)


def namespace_objects(world: World) -> tuple[Namespace, ...]:
    """Return the namespaces of all templates, and ours."""
    names = sorted({OWN_NAMESPACE, *(template.namespace for template in world.spec.base.templates)})
    return tuple(Namespace(ObjectMeta(name=name, labels={NAMESPACE_NAME: name})) for name in names)


class Allowed:
    """How many pods of each disruption budget may go now.

    Parameters
    ----------
    world : World
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._templates = [_covered(budget, world.spec.base.templates) for budget in world.spec.base.disruption_budgets]

    def budgets(self) -> tuple[PodDisruptionBudget, ...]:
        """Return the budgets as their controller keeps them: less what is down, or about to be."""
        return tuple(
            PodDisruptionBudget(budget.metadata, budget.spec, DisruptionBudgetStatus(disruptions_allowed=left))
            for budget, left in zip(self._world.spec.base.disruption_budgets, self.left(), strict=True)
        )

    def left(self) -> list[int]:
        """Return how many more may go, by budget.

        Notes
        -----
        As many pods as are wanted exist, so those that leave are followed by others, which are down until they serve:
        a pod that is replaced counts once.
        """
        pods = self._world.pods
        down = np.isin(pods.phase, (Phase.WAITING, Phase.STARTING, Phase.DARK))
        budgets = self._world.spec.base.disruption_budgets
        return [
            max(budget.status.disruptions_allowed - int((down & np.isin(pods.template, mine)).sum()), 0)
            for budget, mine in zip(budgets, self._templates, strict=True)
        ]

    def of(self, row: int) -> list[int]:
        """Return what is left of each budget that covers a pod."""
        template = int(self._world.pods.template[row])
        return [left for left, mine in zip(self.left(), self._templates, strict=True) if template in mine]


def _covered(budget: PodDisruptionBudget, templates: tuple[PodTemplate, ...]) -> list[int]:
    labels = (budget.spec.selector.match_labels if budget.spec.selector else None) or {}
    return [
        row
        for row, template in enumerate(templates)
        if template.namespace == budget.metadata.namespace and labels.items() <= dict(template.labels).items()
    ]
