"""``powerplane snapshot``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from powerplane.adapters.openb import write_openb_snapshot
from powerplane.cli.exit_codes import OK
from powerplane.cli.loading import write_live
from powerplane.cli.options import Context, Kubeconfig, PowerFile, TopologyFile, UsageFile
from powerplane.cli.output import print_text, warn
from powerplane.cli.progress import progress
from powerplane.models.errors import UsageError


def snapshot(
    directory: Path,
    /,
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    topology: TopologyFile = None,
    power: PowerFile = None,
    usage: UsageFile = None,
    openb: Annotated[
        Path | None, Parameter(help="Directory of the openb trace (its csv files): convert it instead of a cluster.")
    ] = None,
    overwrite: Annotated[bool, Parameter(negative=(), help="Replace a snapshot that is there.")] = False,
) -> int:
    """Write a cluster into a snapshot directory, which `powerplane plan --snapshot` reads.

    Of the live cluster only what placement depends on is read: no Secrets, no ConfigMaps, and nothing that containers
    are told. Without --topology, racks, rows and feeds come from labels and have no budgets. --power catalogue takes
    published servers of the nodes' size.

    Parameters
    ----------
    directory
        Directory to write. It appears whole, or not at all.
    """
    files = (topology, power, usage)
    with progress("reading the cluster") as say:
        if openb is None:
            write_live(directory, kubeconfig, context, files, say, overwrite=overwrite)
            told: tuple[str, ...] = ()
        elif kubeconfig or context or any(files):
            raise UsageError(
                "--openb stands for a cluster, and so do --kubeconfig, --context, --topology, --power and --usage",
                "leave those out, or leave --openb out",
            )
        else:
            told = write_openb_snapshot(openb, directory, overwrite=overwrite).assumptions
    for line in told:
        warn(line)
    print_text(str(directory))
    return OK
