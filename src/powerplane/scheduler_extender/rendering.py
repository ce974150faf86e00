"""Scores as JSON: a piece for each node and score, written once for a tree, and joined for each answer."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from powerplane.models.power_tree import Ints
from powerplane.scheduler_extender.choosing import TOP


class ScoreSheet:
    """The pieces of one tree's nodes.

    Parameters
    ----------
    names : tuple of str, shape (N,)
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        pieces = [msgspec.json.encode({"Host": name, "Score": score}) for score in range(TOP + 1) for name in names]
        self._pieces: NDArray[np.object_] = np.array([*pieces, b""], dtype=object)
        self._count = len(names)

    def render(self, columns: Ints, scores: Ints, names: Sequence[str]) -> bytes:
        """Return the HostPriorityList of some nodes.

        Parameters
        ----------
        columns : int64 array, shape (C,)
            −1 for a node that is not in the tree; it scores 0.
        scores : int64 array
            Of those in the tree, in their order.
        names : sequence of str, shape (C,)
        """
        known = columns >= 0
        chosen = columns[known]
        pieces = self._pieces[scores * self._count + chosen].tolist()
        if not known.all():
            strangers = (name for name, is_known in zip(names, known.tolist(), strict=True) if not is_known)
            pieces += [msgspec.json.encode({"Host": name, "Score": 0}) for name in strangers]
        return b"[" + b",".join(pieces) + b"]"
