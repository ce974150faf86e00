"""What an object holds on to: every text of a kind that can still be reached from it."""

import gc
from types import FunctionType, ModuleType


def words_held(root, part):
    """Texts with a part in them that can be reached from an object, each with the end of the way to it."""
    found, seen, stack = {}, {id(root)}, [(root, ())]
    while stack:
        each, way = stack.pop()
        if isinstance(each, str) and part in each:
            found.setdefault(each, " → ".join(way[-5:]))
        if isinstance(each, str | ModuleType | type):
            continue
        # A function holds its module's globals, and through them the whole program.
        below = [each.__closure__, each.__defaults__] if isinstance(each, FunctionType) else gc.get_referents(each)
        for one in below:
            if id(one) not in seen:
                seen.add(id(one))
                stack.append((one, (*way, type(each).__name__)))
    return found
