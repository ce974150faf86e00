"""``powerplane release``."""

from typing import Annotated

from cyclopts import Parameter

from powerplane.adapters.cluster_access import open_cluster
from powerplane.admission.release_all import list_gated
from powerplane.admission.release_all import release_all as free_all
from powerplane.cli.exit_codes import OK
from powerplane.cli.options import Context, Kubeconfig
from powerplane.cli.output import print_text, warn
from powerplane.cli.progress import progress
from powerplane.models.errors import UsageError


def release(
    *,
    release_all: Annotated[
        bool, Parameter(name="--all", negative=(), help="Every pod behind our gate, whatever the budgets.")
    ] = False,
    yes: Annotated[bool, Parameter(negative=(), help="Do it; without this the pods are only named.")] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> int:
    """Let pods go that wait behind the gate powerplane.dev/power: the way out when PowerPlane is gone for good.

    It needs the API server and nothing of PowerPlane's. Budgets are not looked at. First stop the webhook (`kubectl
    delete mutatingwebhookconfiguration powerplane`), or new pods are held again. Without --yes nothing is changed.
    """
    if not release_all:
        raise UsageError("nothing says which pods to let go", "give --all")
    access = open_cluster(kubeconfig, context)
    if yes:
        with progress("letting pods go"):
            count = free_all(access)
        print_text(f"{count} pods")
        return OK
    waiting = list_gated(access)
    for pod in waiting:
        print_text(f"{pod.namespace}/{pod.name}")
    warn(f"{len(waiting)} pods would be let go, whatever the budgets: add --yes to do it")
    return OK
