"""What every bench's command line does with an error: it says what is wrong and what to do, and ends with its code."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from powerplane.models.errors import PowerPlaneError

P = ParamSpec("P")


def as_command(main: Callable[P, int]) -> Callable[P, int]:
    """Return the command; a ``PowerPlaneError`` goes to stderr, and its exit code is the command's."""

    @wraps(main)
    def command(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except PowerPlaneError as error:
            sys.stderr.write(f"{error}\n")
            return error.exit_code

    return command
