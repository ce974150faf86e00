"""At which levels new pods claim: worked out by the webhook itself, as the controller does, from domains and nodes."""

from collections.abc import Iterable, Mapping

from powerplane.admission.claims.layout import lay_out
from powerplane.models.api.domain_reading import NodeAllowance
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.tree import Specs, read_tree
from powerplane.models.power_tree import NodeFigures, compile_tree

Labels = Mapping[str, str]


class LevelBook:
    """Levels, worked out anew only where domains, nodes or their labels have changed.

    While the domains make no tree, the last one that was one stays in force, as everywhere.
    """

    def __init__(self) -> None:
        self._accepted: Specs = {}
        self._key: object = None
        self._levels: tuple[str, ...] = ()

    def levels(self, domains: Iterable[PowerDomainObject], nodes: Mapping[str, Labels]) -> tuple[str, ...]:
        """Return the levels of a moment.

        Parameters
        ----------
        domains : iterable of PowerDomainObject
        nodes : mapping of name to labels
            All nodes.
        """
        objects = list(domains)
        key = ({each.metadata.name: each.spec for each in objects}, nodes)
        if key == self._key:
            return self._levels
        reading = read_tree(objects, [(name, nodes[name]) for name in sorted(nodes)], self._accepted)
        if reading.in_force != "none":
            self._accepted = reading.specs
            figures = [self._figures(name, reading.allowances.get(name)) for name in sorted(nodes)]
            self._levels = lay_out(compile_tree(reading.topology, figures)).levels
        self._key = key
        return self._levels

    @staticmethod
    def _figures(name: str, allowance: NodeAllowance | None) -> NodeFigures:
        known = allowance or NodeAllowance()
        return NodeFigures(name, known.budget_mw, known.idle_mw, peak_mw=known.peak_mw)
