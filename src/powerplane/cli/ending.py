"""Ending the program at once."""

import os
import sys
from typing import NoReturn


def end_at_once(code: int) -> NoReturn:
    """End without waiting for anything.

    The interpreter joins its threads before it ends, and one that waits for a server's answer would keep a program
    that was interrupted for as long as that may take.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            continue
    os._exit(code)
