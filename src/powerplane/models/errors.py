"""The errors that a person sees: what is wrong, with which object, and what to do next."""


class PowerPlaneError(Exception):
    """A condition that ends a command, told so that it can be mended.

    Parameters
    ----------
    problem : str
        What is wrong, naming the object and the offending value.
    next_step : str
        What to type or change next.
    """

    exit_code = 1

    def __init__(self, problem: str, next_step: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.problem}\n  next: {self.next_step}"


class InputError(PowerPlaneError):
    """A file, an object or a figure that cannot be used as it stands."""


class UsageError(PowerPlaneError):
    """A command line that cannot be carried out."""

    exit_code = 2


class UnreachableError(PowerPlaneError):
    """A server that does not answer, or refuses to."""
