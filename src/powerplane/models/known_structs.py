"""Has msgspec look at our types once, before there are threads.

What it needs to know of a type it finds out when that is first decoded, and puts half of it where other threads look:
two that decode a type for the first time at the same moment end the process (SIGSEGV in msgspec 0.22).
"""

from collections.abc import Iterator
from contextlib import suppress

import msgspec

PACKAGE = "powerplane"


def know_structs(package: str = PACKAGE) -> int:
    """Look at every struct that has been imported from a package; returns how many there are.

    To be called where no other thread decodes yet.

    Parameters
    ----------
    package : str
    """
    known = 0
    for struct in _below(msgspec.Struct):
        if struct.__module__.partition(".")[0] == package:
            known += 1
            # One that is only ever written may hold what cannot be read.
            with suppress(TypeError, NameError):
                msgspec.json.Decoder(struct)
    return known


def _below(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for each in struct.__subclasses__():
        yield each
        yield from _below(each)
