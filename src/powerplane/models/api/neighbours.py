"""One PowerDomain held against the others as they stand, before it is stored: what would be wrong, and what is odd."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from powerplane.models.api.domain_reading import Defect, read_domain
from powerplane.models.api.members import NodeIndex, NodeLabels
from powerplane.models.api.power_domain import PowerDomainObject, PowerDomainSpec
from powerplane.models.api.tree import Specs, cycle_defects, members_of, parent_defects, shared_nodes
from powerplane.models.errors import InputError
from powerplane.models.quantities import format_watts, parse_milliwatts

MOST_NAMED = 3
Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The domains and nodes of a cluster; immutable.

    Parameters
    ----------
    specs : mapping of name to spec
    children : mapping of name to names
        Who draws through whom.
    claims : mapping of (kind, node) to names
        Domains that claim a node directly.
    index : NodeIndex
    """

    specs: Specs
    children: Mapping[str, Names]
    claims: Mapping[tuple[str, str], Names]
    index: NodeIndex

    @classmethod
    def of(cls, domains: Iterable[PowerDomainObject], nodes: Iterable[NodeLabels]) -> "Neighbours":
        """Take them in."""
        specs = {each.metadata.name: each.spec for each in sorted(domains, key=lambda one: one.metadata.name)}
        index = NodeIndex.of(nodes)
        children: dict[str, list[str]] = {}
        claims: dict[tuple[str, str], list[str]] = {}
        for name, spec in specs.items():
            for parent in spec.parents:
                children.setdefault(parent, []).append(name)
            for node in members_of(spec, index):
                claims.setdefault((spec.kind, node), []).append(name)
        return cls(
            specs,
            {name: tuple(own) for name, own in children.items()},
            {key: tuple(own) for key, own in claims.items()},
            index,
        )

    def defects(self, name: str, spec: PowerDomainSpec) -> tuple[Defect, ...]:
        """Return what keeps a spec from making a tree with the others; not what it has by itself.

        Parameters
        ----------
        name : str
        spec : PowerDomainSpec
            As it is to be; what is stored under the name does not count.
        """
        around = self._above(name, spec) | {name: spec}
        found = [*parent_defects(around), *cycle_defects(around), *self._shared(name, spec)]
        return tuple(defect for whose, defect in found if whose == name)

    def oddities(self, name: str, spec: PowerDomainSpec) -> tuple[str, ...]:
        """Return what is allowed and hardly meant: budgets that can never be used up, selectors that choose nothing."""
        own, found = _budget(spec), []
        for parent in spec.parents:
            above = _budget(self.specs.get(parent))
            if own is not None and above is not None and own > above:
                told = f"the budget of {format_watts(own)} is above the {format_watts(above)} of its parent {parent!r}"
                found.append(f"{told}: those hold")
        wider = [each for each in self._below(name) if own is not None and (_budget(self.specs[each]) or 0) > own]
        if wider:
            found.append(f"its budget is below that of {some(wider)}, which draw through it: its own holds")
        if spec.node_selector is not None and not members_of(spec, self.index):
            found.append("nodeSelector chooses no node that there is now")
        return tuple(found)

    def left_behind(self, name: str) -> tuple[str, ...]:
        """Return what is odd about a domain's going."""
        below = self._below(name)
        return (f"{some(below)} name it as a parent: the last tree stays in force until they do not",) if below else ()

    def _below(self, name: str) -> list[str]:
        return [each for each in self.children.get(name, ()) if each != name]

    def _above(self, name: str, spec: PowerDomainSpec) -> dict[str, PowerDomainSpec]:
        """Whatever a spec would draw through."""
        found: dict[str, PowerDomainSpec] = {}
        waiting = list(spec.parents)
        while waiting:
            each = waiting.pop()
            if each != name and each not in found and each in self.specs:
                found[each] = self.specs[each]
                waiting += self.specs[each].parents
        return found

    def _shared(self, name: str, spec: PowerDomainSpec) -> Iterable[tuple[str, Defect]]:
        own = members_of(spec, self.index)
        others: dict[str, list[str]] = {}
        for node in own:
            for other in self.claims.get((spec.kind, node), ()):
                if other != name:
                    others.setdefault(other, []).append(node)
        members = {name: own} | {other: tuple(nodes) for other, nodes in others.items()}
        return shared_nodes({name: spec} | {other: self.specs[other] for other in others}, members)


def own_defects(spec: PowerDomainSpec) -> tuple[Defect, ...]:
    """Return what is wrong with a spec whatever the others are."""
    return read_domain(spec)[1]


def _budget(spec: PowerDomainSpec | None) -> int | None:
    """Milliwatts; None where none is stated, or none that can be read."""
    try:
        return parse_milliwatts(spec.budget) if spec is not None and spec.budget else None
    except InputError:
        return None


def some(names: Iterable[str]) -> str:
    """Name a few, sorted, and count the rest."""
    listed = sorted(names)
    more = f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
    return ", ".join(listed[:MOST_NAMED]) + more
