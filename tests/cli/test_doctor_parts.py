"""The parts of ``powerplane doctor`` by themselves."""

from pathlib import Path

import msgspec
import pytest

from powerplane.adapters.telemetry.prometheus_status import DownTarget, JobStatus, PrometheusStatus
from powerplane.adapters.telemetry.unanswered import plain
from powerplane.cli import (
    doctor_nodes,
    doctor_pods,
    doctor_prometheus,
    doctor_section,
    doctor_site,
    doctor_sources_view,
)
from powerplane.cli.doctor import report_of
from powerplane.cli.doctor_advice import BY_METRIC, BY_QUANTITY, install
from powerplane.cli.doctor_prometheus import examine_prometheus
from powerplane.cli.doctor_section import Finding, SectionReport, SectionView
from powerplane.cli.doctor_sources import HARMLESS, MENDS, REFUSALS, examine_sources
from powerplane.models.plan import Wire
from powerplane.models.telemetry.coverage import MetricCoverage, SourceCoverage
from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.metrics import MEANINGS
from powerplane.models.telemetry.verdicts import BY_NAME

URL = "http://prometheus:9090"


def told(report: SectionReport, check: str) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in report.view.findings if finding.check == check]


def test_a_clock_that_is_surely_off_is_warned_of_and_one_that_only_may_be_is_not() -> None:
    assert told(examine_prometheus(PrometheusStatus(skew_s=30, unsure_s=1), URL), "clock")[0][0] == "warn"
    assert told(examine_prometheus(PrometheusStatus(skew_s=-30, unsure_s=1), URL), "clock")[0] == (
        "warn",
        "its clock is 30.0 s behind ours (ages are taken by its own)",
    )
    assert told(examine_prometheus(PrometheusStatus(skew_s=30, unsure_s=28), URL), "clock")[0][0] == "ok"


def test_targets_that_are_down_are_named_with_their_error_and_the_others_counted() -> None:
    down = tuple(DownTarget(f"n{i}:9290", "connection refused") for i in range(9))
    report = examine_prometheus(PrometheusStatus(jobs=(JobStatus("ipmi", 15.0, 40, down),)), URL)
    ((level, text),) = told(report, "targets")
    assert level == "warn"
    assert "9 of 40 targets down" in text
    assert "n0:9290 (connection refused)" in text
    assert "and 4 more" in text


def test_control_characters_of_a_server_do_not_reach_the_terminal() -> None:
    down = (DownTarget("n\x1b[2J", "x\x1b[31m"),)
    report = examine_prometheus(PrometheusStatus(version="2\x1b", jobs=(JobStatus("j\x1b", None, 1, down),)), URL)
    assert all("\x1b" not in finding.text for finding in report.view.findings)


def metric(quantity: str, interval_s: float = 15.0, nodes: frozenset[str] = frozenset({"n1"})) -> MetricCoverage:
    return MetricCoverage("m", quantity, "W", len(nodes), nodes, 0.0, 0.0, interval_s)


def test_power_that_is_scraped_seldom_is_warned_of() -> None:
    nodes = [NodeFacts("n1", 100.0, 200.0)]
    slow = examine_sources([SourceCoverage("ipmi", (metric("node watts", 300.0),))], {}, nodes)
    assert told(slow, "scrape interval")[0][0] == "warn"
    quick = examine_sources([SourceCoverage("ipmi", (metric("node watts"),))], {}, nodes)
    assert told(quick, "scrape interval") == []


def test_a_metric_is_missed_only_where_nothing_else_tells_the_same() -> None:
    nodes = [NodeFacts("n1", 100.0, 200.0)]
    old = SourceCoverage("ipmi", (metric("celsius"),), missing=("ipmi_dcmi_power_consumption_current_watts",))
    assert "dcmi" in examine_sources([old], {}, nodes).view.findings[-1].next
    other = SourceCoverage("kepler-platform", (metric("node watts"),))
    assert told(examine_sources([old, other], {}, nodes), "missing metrics") == []


def test_verdicts_that_are_no_fault_of_the_samples_are_no_finding() -> None:
    nodes = [NodeFacts("n1", 100.0, 200.0)]
    coverage = [SourceCoverage("ipmi", (metric("node watts"),))]
    assert told(examine_sources(coverage, {("ipmi", "late"): 3}, nodes), "samples") == []
    assert told(examine_sources(coverage, {("ipmi", "frozen"): 3}, nodes), "samples")[0][0] == "warn"


def test_what_could_not_be_asked_is_named_with_its_reason() -> None:
    coverage = [SourceCoverage("redfish", (metric("node watts"),))]
    errors = {f"n{i}": f"https://10.0.0.{i}: HTTP 401 to GET /redfish/v1" for i in range(7)}
    report = examine_sources(coverage, {("redfish", "refused"): 7}, [NodeFacts("n1", 100.0, 200.0)], errors)
    ((level, text),) = told(report, "failed questions")
    assert level == "warn"
    assert "n0: https://10.0.0.0: HTTP 401" in text
    assert text.endswith("and 2 more")
    assert "a BMC that does not know who asks" in told(report, "samples")[0][1]
    assert told(examine_sources(coverage, {}, []), "failed questions") == []


def test_advice_is_only_given_of_metrics_that_the_declared_table_has() -> None:
    known = {meaning.metric for meaning in MEANINGS}
    assert set(BY_METRIC) <= known
    assert set(BY_QUANTITY) <= {meaning.quantity for meaning in MEANINGS}
    assert all(install(quantity) for quantity in BY_QUANTITY)
    assert install("celsius") == ""
    assert {*MENDS, *HARMLESS} <= {*BY_NAME, *REFUSALS}
    assert {*REFUSALS} - {*MENDS} == {"other type"}


def test_every_field_of_the_report_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "watch-and-diagnose.md").read_text(encoding="utf-8")
    parts = (doctor_nodes, doctor_pods, doctor_prometheus, doctor_section, doctor_site, doctor_sources_view)
    structs = {one for part in parts for one in vars(part).values() if isinstance(one, type) and issubclass(one, Wire)}
    fields = {field.encode_name for struct in structs - {Wire} for field in msgspec.structs.fields(struct)}
    assert fields
    assert {name for name in fields if f"`{name}`" not in page} == set()


def test_the_report_is_as_bad_as_its_worst_finding() -> None:
    def section(*levels: str) -> SectionReport:
        findings = tuple(Finding(level=level, check="c", text="t") for level in levels)
        return SectionReport(SectionView(name="n", title="N", findings=findings))

    assert report_of([]).status == "ok"
    assert report_of([section("ok", "warn"), section("ok")]).status == "warn"
    assert report_of([section("warn"), section("fail", "ok")]).status == "fail"


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("HTTPConnectionPool(host='p', port=1): Read timed out. (read timeout=2.0)", "no answer within 2 s"),
        (
            "HTTPConnectionPool(host='p', port=1): Max retries exceeded with url: /api (Caused by ConnectTimeoutError("
            "<object>, 'Connection to p timed out. (connect timeout=0.5)'))",
            "no answer within 0.5 s",
        ),
        (
            "('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))",
            "it closed the connection without an answer",
        ),
        (
            "HTTPConnectionPool(host='p', port=1): Max retries exceeded with url: /api (Caused by "
            "NewConnectionError(\"HTTPConnection(host='p', port=1): Failed to establish a new connection: "
            '[Errno 111] Connection refused"))',
            "Connection refused",
        ),
        (
            "HTTPSConnectionPool(host='p', port=1): Max retries exceeded with url: /x (Caused by SSLError("
            "SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
            "self-signed certificate (_ssl.c:1006)')))",
            "self-signed certificate",
        ),
        ("HTTP 401 Unauthorized", "HTTP 401 Unauthorized"),
    ],
)
def test_why_a_connection_failed_is_said_in_plain_words(trouble: str, words: str) -> None:
    assert plain(trouble) == words
