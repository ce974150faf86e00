"""``powerplane explain node``."""

from typing import Annotated

from cyclopts import Parameter

from powerplane.cli.exit_codes import OK
from powerplane.cli.explaining.node import explain_node
from powerplane.cli.measuring import load_state, measured_from
from powerplane.cli.options import SnapshotDir
from powerplane.cli.output import print_text
from powerplane.cli.progress import progress
from powerplane.cli.watts_options import NO_HISTORY_SOURCE, HistorySource


def node(
    name: Annotated[str, Parameter(help="The node's name.")],
    /,
    *,
    snapshot: SnapshotDir,
    source: HistorySource = NO_HISTORY_SOURCE,
) -> int:
    """Say what a node draws, by whom that was measured, and whose watts these are.

    Idle, the dynamic watts of its pods and what no pod is known to draw add up to what was measured, to the
    milliwatt. A pod's share is not what moving it would free: that is said beside it, by the node's curve.
    """
    watts = source.watts_from()
    with progress("reading the snapshot") as say:
        measured = measured_from(watts)
        nothing = (None, None, None)
        state, looked = load_state(snapshot, measured, kubeconfig=None, context=None, files=nothing, say=say)
        if looked is None:
            lines = explain_node(state, None, name)
        else:
            lines = explain_node(looked.parted, looked.round.nodes, name)
    for line in lines:
        print_text(line)
    return OK
