"""PowerDomains and policies as the API hands them over, for tests."""

from typing import Any

import msgspec

from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject, PowerCappingPolicyObject
from powerplane.models.api.power_domain import PowerDomainObject, PowerDomainSpec


def domain(name: str, kind: str = "rack", *, accepted: dict[str, Any] | None = None, **spec: Any) -> PowerDomainObject:
    """A domain; ``accepted`` is the spec that its status holds as the last accepted one."""
    labels = spec.pop("labels", None)
    status = {"status": {"acceptedSpec": accepted}} if accepted else {}
    metadata = {"name": name, "generation": 3} | ({"labels": labels} if labels else {})
    return msgspec.convert({"metadata": metadata, "spec": {"kind": kind, **spec}, **status}, PowerDomainObject)


def spec_of(kind: str = "rack", **spec: Any) -> PowerDomainSpec:
    """A domain's spec alone."""
    return msgspec.convert({"kind": kind, **spec}, PowerDomainSpec)


def cluster_policy(name: str, **spec: Any) -> ClusterPowerCappingPolicyObject:
    """A policy of the whole cluster."""
    return msgspec.convert({"metadata": {"name": name, "generation": 2}, "spec": spec}, ClusterPowerCappingPolicyObject)


def policy(name: str, namespace: str = "team", **spec: Any) -> PowerCappingPolicyObject:
    """A policy of one namespace."""
    metadata = {"name": name, "namespace": namespace, "generation": 2}
    return msgspec.convert({"metadata": metadata, "spec": spec}, PowerCappingPolicyObject)
