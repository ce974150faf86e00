"""Our kinds as the API serves them: names, paths, structs."""

from dataclasses import dataclass
from typing import Any

import msgspec

from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject, PowerCappingPolicyObject
from powerplane.models.api.demand_checkpoint import DemandCheckpointObject
from powerplane.models.api.fields import ApiStruct
from powerplane.models.api.placement_plan import PlacementPlanObject
from powerplane.models.api.power_domain import PowerDomainObject

GROUP = "powerplane.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


@dataclass(frozen=True, slots=True)
class ApiKind:
    """One kind of object.

    Parameters
    ----------
    name : str
        As ``kind:`` says it.
    plural, short : str
        As paths and people say it.
    namespaced : bool
    struct : type
        What its objects decode to.
    """

    name: str
    plural: str
    short: str
    namespaced: bool
    struct: type[ApiStruct]

    @property
    def singular(self) -> str:
        """The kind in lower case."""
        return self.name.lower()

    @property
    def list_path(self) -> str:
        """Path under which the objects of all namespaces are listed and watched."""
        return f"/apis/{API_VERSION}/{self.plural}"

    def path(self, name: str, namespace: str = "") -> str:
        """Path of one object."""
        within = f"namespaces/{namespace}/" if self.namespaced else ""
        return f"/apis/{API_VERSION}/{within}{self.plural}/{name}"

    def wire(self, value: ApiStruct) -> dict[str, Any]:
        """An object as the API takes it, with its apiVersion and kind."""
        body: dict[str, Any] = msgspec.to_builtins(value)
        return {"apiVersion": API_VERSION, "kind": self.name, **body}


POWER_DOMAIN = ApiKind("PowerDomain", "powerdomains", "pdom", namespaced=False, struct=PowerDomainObject)
CAPPING_POLICY = ApiKind(
    "PowerCappingPolicy", "powercappingpolicies", "pcp", namespaced=True, struct=PowerCappingPolicyObject
)
CLUSTER_CAPPING_POLICY = ApiKind(
    "ClusterPowerCappingPolicy",
    "clusterpowercappingpolicies",
    "cpcp",
    namespaced=False,
    struct=ClusterPowerCappingPolicyObject,
)
PLACEMENT_PLAN = ApiKind("PlacementPlan", "placementplans", "pplan", namespaced=False, struct=PlacementPlanObject)
DEMAND_CHECKPOINT = ApiKind(
    "DemandCheckpoint", "demandcheckpoints", "dcheck", namespaced=False, struct=DemandCheckpointObject
)

KINDS = (POWER_DOMAIN, CAPPING_POLICY, CLUSTER_CAPPING_POLICY, PLACEMENT_PLAN, DEMAND_CHECKPOINT)
