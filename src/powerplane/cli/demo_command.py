"""``powerplane demo``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from powerplane.cli.demo import REPORT_NAME, run_demo
from powerplane.cli.output import stdout_console


def demo(
    *,
    out: Annotated[Path, Parameter(help="File of the report, or a directory for it.")] = Path(REPORT_NAME),
    seed: Annotated[int, Parameter(help="Chooses the simulated cluster.")] = 0,
    speed: Annotated[
        float, Parameter(validator=Number(gt=0), help="Simulated seconds per second, on a terminal.")
    ] = 150.0,
    live: Annotated[bool, Parameter(help="Show the runs side by side, on a terminal.")] = True,
) -> int:
    """Watch a simulated cluster lose a feed in a heat wave, with PowerPlane and without; needs no cluster."""
    return run_demo(out=out, seed=seed, speed=speed, no_live=not live, console=stdout_console())
