"""A floor of racks for the rig's tests: nodes, PowerDomains, and the same budgets as plain numbers for the witness."""

from dataclasses import dataclass
from typing import Any

from tests.rig.cluster import node
from tests.rig.extender import power_domain
from tests.rig.witness import Budget


@dataclass(frozen=True, slots=True)
class Floor:
    """Racks of equal nodes in rows, on one feed or two.

    Parameters
    ----------
    racks, per_rack, rows : int
        Racks in all, nodes in each, and rows over which the racks are dealt.
    node_w, rack_w, row_w, feed_w : int
        Budgets; 0 for none. ``feed_w`` is each of two feeds'.
    idle_w, peak_w : int
        Of each node; they count in every budget above.
    """

    racks: int
    per_rack: int
    rows: int = 1
    node_w: int = 0
    rack_w: int = 0
    row_w: int = 0
    feed_w: int = 0
    idle_w: int = 0
    peak_w: int = 0

    @property
    def node_names(self) -> list[str]:
        """All nodes."""
        return [name for rack in range(self.racks) for name in self.in_rack(rack)]

    def in_rack(self, rack: int) -> list[str]:
        """Nodes of a rack."""
        return [f"n{rack:03}-{number:02}" for number in range(self.per_rack)]

    def in_row(self, row: int) -> list[str]:
        """Nodes of a row."""
        return [name for rack in range(row, self.racks, self.rows) for name in self.in_rack(rack)]

    def nodes(self, **allocatable: str | int) -> list[dict[str, Any]]:
        """Node objects; the rack is a label."""
        return [
            node(name, {"rig.powerplane.dev/rack": f"rack-{rack:03}"}, **allocatable)
            for rack in range(self.racks)
            for name in self.in_rack(rack)
        ]

    def domains(self) -> list[dict[str, Any]]:
        """PowerDomain objects."""
        feeds = ["feed-a", "feed-b"] if self.feed_w else []
        own = {
            "budget": f"{self.node_w}W" if self.node_w else "",
            "idle": f"{self.idle_w}W" if self.idle_w else "",
            "peak": f"{self.peak_w}W" if self.peak_w else "",
        }
        found = [power_domain(feed, "feed", budget=f"{self.feed_w}W") for feed in feeds]
        found += [
            power_domain(f"row-{row}", "row", **({"budget": f"{self.row_w}W"} if self.row_w else {}))
            for row in range(self.rows)
        ]
        for rack in range(self.racks):
            spec: dict[str, Any] = {
                "parents": [f"row-{rack % self.rows}", *feeds],
                "nodeSelector": {"matchLabels": {"rig.powerplane.dev/rack": f"rack-{rack:03}"}},
                "node": {key: text for key, text in own.items() if text},
            }
            if feeds:
                spec["feedLoad"] = "Shared"
            if self.rack_w:
                spec["budget"] = f"{self.rack_w}W"
            found.append(power_domain(f"rack-{rack:03}", "rack", **spec))
        return found

    def budgets(self) -> list[Budget]:
        """What pods may draw by each budget, less idle watts; a feed carries everything if its twin is lost."""
        found = []
        if self.node_w:
            found += [Budget(name, self.node_w - self.idle_w, {name: 1.0}) for name in self.node_names]
        groups = [(f"rack-{rack:03}", self.rack_w, self.in_rack(rack)) for rack in range(self.racks)]
        groups += [(f"row-{row}", self.row_w, self.in_row(row)) for row in range(self.rows)]
        groups += [("feed-a", self.feed_w, self.node_names)] if self.feed_w else []
        for name, watts, names in groups:
            if watts:
                found.append(Budget(name, watts - self.idle_w * len(names), dict.fromkeys(names, 1.0)))
        return found
