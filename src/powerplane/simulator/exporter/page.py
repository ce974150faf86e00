"""One exporter's pages: of one node, or of all nodes together; names and labels are made once and kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from powerplane.simulator.exporter.family import Family, head, lines
from powerplane.simulator.exporter.layout import Integers, Layout, Per, lay_out
from powerplane.simulator.sensors.bank import Said
from powerplane.simulator.sensors.channels import Floats


@dataclass(frozen=True, slots=True)
class Exporter:
    """One kind of exporter.

    Parameters
    ----------
    name : str
        As faults and paths call it.
    port : int
        Where it listens in a real cluster.
    metrics : dict of str to (kind, help)
        "gauge" or "counter", and what the page says of it.
    families : tuple of Family
        Those of one metric side by side.
    says_node : bool
        Whether its own labels name the node, so that scraping it need not add one.
    per_node : bool
        Whether there is one on every node.
    gpu_only : bool
        Whether only on nodes that have GPUs.
    """

    name: str
    port: int
    metrics: Mapping[str, tuple[str, str]]
    families: tuple[Family, ...]
    says_node: bool = False
    per_node: bool = True
    gpu_only: bool = False


def target_labels(exporter: Exporter, layout: Layout, row: int) -> dict[str, str]:
    """Labels that scraping adds to the series of a node's exporter: where it is, and its node if it does not say."""
    labels = {"instance": f"{layout.addresses[row]}:{exporter.port}"}
    return labels if exporter.says_node else labels | {"node": layout.node_name(row)}


@dataclass(slots=True, eq=False)
class Page:
    """Writes one exporter's pages.

    Parameters
    ----------
    exporter : Exporter
    addresses : mapping of str to str
        Of nodes, where known.
    places : mapping of str to (mapping of str to str)
        ``Row`` and ``Rack`` of nodes, where known.
    """

    exporter: Exporter
    addresses: Mapping[str, str]
    places: Mapping[str, Mapping[str, str]]
    _layout: Layout | None = field(default=None, init=False)
    _alone: list[list[str]] = field(default_factory=list, init=False)
    _together: list[list[str]] = field(default_factory=list, init=False)
    _values: dict[Family, tuple[Said, Floats]] = field(default_factory=dict, init=False)

    def of_node(self, said: Said, node: str) -> str | None:
        """What the exporter on one node shows; None where there is no such node."""
        layout = self._follow(said)
        row = layout.row_of.get(node)
        if row is None:
            return None
        self._alone = self._alone or self._heads(layout, [], together=False)
        rows = {per: universe.rows_of(row) for per, universe in layout.universes.items()}
        return self._page(said, layout, self._families(together=False), self._alone, rows)

    def of_all(self, said: Said) -> str:
        """What all of them show, on one page, with the labels that scraping each would have added."""
        layout = self._follow(said)
        self._together = self._together or self._heads(layout, [], together=self.exporter.per_node)
        return self._page(said, layout, self._families(together=self.exporter.per_node), self._together, {})

    def _page(
        self,
        said: Said,
        layout: Layout,
        families: Sequence[Family],
        heads: Sequence[list[str]],
        rows: Mapping[Per, Integers],
    ) -> str:
        """Samples under their metrics' help and type; a metric without samples is left out."""
        source, metrics = self.exporter.name, self.exporter.metrics
        out: list[str] = []
        told = ""
        for family, own in zip(families, heads, strict=True):
            value = self._value(family, said, layout)
            text = lines(family, source, said, layout, heads=own, rows=rows.get(family.per), value=value)
            if text and family.name != told:
                kind, about = metrics[family.name]
                out.append(f"# HELP {family.name} {about}\n# TYPE {family.name} {kind}\n")
                told = family.name
            out.append(text)
        return "".join(out)

    def _value(self, family: Family, said: Said, layout: Layout) -> Floats | None:
        """Values that are worked out from what is said, once for all pages that show it."""
        if family.value is None:
            return None
        of, value = self._values.get(family, (None, None))
        if of is not said or value is None:
            value = family.value(said, layout)
            self._values[family] = (said, value)
        return value

    def _follow(self, said: Said) -> Layout:
        before = self._layout
        if before is not None and before.follows(said.truth):
            return before
        self._layout = layout = lay_out(said.truth, self.addresses, self.places, before)
        if self._alone:
            self._alone = self._heads(layout, self._alone, together=False)
        if self._together:
            self._together = self._heads(layout, self._together, together=self.exporter.per_node)
        return layout

    def _heads(self, layout: Layout, old: list[list[str]], *, together: bool) -> list[list[str]]:
        """Names and labels of every row of every family."""
        count = len(layout.truth.nodes)
        added = [target_labels(self.exporter, layout, row) for row in range(count)] if together else []
        families = self._families(together=together)
        return [_made(family, layout, added, old[i] if old else None) for i, family in enumerate(families)]

    def _families(self, *, together: bool) -> Sequence[Family]:
        return [family for family in self.exporter.families if not (together and family.repeats)]


def _made(family: Family, layout: Layout, added: Sequence[Mapping[str, str]], old: list[str] | None) -> list[str]:
    universe = layout.universes[family.per]
    node = universe.node.tolist()

    def make(row: int) -> str:
        own = family.labels(layout, row)
        return head(family.name, {**added[node[row]], **own} if added and node[row] >= 0 else own)

    if old is None:
        return [make(row) for row in range(len(node))]
    return [old[before] if before >= 0 else make(row) for row, before in enumerate(universe.former)]
