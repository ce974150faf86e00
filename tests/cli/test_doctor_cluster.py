"""What holds for all parts of ``powerplane doctor`` about the cluster."""

from typing import Any

import msgspec
from tests.cli.doctor_world import (
    REFUSED,
    api_seen,
    cluster,
    hooks,
    text,
    trouble,
)

from powerplane.adapters.cluster_look import Found
from powerplane.cli.doctor_cluster.api import examine_api
from powerplane.cli.doctor_cluster.certificates import examine_certificates
from powerplane.cli.doctor_cluster.examining import alone
from powerplane.cli.doctor_cluster.extender import examine_extender
from powerplane.cli.doctor_cluster.operator import examine_operator
from powerplane.cli.doctor_cluster.policies import examine_policies
from powerplane.cli.doctor_cluster.standing import standings
from powerplane.cli.doctor_cluster.topology import examine_topology
from powerplane.cli.doctor_cluster.webhook import examine_webhook


def test_a_part_that_fails_says_so_and_hides_no_other() -> None:
    def broken() -> Any:
        raise KeyError("what nobody foresaw")

    report = alone("api", "API server", broken)
    assert trouble(report) == {("looking at api", "warn")}
    assert "what nobody foresaw" in text(report, "looking at api")


def test_every_finding_that_is_no_ok_says_what_to_type_next() -> None:
    nothing = cluster(
        **{
            name: Found((), REFUSED)
            for name in (
                "nodes",
                "pods",
                "namespaces",
                "domains",
                "cluster_policies",
                "policies",
                "leases",
                "node_leases",
            )
        }
    )
    reports = [
        examine_api(api_seen(git_version="")),
        examine_webhook(hooks(configurations=Found()), nothing),
        examine_extender(nothing, standings(nothing)),
        examine_operator(nothing),
        examine_certificates(hooks(), nothing),
        examine_topology(nothing),
        examine_policies(nothing, standings(nothing)),
    ]
    for report in reports:
        assert trouble(report)
        assert all(bool(each.next) == (each.level != "ok") for each in report.view.findings)
        assert msgspec.json.encode(report.view)
