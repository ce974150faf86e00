"""What nodes draw beyond the releaser's books, as measured: watts that no waiting pod is given.

Followed by every replica, whether it leads or not, so that one that takes over knows what the one before it knew. A
measurement that is missing or old frees nothing (``models.drift``).
"""

from typing import Final

import numpy as np

from powerplane.adapters.measured import Measured
from powerplane.admission.gates.books import Moment
from powerplane.admission.gates.ground import Ground
from powerplane.models.power_tree import Ints, PowerTree

FIRST_ROUND_S: Final = 30.0
"""How long a process that begins waits for its first measurements; then nodes that were never measured count by the
books."""


class GateExcess:
    """Follows the measurements over the trees that come one after the other.

    Parameters
    ----------
    measured : Measured or None
        None: nothing is measured, and nothing is taken off.
    every_s : float
        Between two looks at the measurements over one tree.
    """

    def __init__(self, measured: Measured | None, every_s: float = 5.0) -> None:
        self._measured = measured
        self._every_s = every_s
        self._last: tuple[PowerTree, float, Ints] | None = None
        self._began_s: float | None = None

    def waits(self, now_s: float) -> bool:
        """Whether measurements are still to come: until then what was known before a restart is not known."""
        if self._began_s is None:
            self._began_s = now_s
        return self._measured is not None and not self._measured.heard and now_s - self._began_s < FIRST_ROUND_S

    def due(self, now_s: float) -> bool:
        """Whether the measurements are to be looked at again."""
        return self._measured is not None and (self._last is None or now_s - self._last[1] >= self._every_s)

    def extra_mw(self, ground: Ground, moment: Moment, now_s: float) -> Ints:
        """What each node draws, or may draw for all we know, beyond base and books, shape (N,).

        Parameters
        ----------
        ground : Ground
        moment : Moment
        now_s : float
            On the samples' clock.
        """
        if self._measured is None:
            return np.zeros(len(ground.tree), dtype=np.int64)
        last = self._last
        if last is None or last[0] is not ground.tree or self.due(now_s):
            extra = self._measured.extra_mw(ground.tree, ground.bound_mw(moment), now_s)
            last = self._last = (ground.tree, now_s, extra)
        return last[2]
