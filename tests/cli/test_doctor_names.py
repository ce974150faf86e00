"""Names of findings: whoever reads the report by a program finds a finding by its name alone."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.doctor_world import api_seen, cluster, found, hooks, policy

import powerplane.cli
from powerplane.cli.doctor_cluster.api import examine_api
from powerplane.cli.doctor_cluster.certificates import examine_certificates
from powerplane.cli.doctor_cluster.extender import examine_extender
from powerplane.cli.doctor_cluster.operator import examine_operator
from powerplane.cli.doctor_cluster.policies import examine_policies
from powerplane.cli.doctor_cluster.seen import Cluster
from powerplane.cli.doctor_cluster.standing import standings
from powerplane.cli.doctor_cluster.topology import examine_topology
from powerplane.cli.doctor_cluster.webhook import examine_webhook
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject

MAKERS = frozenset(("ok", "warn", "fail", "unseen", "level", "_life"))
SOURCES = sorted(Path(powerplane.cli.__path__[0]).glob("doctor*/*.py")) + sorted(
    Path(powerplane.cli.__path__[0]).glob("doctor*.py")
)


def written(tree: ast.AST) -> Iterator[str]:
    """Names of findings that stand in a module; one that is put together as ``{}`` where it differs."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        if call.func.id == "Finding":
            names = [each.value for each in call.keywords if each.arg == "check"]
        elif call.func.id in MAKERS:
            names = call.args[:1]
        else:
            continue
        for name in names:
            if isinstance(name, ast.Constant):
                yield str(name.value)
            elif isinstance(name, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in name.values)


def test_no_two_parts_of_the_report_use_one_name_for_a_finding() -> None:
    by_name: dict[str, set[str]] = {}
    for source in SOURCES:
        for name in written(ast.parse(source.read_text(encoding="utf-8"))):
            by_name.setdefault(name, set()).add(source.stem)
    assert {"replicas", "known budgets", "lock", "looking at {}"} <= by_name.keys()
    assert {name: parts for name, parts in by_name.items() if len(parts) > 1} == {}


@pytest.mark.parametrize(
    "seen",
    [
        cluster(),
        cluster(cluster_policies=found(ClusterPowerCappingPolicyObject, policy("p", mode="Enforce", levers=["evict"]))),
    ],
    ids=["all is well", "nobody plans or acts"],
)
def test_each_finding_of_a_report_has_a_name_of_its_own(seen: Cluster) -> None:
    policies = standings(seen)
    reports = [
        examine_api(api_seen()),
        examine_webhook(hooks(), seen),
        examine_extender(seen, policies),
        examine_operator(seen),
        examine_certificates(hooks(), seen),
        examine_topology(seen),
        examine_policies(seen, policies),
    ]
    counted = Counter(each.check for report in reports for each in report.view.findings)
    assert [name for name, times in counted.items() if times > 1] == []
