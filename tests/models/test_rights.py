"""The table of rights and the deployment files say the same."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from powerplane.models.rights import ACCOUNTS, DANGEROUS, NAMESPACE, Account, Right

DEPLOY = Path(__file__).parents[2] / "deploy"

Json = dict[str, Any]


def documents(*files: str) -> list[Json]:
    """What some files of ``deploy/`` hold, or all of them."""
    paths = [DEPLOY.parent / each for each in files] or sorted(DEPLOY.glob("*.yaml"))
    return [each for file in paths for each in yaml.safe_load_all(file.read_text(encoding="utf-8")) if each]


def granted(account: str, *files: str) -> set[Right]:
    """What the files grant to an account."""
    found = documents(*files)
    roles = {(each["kind"], each["metadata"]["name"]): each for each in found if each["kind"].endswith("Role")}
    rights = set()
    for binding in (each for each in found if each["kind"].endswith("RoleBinding")):
        if account in {subject["name"] for subject in binding["subjects"]}:
            role = roles[binding["roleRef"]["kind"], binding["roleRef"]["name"]]
            namespace = binding["metadata"].get("namespace", "")
            rights |= {
                Right(verb, resource, group, namespace, name)
                for rule in role["rules"]
                for group in rule["apiGroups"]
                for resource in rule["resources"]
                for verb in rule["verbs"]
                for name in rule.get("resourceNames", [""])
            }
    return rights


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
def test_an_account_is_granted_what_the_table_says_and_nothing_else(account: Account) -> None:
    extra = [right for each in account.extras for right in each.rights]
    assert granted(account.name) == {*account.rights, *extra}
    assert len({*account.rights, *extra}) == len(account.rights) + len(extra)


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
def test_each_file_grants_its_own_part(account: Account) -> None:
    # Roles that several accounts share are in the first file.
    assert granted(account.name, "deploy/rbac.yaml", account.file) == set(account.rights)
    for each in account.extras:
        assert granted(account.name, each.file) == set(each.rights), each.file


def test_only_what_may_be_left_away_is_an_extra_and_the_webhooks_own_certificates_are() -> None:
    files = {each.file for account in ACCOUNTS for each in account.extras}
    assert "deploy/webhook-own-certificates.yaml" in files
    assert not files & {account.file for account in ACCOUNTS}


def test_every_account_of_the_files_is_in_the_table_and_named_with_its_file() -> None:
    made = {each["metadata"]["name"] for each in documents() if each["kind"] == "ServiceAccount"}
    assert made == {account.name for account in ACCOUNTS}
    for account in ACCOUNTS:
        text = (DEPLOY.parent / account.file).read_text(encoding="utf-8")
        assert account.name in {each["metadata"]["name"] for each in yaml.safe_load_all(text)}


def test_nothing_dangerous_is_needed() -> None:
    needed = {right for account in ACCOUNTS for right in account.rights}
    needed |= {right for account in ACCOUNTS for each in account.extras for right in each.rights}
    assert not needed & {right for right, _ in DANGEROUS}


def test_a_right_is_written_as_kubectl_takes_it() -> None:
    assert str(Right("get", "leases", "coordination.k8s.io", NAMESPACE, "powerplane")) == (
        "get leases.coordination.k8s.io/powerplane -n powerplane-system"
    )
    assert str(Right("patch", "nodes/status")) == "patch nodes --subresource=status"
