"""The ground of a look, nodes and tree with the budgets in force, and the snapshot on measured watts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from msgspec import structs

from powerplane.adapters.live_site import Tree, power_of, site_of, tree_of
from powerplane.adapters.site import Site
from powerplane.adapters.telemetry.following import Round
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject, Mode
from powerplane.models.build import PowerAssignment, build_snapshot
from powerplane.models.curves import PowerCurve
from powerplane.models.objects import Node
from powerplane.models.snapshot import NO_BUDGET, Snapshot
from powerplane.models.telemetry.measured import on_measured_watts
from powerplane.models.telemetry.measured_pods import usage_rows, with_fallback
from powerplane.models.topology import PowerTopology
from powerplane.models.usage import UsageRow
from powerplane.recommender.books import Seen
from powerplane.recommender.trees import Trees, trees_of


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Nodes and tree at one moment.

    Parameters
    ----------
    nodes : tuple of Node
        By name.
    site : Site
        Of these nodes, in this order.
    topology : PowerTopology
        With the budgets in force.
    power : PowerAssignment
    trees : Trees
    """

    nodes: tuple[Node, ...]
    site: Site
    topology: PowerTopology
    power: PowerAssignment
    trees: Trees

    @property
    def budgets_mw(self) -> dict[str, int]:
        """Budget of every domain that has one."""
        return {each.name: each.budget_mw for each in self.topology.domains if each.budget_mw != NO_BUDGET}


class GroundKeeper:
    """Makes grounds, and keeps what is costly of the last one. Not for several threads at once.

    Parameters
    ----------
    power_file : Path or None
        power.yaml, in the place of what PowerDomains and the catalogue say.
    counting : tuple of Mode
        Modes in which a policy's limits on racks count.
    """

    def __init__(self, power_file: Path | None = None, counting: tuple[Mode, ...] = ("Initial", "Enforce")) -> None:
        self._power_file = power_file
        self._counting = frozenset(counting)
        self._last: tuple[tuple[object, ...], Ground] | None = None

    @property
    def last(self) -> Ground | None:
        """The last ground; None before the first."""
        return self._last[1] if self._last is not None else None

    def ground(self, seen: Seen, now_s: float) -> Ground:
        """Return the ground of a moment.

        Raises
        ------
        InputError
            Where there is none: no PowerDomains in force, a node of which nothing is known, no nodes.
        """
        nodes = tuple(sorted(seen.cluster.nodes, key=lambda node: node.metadata.name))
        policies = [_as_counting(each, self._counting) for each in seen.cluster_policies]
        tree = tree_of(seen.domains, policies, nodes, datetime.fromtimestamp(now_s, UTC))
        key = (nodes, tree.topology, tree.allowances)
        if self._last is None or self._last[0] != key:
            self._last = (key, self._make(nodes, tree))
        return self._last[1]

    def _make(self, nodes: tuple[Node, ...], tree: Tree) -> Ground:
        power, _ = power_of(self._power_file, nodes, tree.allowances)
        site = site_of(nodes, tree, self._power_file)
        last = self._last[1] if self._last is not None else None
        if last is not None and last.topology == tree.topology and last.site.book.nodes == site.book.nodes:
            # What stays the same object is not worked out again by whoever keeps something of it.
            site = replace(site, book=last.site.book)
        return Ground(nodes, site, tree.topology, power, trees_of(tree.topology))


def _as_counting(policy: ClusterPowerCappingPolicyObject, modes: frozenset[Mode]) -> ClusterPowerCappingPolicyObject:
    """The policy in a mode in which it counts, or in one in which it does not."""
    mode: Mode = "Enforce" if policy.spec.mode in modes else "Observe"
    return structs.replace(policy, spec=structs.replace(policy.spec, mode=mode))


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What was learned, and stands in for what is not measured or is stated less well.

    Parameters
    ----------
    usual : sequence of UsageRow
        What pods use as a rule, for those of which nothing is measured.
    curves : mapping
        Curves to plan with, by those that are stated.
    """

    usual: Sequence[UsageRow] = ()
    curves: Mapping[PowerCurve, PowerCurve] = field(default_factory=dict)


NOTHING = Learned()


def snapshot_of(seen: Seen, ground: Ground, round_: Round, now_s: float, learned: Learned = NOTHING) -> Snapshot:
    """Return the cluster on measured watts, each node drawing what it counts as.

    Parameters
    ----------
    seen : Seen
    ground : Ground
    round_ : Round
        Of the ground's nodes.
    now_s : float
        Unix seconds.
    learned : Learned

    Notes
    -----
    Budgets are put in last: one that is below what nodes draw idle is no mistake of anybody's here, and whatever can be
    done about it shall be.

    Raises
    ------
    InputError
        For objects that cannot be used.
    """
    cluster = seen.cluster
    ordered = replace(cluster, nodes=ground.nodes)
    curves = learned.curves
    free = PowerAssignment(
        {
            name: replace(each, budget_mw=NO_BUDGET, curve=curves.get(each.curve, each.curve))
            for name, each in ground.power.nodes.items()
        }
    )
    unlimited = PowerTopology(tuple(replace(each, budget_mw=NO_BUDGET) for each in ground.topology.domains))
    rows = with_fallback(usage_rows(round_.pods, cluster.pods), learned.usual)
    stated = build_snapshot(ordered, unlimited, free, rows, as_of_s=int(now_s))
    budgets = [ground.site.node_budget_mw.get(name, NO_BUDGET) for name in stated.node_names]
    limited = replace(stated, topology=ground.topology, node_budget_mw=np.array(budgets, dtype=np.int64))
    metered = {(row.namespace, row.pod) for row in rows if row.accelerator_mw is not None}
    return on_measured_watts(limited, round_.nodes, metered)
