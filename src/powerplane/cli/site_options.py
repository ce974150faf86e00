"""Options of commands that need a site only: its nodes and domains, and no pods."""

from typing import Annotated

from cyclopts import Parameter

from powerplane.cli.options import LIVE

NoCluster = Annotated[
    bool,
    Parameter(
        name="--no-cluster",
        group=LIVE,
        negative=(),
        help="Take the nodes from --topology and --power alone; ask no API server.",
    ),
]
