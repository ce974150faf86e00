"""What a partition of watts strands: ``python -m powerplane.bench.fragmentation [--quick] [--out FILE]``.

Pods arrive one by one at clusters whose budgets do not suffice for all of them. Counted is how many each way of telling
the scheduler of watts places, out of those that any placement could hold by the linear relaxation.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from powerplane.bench.fragmentation_cells import KINDS, ArrivalCell, Arrivals, draw_cell
from powerplane.bench.fragmentation_rules import (
    all_at_once_exact,
    all_at_once_greedy,
    extender,
    shifting,
    shifting_without_reserve,
    static_equal,
    static_proportional,
    upper_bound,
)
from powerplane.bench.page import table

RULES: dict[str, Callable[[ArrivalCell], int]] = {
    "static, equal": static_equal,
    "static, by cores": static_proportional,
    "shifting": shifting,
    "shifting, no reserve": shifting_without_reserve,
    "extender": extender,
    "all at once, greedy": all_at_once_greedy,
    "all at once, exact": all_at_once_exact,
}
"""Online rules first; the last two know all pods from the start."""

SHIFTING, EXTENDER = "shifting", "extender"
TIGHTNESS = (0.8, 1.0, 1.3)

INTRODUCTION = """\
Pods arrive one by one at racks of 10 nodes, rows of five racks and two feeds that share the load, each able to carry
it all. *Tightness* is the watts of all pods over what the rack budgets leave. Each cell of the table is the part of
the pods that could run at all (the linear relaxation's bound) which were placed: the median over the seeds, and the
worst in brackets. *Static* partitions are filled as fairly as the budgets allow, once. *Shifting* is PowerPlane's
partition, without the seconds that a shift takes. *Extender* lets every node pass that has true headroom at every
level. All three leave the choice among the passing nodes to the scheduler's LeastAllocated. *All at once* knows all
pods from the start. Pods are counted, not watts: where not all fit, whoever refuses large pods counts more.
"""


@dataclass(frozen=True, slots=True)
class Placed:
    """Pods placed in one cell by each rule, and the bound."""

    spec: Arrivals
    seed: int
    pods: int
    bound: int
    by_rule: dict[str, int]

    def part(self, rule: str) -> float:
        """Placed pods over the bound."""
        return self.by_rule[rule] / max(1, self.bound)


def measure(spec: Arrivals, seed: int) -> Placed:
    """Run every rule on one cell."""
    cell = draw_cell(spec, seed)
    return Placed(spec, seed, len(cell.watts), upper_bound(cell), {name: rule(cell) for name, rule in RULES.items()})


def page(found: Sequence[Placed]) -> str:
    """Return the results as Markdown."""
    rows = []
    for spec in dict.fromkeys(one.spec for one in found):
        same = [one for one in found if one.spec == spec]
        head = (spec.kind, str(spec.nodes), f"{spec.tightness:g}", _numbers([one.bound for one in same]))
        rows.append((*head, *(_spread([one.part(rule) for one in same]) for rule in RULES)))
    seeds = sorted({one.seed for one in found})
    headings = ("pods", "nodes", "tightness", "could run", *RULES)
    behind = [one for one in found if one.by_rule[SHIFTING] < one.by_rule[EXTENDER]]
    ahead = [one for one in found if one.by_rule[SHIFTING] > one.by_rule[EXTENDER]]
    losses = (
        f"Of {len(found)} cells the shifting partition places fewer pods than the extender in {len(behind)}"
        f" (at most {max((one.by_rule[EXTENDER] - one.by_rule[SHIFTING] for one in behind), default=0)} pods fewer),"
        f" more in {len(ahead)}, as many in the others."
    )
    return f"{INTRODUCTION}\nSeeds: {', '.join(map(str, seeds))}.\n\n{table(headings, rows)}\n\n{losses}\n"


def _spread(parts: list[float]) -> str:
    return f"{median(parts):.1%} ({min(parts):.1%})"


def _numbers(values: list[int]) -> str:
    return f"{min(values)}–{max(values)}" if min(values) < max(values) else str(values[0])


def main(arguments: list[str] | None = None) -> int:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(prog="python -m powerplane.bench.fragmentation", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few seeds of small clusters; half a minute")
    parser.add_argument("--out", type=Path, help="file to write; printed by default")
    given = parser.parse_args(arguments)
    sizes, seeds = ((30,), range(1, 4)) if given.quick else ((50, 100), range(1, 11))
    found = []
    for spec in (Arrivals(kind, nodes, tightness=tight) for nodes in sizes for kind in KINDS for tight in TIGHTNESS):
        for seed in seeds:
            found.append(measure(spec, seed))
            sys.stderr.write(f"{spec.kind}, {spec.nodes} nodes, tightness {spec.tightness:g}, seed {seed}\n")
    text = page(found)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
