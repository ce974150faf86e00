"""A topology written as topology.yaml, so that a person can add the budgets that nobody measures."""

from typing import Any

import yaml

from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerDomain, PowerTopology


def topology_yaml(topology: PowerTopology) -> str:
    """Return the file's text; ``parse_topology`` reads the same topology from it."""
    content = {"domains": [_entry(domain) for domain in topology.domains]}
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(content, Dumper=dumper, sort_keys=False, width=120, allow_unicode=True))


def _entry(domain: PowerDomain) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": domain.name, "kind": domain.kind}
    if domain.parents:
        entry["parents"] = list(domain.parents)
    if domain.budget_mw != NO_BUDGET:
        entry["budget"] = _power(domain.budget_mw)
    if domain.breaker:
        curve = [[load, seconds] for load, seconds in domain.breaker.curve]
        entry["breaker"] = {"rating": _power(domain.breaker.rating_mw), "curve": curve}
    if domain.feed_load:
        entry["feedLoad"] = domain.feed_load
    if domain.nodes:
        entry["nodes"] = list(domain.nodes)
    return entry


def _power(milliwatts: int) -> str:
    return f"{milliwatts // 1000}W" if milliwatts % 1000 == 0 else f"{milliwatts}mW"
