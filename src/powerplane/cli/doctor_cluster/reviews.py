"""``powerplane doctor``: the API server asked what somebody may do (SubjectAccessReview)."""

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from powerplane.adapters.cluster_http import Request
from powerplane.adapters.cluster_look import ClusterLook, Told
from powerplane.cli.doctor_cluster.seen import Grip, Half
from powerplane.models.rights import ACCOUNTS, DANGEROUS, DOCTOR, NAMESPACE, Account, Right

ROOT = "/apis/authorization.k8s.io/v1"
SELF = f"{ROOT}/selfsubjectaccessreviews"
OTHERS = f"{ROOT}/subjectaccessreviews"


class _Status(msgspec.Struct, frozen=True):
    allowed: bool = False


class _Review(msgspec.Struct, frozen=True):
    status: _Status = _Status()


def read_own(look: ClusterLook) -> Grip:
    """Ask what whoever runs this may see."""
    told = look.ask_all(Request("POST", SELF, (), _body("SelfSubjectAccessReview", right, {})) for right in DOCTOR)
    trouble = next((each.trouble for each in told if not each.ok), "")
    lacks = tuple(str(right) for right, each in zip(DOCTOR, told, strict=True) if each.ok and not _allowed(each))
    return Grip("you", lacks=lacks, trouble=trouble)


def read_accounts(look: ClusterLook) -> list[Grip]:
    """Ask what each of our accounts may do."""
    paths = [f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account.name}" for account in ACCOUNTS]
    there = look.ask_all(Request("GET", path) for path in paths)
    return [_account(look, account, told) for account, told in zip(ACCOUNTS, there, strict=True)]


def _account(look: ClusterLook, account: Account, there: Told) -> Grip:
    if there.absent:
        return Grip(account.name, there=False)
    dangers = [(right, why) for right, why in DANGEROUS if right not in account.rights]
    extra = [right for each in account.extras for right in each.rights]
    asked = [*account.rights, *extra, *(right for right, _ in dangers)]
    told = look.ask_all(_review(account, right) for right in asked)
    trouble = next((each.trouble for each in told if not each.ok), "")
    if trouble:
        return Grip(account.name, there=there.ok or None, trouble=trouble)
    allowed = [_allowed(each) for each in told]
    may = {right for right, each in zip(asked, allowed, strict=True) if each}
    return Grip(
        name=account.name,
        there=there.ok or None,
        lacks=_lacking(account.rights, may),
        too_much=tuple(f"{right} ({why})" for right, why in dangers if right in may),
        halves=tuple(
            Half(each.file, each.does, lacks)
            for each in account.extras
            if 0 < len(lacks := _lacking(each.rights, may)) < len(each.rights)
        ),
    )


def _lacking(rights: Iterable[Right], may: Collection[Right]) -> tuple[str, ...]:
    return tuple(str(right) for right in rights if right not in may)


def _review(account: Account, right: Right) -> Request:
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated"]
    return Request("POST", OTHERS, (), _body("SubjectAccessReview", right, {"user": account.user, "groups": groups}))


def _body(kind: str, right: Right, who: dict[str, Any]) -> dict[str, Any]:
    resource, _, sub = right.resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": sub,
        "namespace": right.namespace,
        "name": right.name,
    }
    spec = {"resourceAttributes": attributes, **who}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}


def _allowed(told: Told) -> bool:
    try:
        return msgspec.json.decode(told.body, type=_Review).status.allowed
    except msgspec.MsgspecError:
        return False
