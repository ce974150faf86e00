"""What every domain draws, at the least and at the most, all feeds alive and with each one lost."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from powerplane.models.incidence import PowerIncidence
from powerplane.models.topology import PowerTopology


@dataclass(frozen=True, slots=True)
class NodeDraw:
    """What a node draws.

    Parameters
    ----------
    least_mw : int
        What was measured; its idle draw where it was not.
    most_mw : int or None
        The same; its peak where it was not measured, None where that is not known.
    measured : bool
    """

    least_mw: int
    most_mw: int | None
    measured: bool


@dataclass(frozen=True, slots=True)
class DrawRow:
    """A domain in one situation.

    Parameters
    ----------
    level : str
        The domain's kind.
    lost : str
        The feed that is taken as lost; "" with all alive.
    least_mw : int
    most_mw : int or None
    blind : int
        Nodes that are not measured.
    nodes : mapping of str to float
        Share of each node's draw that falls on the domain.
    """

    level: str
    lost: str
    least_mw: int
    most_mw: int | None
    blind: int
    nodes: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Rows:
    """What domains draw.

    Parameters
    ----------
    budgets_mw : mapping of str to int
        Own budget of each domain that nodes draw through.
    by_domain : mapping of str to tuple of DrawRow
        The first of each is that with all feeds alive.
    """

    budgets_mw: Mapping[str, int] = field(default_factory=dict)
    by_domain: Mapping[str, tuple[DrawRow, ...]] = field(default_factory=dict)

    def alive(self, domain: str) -> DrawRow:
        """The domain with all feeds alive."""
        return self.by_domain[domain][0]

    def worst_lost(self, domain: str) -> DrawRow | None:
        """The domain in the loss that brings it the most; None where no loss brings it more."""
        return max(self.by_domain[domain][1:], key=lambda row: row.least_mw, default=None)


def rows_of(
    topology: PowerTopology, incidence: PowerIncidence, names: tuple[str, ...], draws: Mapping[str, NodeDraw]
) -> Rows:
    """Add up what nodes draw.

    Parameters
    ----------
    topology : PowerTopology
    incidence : PowerIncidence
        Compiled of it for ``names``.
    names : tuple of str
        Nodes, N of them.
    draws : mapping of node name to NodeDraw
        A node that is not there is not measured, and nothing is known of it.
    """
    unknown = NodeDraw(0, None, measured=False)
    each = [draws.get(name, unknown) for name in names]
    least = np.array([draw.least_mw for draw in each], dtype=np.int64)
    most = np.array([draw.most_mw or 0 for draw in each], dtype=np.int64)
    levels = {domain.name: domain.kind for domain in topology.domains}
    found: dict[str, list[DrawRow]] = {}
    weights, scale = incidence.weights, incidence.scale
    # Rounded up: what a limit of whole milliwatts is held against.
    lows, highs = -(-(weights @ least) // scale), -(-(weights @ most) // scale)
    for row, (domain, lost) in enumerate(zip(incidence.domain, incidence.lost, strict=True)):
        part = slice(int(weights.indptr[row]), int(weights.indptr[row + 1]))
        columns, shares = weights.indices[part].tolist(), weights.data[part].tolist()
        endless = any(each[column].most_mw is None for column in columns)
        made = DrawRow(
            level=levels[domain],
            lost=lost,
            least_mw=int(lows[row]),
            most_mw=None if endless else int(highs[row]),
            blind=sum(not each[column].measured for column in columns),
            nodes={names[column]: share / scale for column, share in zip(columns, shares, strict=True)},
        )
        # The row with all feeds alive comes first: nothing lost sorts before any name.
        found.setdefault(domain, []).append(made)
    budgets = {domain.name: domain.budget_mw for domain in topology.domains}
    return Rows(budgets, {domain: tuple(rows) for domain, rows in found.items()})
