"""JSON Patch (RFC 6902) that is made while an object is changed: nothing is written that is there already.

An operation whose parent may be missing adds the parent with it, in one step: an object that another webhook has given
the parent meanwhile is not overwritten, since each webhook is shown the object as it is at its turn.
"""

from copy import deepcopy
from functools import lru_cache
from typing import Any

from powerplane.models.errors import InputError

Json = dict[str, Any]
Key = str | int


class Patch:
    """Changes an object of one's own, and keeps the operations that make the same change elsewhere.

    Parameters
    ----------
    root : dict
        The object; changed in place.

    Attributes
    ----------
    operations : list of dict
    """

    def __init__(self, root: Json) -> None:
        self.root = root
        self.operations: list[Json] = []

    def put(self, value: Any, *path: Key) -> None:
        """Set a member of an object, making the objects above it where they are missing.

        Parameters
        ----------
        value : JSON
        path : str or int
            Keys from the root; numbers for items of lists that are there.

        Raises
        ------
        InputError
            Where something stands in the way that is no object.
        """
        at: Any = self.root
        for depth, key in enumerate(path[:-1]):
            below = _member(at, key)
            if below is None:
                self._set(at, _nested(value, path[depth + 1 :]), path[: depth + 1])
                return
            at = below
        self._set(at, value, path)

    def append(self, value: Any, *path: Key) -> None:
        """Add an item to the end of a list, making the list where it is missing.

        Raises
        ------
        InputError
            For what is there and no list.
        """
        at: Any = self.root
        for depth, key in enumerate(path):
            below = _member(at, key)
            if below is None:
                self._set(at, _nested([value], path[depth + 1 :]), path[: depth + 1])
                return
            at = below
        if not isinstance(at, list):  # 0, false, "": nothing, and yet there
            raise InputError(f"{path[-1]} is no list", "write a list")
        at.append(_own(value))
        self.operations.append({"op": "add", "path": pointer(*path, "-"), "value": value})

    def _set(self, at: Any, value: Any, path: tuple[Key, ...]) -> None:
        key = path[-1]
        before = _member(at, key)
        there = isinstance(at, list) or key in at
        if there and before == value:
            return
        at[key] = _own(value)
        self.operations.append({"op": "replace" if there else "add", "path": pointer(*path), "value": value})


def _own(value: Any) -> Any:
    """The operation keeps the value as it is; what is in the object may be changed by later ones."""
    return value if isinstance(value, str) else deepcopy(value)


def _member(at: Any, key: Key) -> Any:
    if isinstance(at, dict):
        return at.get(key)
    if isinstance(at, list) and isinstance(key, int):
        return at[key]
    raise InputError(f"what holds {key} is no object", "write an object")


@lru_cache(maxsize=1024)
def pointer(*path: Key) -> str:
    """Return a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in path)


def _nested(value: Any, path: tuple[Key, ...]) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value
