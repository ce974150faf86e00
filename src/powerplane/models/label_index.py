"""Labels of many objects in columns, so that one requirement is answered for all of them at once."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from powerplane.models.matching import requirement_holds
from powerplane.models.objects import Requirement


class LabelIndex:
    """The labels of n objects, by key.

    Parameters
    ----------
    rows : sequence of mappings
        Labels of each object.
    """

    def __init__(self, rows: Sequence[Mapping[str, str]]) -> None:
        self._rows = rows
        self._columns: dict[str, tuple[NDArray[np.int32], dict[str, int]]] = {}
        self._answers: dict[Requirement, NDArray[np.bool_]] = {}

    def column(self, key: str) -> tuple[NDArray[np.int32], dict[str, int]]:
        """Codes of each object's value of a label, -1 where it has none; and the code of each value, in order."""
        if key not in self._columns:
            values = [row.get(key) for row in self._rows]
            code = {value: i for i, value in enumerate(sorted({v for v in values if v is not None}))}
            codes = np.array([-1 if value is None else code[value] for value in values], dtype=np.int32)
            self._columns[key] = codes, code
        return self._columns[key]

    def holds(self, requirement: Requirement) -> NDArray[np.bool_]:
        """Which objects meet a requirement."""
        if requirement not in self._answers:
            codes, code = self.column(requirement.key)
            # The last entry answers for the objects without the label, whose code is -1.
            self._answers[requirement] = _truth(requirement, code)[codes]
        return self._answers[requirement]

    def all_hold(self, requirements: Iterable[Requirement]) -> NDArray[np.bool_]:
        """Which objects meet all of some requirements."""
        result = np.ones(len(self._rows), dtype=np.bool_)
        for requirement in requirements:
            result &= self.holds(requirement)
        return result


def _truth(requirement: Requirement, code: dict[str, int]) -> NDArray[np.bool_]:
    """A requirement's answer for each value of its label and, last, for none.

    In and NotIn look their few values up: a label with a value per node is common, and so are many requirements on it.
    """
    if requirement.operator in ("In", "NotIn"):
        outside = requirement.operator == "NotIn"
        truth = np.full(len(code) + 1, outside)
        truth[[code[value] for value in requirement.values or () if value in code]] = not outside
        return truth
    return np.array([requirement_holds(requirement, value) for value in (*code, None)], dtype=np.bool_)
