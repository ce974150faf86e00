"""One fault while a plan is carried out: begun, lasting, over, and how long it took until all was well again."""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.rig.audit_facts import Report
from tests.rig.operator import Operated, OperatedCluster
from tests.rig.processes import wait_for

Figure = Callable[[str], None]

RESTED_S = 110.0
"""A power tree rests after a plan, for a minute where that failed; then there may be another, be it for what meters
tell above the budget by chance."""


@dataclass
class Trial:
    """What a fault needs to be tried.

    Parameters
    ----------
    parts : Operated
    racks : OperatedCluster
    rack : str
        Whose budget is cut.
    figure : callable
        Takes what was measured.
    """

    parts: Operated
    racks: OperatedCluster
    rack: str
    figure: Figure
    _held_s: float = float("inf")

    def endure(
        self,
        fault: AbstractContextManager[object],
        lasts_s: float,
        *,
        step: str = "Reserving",
        within_s: float = RESTED_S,
        sees: bool = True,
        whole: bool = False,
    ) -> Report:
        """Cut the rack's budget, have the fault at the first move that is at a step, and see all come right.

        Parameters
        ----------
        fault : context manager
            There from its beginning to its end.
        lasts_s : float
            How long at the most: it is over once budgets hold and nothing is under way.
        step : str
        within_s : float
            From the fault's end until all is settled; on a larger cluster longer.
        sees : bool
            Whether the test itself can ask the API server meanwhile.
        whole : bool
            Whether the fault lasts on where all is settled before.
        """
        parts, racks = self.parts, self.racks
        before = parts.evictions()
        cut_s = racks.cut(self.rack)
        parts.wait_begun(step)
        assert racks.open_plans(), "the plan was over before the fault"
        hit_s = time.monotonic()
        with fault:
            through = sees and wait_for(self._settled, lasts_s, 0.2)
            well_s = time.monotonic()
            if whole or not sees:
                time.sleep(max(0.0, hit_s + lasts_s - well_s))
            over_s = time.monotonic()
        back_s = time.monotonic()
        parts.wait(self._settled, within_s, 0.1)
        settled_s = time.monotonic()
        report = parts.sound()
        took = (
            f"all well {well_s - hit_s:.1f} s into it" if through else f"all well {settled_s - back_s:.1f} s after it"
        )
        self.figure(
            f"{hit_s - cut_s:.1f} s after the cut for {over_s - hit_s:.1f} s: "
            f"held {self._held_s - cut_s:.1f} s after the cut, {took}; "
            f"{report.evictions - before} evictions; in all {report.plans} plans, refused {dict(report.refused)}; "
            f"load {os.getloadavg()[0]:.1f}"
        )
        return report

    def _settled(self) -> bool:
        """Whether all is well; notes when budgets began to hold."""
        held = self.racks.held()
        self._held_s = min(self._held_s, time.monotonic()) if held else float("inf")
        return held and self.racks.quiet()
