"""What nodes are measured to draw beyond their books: no claim may be promised it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from powerplane.models.drift import Drift, DriftRules, Sample, effective_base_mw, follow
from powerplane.models.power_tree import Ints, PowerTree

NO_DRIFT = Drift()


@dataclass(slots=True)
class Excess:
    """Follows each node's measurements.

    Parameters
    ----------
    rules : DriftRules
    """

    rules: DriftRules = field(default_factory=DriftRules)
    _drifts: dict[str, Drift] = field(default_factory=dict)

    def follow(self, tree: PowerTree, drawn_mw: Ints, samples: Mapping[str, Sample], now_s: float) -> Ints:
        """Return what each node draws beyond its base and its pods, shape (N,).

        Parameters
        ----------
        tree : PowerTree
        drawn_mw : int64 array, shape (N,)
            What its pods draw by the books.
        samples : mapping of node to Sample
            The latest, where there are any.
        now_s : float
            By the samples' clock.
        """
        found = np.zeros(len(tree), dtype=np.int64)
        drifts: dict[str, Drift] = {}
        for i, node in enumerate(tree.nodes):
            before, sample = self._drifts.get(node.name), samples.get(node.name)
            if before is None and sample is None:
                continue
            known, pods = before or NO_DRIFT, int(drawn_mw[i])
            drift = follow(known, sample, base_mw=node.base_mw, bound_mw=pods, now_s=now_s, rules=self.rules)
            base = effective_base_mw(
                drift, base_mw=node.base_mw, bound_mw=pods, peak_mw=node.peak_mw, now_s=now_s, rules=self.rules
            )
            drifts[node.name] = drift
            found[i] = base - node.base_mw
        self._drifts = drifts
        return found
