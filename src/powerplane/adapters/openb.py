"""Alibaba's 2023 GPU trace ("openb") as a snapshot directory: 1,523 nodes, 8,152 pods, racks and budgets of our own.

The trace's pods hardly overlap in time, so it is taken as a static packing: every pod at once, placed here. What the
snapshot assumes stands in ``OpenbReport.assumptions`` and at the head of its power.yaml.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from powerplane.adapters.openb_files import Integers, TraceNodes, TracePods, read_nodes, read_pods
from powerplane.adapters.openb_objects import GPU_MILLI, NAMESPACE, node_list, pod_list
from powerplane.adapters.openb_packing import pack
from powerplane.adapters.openb_power import NodePowers, accelerator_mw, draws_mw, node_powers, whole
from powerplane.adapters.snapshot_directory import write_snapshot
from powerplane.models.errors import InputError

RACKS_PER_ROW = 10
IDLE_MARGIN = Fraction(101, 100)
"""The least budget of a rack, over its idle draw: below 1 no migration could ever hold it."""


@dataclass(frozen=True, slots=True)
class OpenbReport:
    """What was written.

    Parameters
    ----------
    nodes, racks : int
    placed, pending : int
        Pods with a node, and pods that fit nowhere.
    draw_watts, budget_watts : float
        Of all racks together.
    raised : tuple of str
        Racks whose share of the draw lay below their idle draw, so that their budget is 1 % above idle instead.
    assumptions : tuple of str
        One sentence each.
    """

    nodes: int
    racks: int
    placed: int
    pending: int
    draw_watts: float
    budget_watts: float
    raised: tuple[str, ...]
    assumptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Rack:
    name: str
    nodes: tuple[str, ...]
    draw_mw: int
    wanted_mw: int
    least_mw: int

    @property
    def budget_mw(self) -> int:
        return max(self.wanted_mw, self.least_mw)


@dataclass(frozen=True, slots=True)
class _Cut:
    """Which racks are cut, and what they and the others may draw, as shares of what they draw."""

    every: int
    budget_share: float
    slack_share: float

    def share_of(self, rack: int) -> Fraction:
        # By way of its digits, 0.8 is eight tenths and not the nearest binary fraction.
        return Fraction(str(self.budget_share if rack % self.every == 0 else self.slack_share))


def write_openb_snapshot(
    data_dir: Path,
    out: Path,
    *,
    pods: str = "default",
    nodes: str = "all_node",
    rack_size: int = 20,
    budget_share: float = 0.80,
    use_share: float = 0.55,
    cut_every: int = 1,
    slack_share: float = 1.15,
    overwrite: bool = False,
) -> OpenbReport:
    """Read the trace, place its pods, and write a snapshot directory.

    Parameters
    ----------
    data_dir : Path
        Folder of the csv (or csv.gz) files of cluster-trace-gpu-v2023.
    out : Path
    pods, nodes : str
        Variants: ``openb_pod_list_<pods>.csv``, ``openb_node_list_<nodes>.csv``.
    rack_size : int
        Nodes to a rack, in the order of the file; ten racks make a row, whose budget is the sum of theirs.
    budget_share : float
        Budget of a cut rack, as a share of what it draws as placed.
    use_share : float
        CPU that a pod uses of its request, and power that it draws of its cards' range above idle.
    cut_every : int
        Cut each rack (1), each second (2), …
    slack_share : float
        Budget of the other racks, as a share of what they draw as placed.
    overwrite : bool
        Replace a snapshot that is there.

    Returns
    -------
    OpenbReport

    Raises
    ------
    InputError
        For a missing folder or a malformed line (named), and for shares out of range.

    Notes
    -----
    Cards are one resource, ``powerplane.dev/gpu-milli``, 1000 to a card, for whole cards and for shares of one: so no
    plan takes more of a node's cards than there are. Which card of a node holds a share is not seen: two cards with
    500 free each look like a free one. The placement written here respects every single card.

    A pod's accelerator watts are those of the card that it stands on, also after a move to another model.

    Moving a pod moves its watts, it hardly saves any. With every rack cut to 80 % of its draw (the default) the budgets
    add up to less than the pods draw wherever they stand, so that no placement holds them all and a plan is the least
    overload; with ``cut_every=4`` they add up to 106 % of it.
    """
    _check(rack_size, cut_every, {"budget_share": budget_share, "use_share": use_share, "slack_share": slack_share})
    trace_nodes, trace_pods = read_nodes(data_dir, nodes), read_pods(data_dir, pods)
    place = pack(trace_nodes, trace_pods)
    powers = node_powers(trace_nodes)
    use = whole(trace_pods.cpu_milli * 1000 * use_share)
    card = accelerator_mw(trace_nodes, powers, trace_pods, place, use_share)
    draw = draws_mw(trace_nodes, powers, place, use, card)
    racks = _racks(trace_nodes, powers, draw, rack_size, _Cut(cut_every, budget_share, slack_share))
    report = _report(racks, place, powers, use_share)
    write_snapshot(
        out,
        {"nodes": node_list(trace_nodes), "pods": pod_list(trace_nodes, trace_pods, place)},
        _topology_yaml(racks),
        _power_yaml(trace_nodes, powers, report.assumptions),
        _usage_csv(trace_pods, use, card),
        overwrite=overwrite,
    )
    return report


def _check(rack_size: int, cut_every: int, shares: dict[str, float]) -> None:
    for name, count in {"rack_size": rack_size, "cut_every": cut_every}.items():
        if count < 1:
            raise InputError(f"{name} is {count}", "give 1 or more")
    for name, share in shares.items():
        if not 0 < share < 10 or (name == "use_share" and share > 1):
            raise InputError(f"{name} is {share:g}", "give a share such as 0.8 (use_share: at most 1)")


def _racks(nodes: TraceNodes, powers: NodePowers, draw_mw: Integers, rack_size: int, cut: _Cut) -> list[_Rack]:
    idle_mw = np.array([curve.idle_mw for curve in powers.curves], dtype=np.int64)
    racks = []
    for first in range(0, len(nodes.names), rack_size):
        number, members = first // rack_size, slice(first, first + rack_size)
        draw, idle = int(draw_mw[members].sum()), int(idle_mw[members].sum())
        wanted = ceil(draw * cut.share_of(number))
        racks.append(_Rack(f"rack-{number:03}", nodes.names[members], draw, wanted, ceil(idle * IDLE_MARGIN)))
    return racks


def _report(racks: list[_Rack], place: NDArray[np.int32], powers: NodePowers, use_share: float) -> OpenbReport:
    pending = int((place < 0).sum())
    raised = tuple(rack.name for rack in racks if rack.wanted_mw < rack.least_mw)
    told = (
        *powers.assumptions,
        f"A pod uses {use_share:.0%} of its CPU request and draws {use_share:.0%} of its cards' range above idle.",
        f"All pods of the trace run at once; {pending} of {len(place)} fit nowhere and are pending.",
        f"Cards are counted by node, in thousandths ({GPU_MILLI}); which card holds a share is not seen.",
        "Owners and priorities are ours: one Job for each class of service, priority -10 for best effort.",
        *(
            (f"{len(raised)} of {len(racks)} racks are budgeted 1 % above idle, more than their share.",)
            if raised
            else ()
        ),
    )
    return OpenbReport(
        nodes=sum(len(rack.nodes) for rack in racks),
        racks=len(racks),
        placed=len(place) - pending,
        pending=pending,
        draw_watts=sum(rack.draw_mw for rack in racks) / 1000,
        budget_watts=sum(rack.budget_mw for rack in racks) / 1000,
        raised=raised,
        assumptions=told,
    )


def _topology_yaml(racks: list[_Rack]) -> str:
    rows, domains = [], []
    for first in range(0, len(racks), RACKS_PER_ROW):
        members = racks[first : first + RACKS_PER_ROW]
        row = f"row-{first // RACKS_PER_ROW:02}"
        rows.append({"name": row, "kind": "row", "budget": _watts(sum(rack.budget_mw for rack in members))})
        domains += [
            {
                "name": rack.name,
                "kind": "rack",
                "parents": [row],
                "budget": _watts(rack.budget_mw),
                "nodes": list(rack.nodes),
            }
            for rack in members
        ]
    return _yaml({"domains": [*rows, *domains]})


def _power_yaml(nodes: TraceNodes, powers: NodePowers, assumptions: tuple[str, ...]) -> str:
    curves = {
        curve.name: [[float(share), mw / 1000] for share, mw in zip(curve.utilisation, curve.milliwatts, strict=True)]
        for curve in powers.curves
    }
    by_name = {name: {"curve": curve.name} for name, curve in zip(nodes.names, powers.curves, strict=True)}
    head = "".join(f"# {sentence}\n" for sentence in assumptions)
    return head + _yaml({"curves": curves, "nodes": {"byName": by_name}})


def _usage_csv(pods: TracePods, use_ucores: Integers, card_mw: Integers) -> str:
    rows = zip(pods.names, use_ucores.tolist(), card_mw.tolist(), strict=True)
    lines = (f"{NAMESPACE},{name},{use / 1_000_000:.6f},{card / 1000:.3f}" for name, use, card in rows)
    return "\n".join(["namespace,pod,cpu_cores,accelerator_watts", *lines, ""])


def _watts(milliwatts: int) -> str:
    return f"{milliwatts}mW"


def _yaml(content: dict[str, Any]) -> str:
    return yaml.dump(content, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False, width=120)
