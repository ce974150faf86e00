"""``powerplane stop`` and ``powerplane resume``."""

from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from powerplane.adapters.cluster_access import ClusterAccess, open_cluster
from powerplane.adapters.cluster_writes import Writer, Written
from powerplane.cli.exit_codes import OK
from powerplane.cli.options import Context, Kubeconfig
from powerplane.cli.output import print_text
from powerplane.models.errors import InputError, UnreachableError, UsageError
from powerplane.models.marks import OWN_NAMESPACE, STOP_ANNOTATION

LONGEST_REASON = 256

OfNamespace = Annotated[str, Parameter(name="--namespace", help="Of PowerPlane's own programs.")]


class _Meta(msgspec.Struct, frozen=True):
    annotations: dict[str, str] | None = None


class _Namespace(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()


def stop(
    *,
    reason: Annotated[str, Parameter(help="Why, for whoever finds it stopped.")] = "stopped by hand",
    namespace: OfNamespace = OWN_NAMESPACE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> int:
    """Move no pod any more, at once and until `powerplane resume`.

    No plan is made, nothing is evicted, places that were reserved are given back, and pods that wait behind
    powerplane.dev/move are let go. What keeps budgets on new pods goes on. It needs the API server only: the reason
    stands on PowerPlane's namespace, where every part looks before it acts.
    """
    told = " ".join(reason.split())
    if not told or len(told) > LONGEST_REASON:
        raise UsageError(
            f"--reason has {len(told)} characters, not 1 to {LONGEST_REASON}", "say in a few words why it is stopped"
        )
    _mark(open_cluster(kubeconfig, context), namespace, told)
    print_text(f"stopped: {told}")
    return OK


def resume(*, namespace: OfNamespace = OWN_NAMESPACE, kubeconfig: Kubeconfig = None, context: Context = None) -> int:
    """Let pods be moved again, after `powerplane stop`.

    Plans that were stopped stay so; new ones are made where budgets are broken.
    """
    _mark(open_cluster(kubeconfig, context), namespace, None)
    print_text("resumed")
    return OK


def _mark(access: ClusterAccess, namespace: str, value: str | None) -> None:
    """Set or take away the annotation, and see that it is so.

    Raises
    ------
    InputError, UnreachableError
    """
    body: dict[str, Any] = {"metadata": {"annotations": {STOP_ANNOTATION: value}}}
    written = Writer(access).merge_patch(f"/api/v1/namespaces/{namespace}", body)
    if not written.ok:
        raise _trouble(access, namespace, written)
    try:
        found = (msgspec.json.decode(written.body, type=_Namespace).metadata.annotations or {}).get(STOP_ANNOTATION)
    except msgspec.DecodeError as error:
        raise UnreachableError(f"{access.server} answers with something else than JSON", "check its address") from error
    if found != value:
        raise InputError(
            f"namespace {namespace} says {STOP_ANNOTATION}={found!r}, not {value!r}: something else writes it",
            f"look who does: kubectl get namespace {namespace} -o yaml --show-managed-fields",
        )


def _trouble(access: ClusterAccess, namespace: str, written: Written) -> InputError | UnreachableError:
    if written.status == 404:
        return InputError(f"there is no namespace {namespace}", "name PowerPlane's own by --namespace")
    if written.status == 0:
        return UnreachableError(f"{access.server} does not answer: {written.told}", "check --kubeconfig and --context")
    return InputError(
        f"namespace {namespace} cannot be changed: {written.told}",
        f"ask somebody who may: kubectl auth can-i patch namespace/{namespace}; powerplane.dev/ keys on namespaces are "
        "for who may update PowerDomains",
    )
