"""What nodes draw beyond the books, as measured: a budget has room for what is drawn, not for what was asked for."""

from collections.abc import Callable, Mapping

import numpy as np

from powerplane.models.drift import Drift, DriftRules, Sample, effective_base_mw, follow
from powerplane.models.power_tree import Ints, PowerTree


class Measured:
    """Follows the drift of every node that is measured.

    Parameters
    ----------
    samples : callable
        Latest sample by node name.
    rules : DriftRules, optional
    """

    def __init__(self, samples: Callable[[], Mapping[str, Sample]], rules: DriftRules | None = None) -> None:
        self._samples = samples
        self._rules = rules or DriftRules()
        self._drifts: dict[str, Drift] = {}

    @property
    def heard(self) -> bool:
        """Whether any node was ever measured."""
        return bool(self._samples())

    def extra_mw(self, tree: PowerTree, bound_mw: Ints, now_s: float) -> Ints:
        """What each node draws, or may draw for all we know, beyond base and books, shape (N,).

        Parameters
        ----------
        tree : PowerTree
            As compiled, without any extra.
        bound_mw : int64 array, shape (N,)
            What bound pods draw by the books.
        now_s : float
            On the samples' clock.
        """
        samples, drifts = self._samples(), {}
        extra = np.zeros(len(tree), dtype=np.int64)
        for column, node in enumerate(tree.nodes):
            drift, sample = self._drifts.get(node.name), samples.get(node.name)
            if drift is None and sample is None:
                continue
            bound = int(bound_mw[column])
            drift = follow(
                drift or Drift(), sample, base_mw=node.base_mw, bound_mw=bound, now_s=now_s, rules=self._rules
            )
            drifts[node.name] = drift
            base = effective_base_mw(
                drift, base_mw=node.base_mw, bound_mw=bound, peak_mw=node.peak_mw, now_s=now_s, rules=self._rules
            )
            extra[column] = base - node.base_mw
        self._drifts = drifts
        return extra
