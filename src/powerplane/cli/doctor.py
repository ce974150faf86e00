"""``powerplane doctor``."""

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from powerplane.cli.doctor_section import DoctorView, Finding, Level, SectionReport, SectionView, worst
from powerplane.cli.doctor_site import Ground
from powerplane.cli.doctor_telemetry import examine_telemetry
from powerplane.cli.exit_codes import FAULTY, OK
from powerplane.cli.options import Format, parse_duration
from powerplane.cli.output import print_data, stdout_console
from powerplane.cli.progress import Say, progress
from powerplane.cli.report import words
from powerplane.cli.site import LIVE_SITE, SiteFrom, SiteOptions, read_site
from powerplane.cli.watts_options import NO_SOURCE, Source
from powerplane.cli.watts_source import WattsFrom, open_source
from powerplane.models.errors import InputError, PowerPlaneError, UsageError
from powerplane.models.plain import printable
from powerplane.models.telemetry.metrics import SCRAPED
from powerplane.models.telemetry.metrics_use import OWNERS

QUESTIONS = 6
"""Of --timeout, one question to the API server may take this part."""

MARKS: dict[Level, tuple[str, str]] = {"ok": ("✓", "green"), "warn": ("△", "yellow"), "fail": ("✗", "bold red")}


def doctor(
    *,
    source: Source = NO_SOURCE,
    where: SiteOptions = LIVE_SITE,
    timeout: Annotated[
        str, Parameter(help="For one round of questions to Prometheus; a sixth of it for one to the API server.")
    ] = "30s",
    output: Annotated[Format, Parameter(name=["--output", "-o"], help="Form of the report on stdout.")] = "table",
) -> int:
    """Say whether budgets can be held here: by the cluster as it stands, and by what is measured; what to type next.

    The cluster: versions and features, rights, the webhook and what a new pod is given (a dry run), whether the
    scheduler asks, certificates, clocks, holes in the power topology, which lock each policy gets and why, pods
    without watts, and other controllers that bite. --no-cluster and --snapshot leave it out.

    Telemetry, where a source is given: asks the Prometheus (or reads the recorded pages) once, judges every sample,
    and shows for each source its metrics, series, nodes, ages and bad samples, and for each node by which source it
    counts and what a better one is kept from.

    Nothing is changed anywhere, and no credential is shown. Exit code 3: findings that stop enforcement.
    """
    watts = source.watts_from()
    timeout_s = parse_duration(timeout, "--timeout")
    has_cluster = not where.no_cluster and where.snapshot is None
    wanted = watts != WattsFrom() or not has_cluster
    opened = open_source(watts, timeout_s=timeout_s, meanings=(*SCRAPED, *OWNERS)) if wanted else None
    with progress("reading nodes and domains") as say:
        sections = [*_cluster(where, timeout_s, say, alone=opened is None)] if has_cluster else []
        if opened is not None:
            ground = read_ground(where, say)
            sections += examine_telemetry(watts, opened, ground, timeout_s, clock=time.time, say=say)
        else:
            sections.append(no_telemetry())
    view = report_of(sections)
    if output == "table":
        print_report(sections, view, stdout_console())
    else:
        print_data(encode(view, output))
    return FAULTY if view.status == "fail" else OK


def _cluster(where: SiteFrom, timeout_s: float, say: Say, *, alone: bool) -> Iterator[SectionReport]:
    """The parts about the cluster; none where it cannot be found and telemetry says so, too.

    Raises
    ------
    InputError
        Where it cannot be found, and there is nothing else to look at.
    """
    from powerplane.adapters.cluster_access import open_cluster  # noqa: PLC0415  # the Kubernetes client: a second to import
    from powerplane.cli.doctor_cluster.examining import examine_cluster  # noqa: PLC0415  # the Kubernetes client: a second to import

    try:
        access = open_cluster(where.kubeconfig, where.context)
    except InputError:
        if alone:
            raise
        return
    try:
        yield from examine_cluster(access, timeout_s / QUESTIONS, say)
    finally:
        access.api.rest_client.close()


def no_telemetry() -> SectionReport:
    """Say that nothing measured was looked at."""
    finding = Finding(
        level="ok", check="sources", text="not looked at: give --prometheus URL, --telemetry or --redfish"
    )
    return SectionReport(SectionView(name="telemetry", title="Telemetry", findings=(finding,)))


def read_ground(where: SiteFrom, say: Say) -> Ground:
    """Read nodes and domains; where they cannot be read, say why.

    Raises
    ------
    UsageError
        For options that do not go together.
    """
    if where.no_cluster and where.topology is None and where.power is None:
        return Ground(None, is_wanted=False)
    try:
        return Ground(read_site(where, say, datetime.now(UTC)))
    except UsageError:
        raise
    except PowerPlaneError as error:
        return Ground(None, error)


def report_of(sections: Iterable[SectionReport]) -> DoctorView:
    """Put the parts together."""
    views = tuple(section.view for section in sections)
    return DoctorView(status=worst([finding for view in views for finding in view.findings]), sections=views)


def print_report(sections: Iterable[SectionReport], view: DoctorView, console: Console) -> None:
    """Print the report: each part's figures, then its findings; last the verdict."""
    for section in sections:
        console.print(Text(section.view.title, style="bold"))
        for shown in section.shown:
            console.print(Padding(shown, (0, 0, 0, 2)))
        console.print(Padding(_lines(section.view.findings), (0, 0, 0, 2)))
        console.print()
    console.print(_verdict(view))


def encode(view: DoctorView, form: Format) -> bytes:
    """Return the report as indented JSON with a newline at the end, or as YAML."""
    if form == "yaml":
        return msgspec.yaml.encode(view)
    return msgspec.json.format(msgspec.json.encode(view), indent=2) + b"\n"


def _lines(findings: Iterable[Finding]) -> Table:
    """Findings one below the other, each with what to do next; what is too long goes on below itself."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for finding in findings:
        mark, style = MARKS[finding.level]
        grid.add_row(Text(mark, style), Text.assemble((f"{finding.check}: ", "dim"), printable(finding.text)))
        if finding.next:
            grid.add_row("", Text(f"next: {printable(finding.next)}", style="cyan"))
    return grid


def _verdict(view: DoctorView) -> Text:
    counts = [sum(f.level == level for s in view.sections for f in s.findings) for level in ("fail", "warn")]
    if view.status == "fail":
        stop = "finding stops" if counts[0] == 1 else "findings stop"
        return Text(f"{counts[0]} {stop} enforcement, {counts[1]} to look at", style=MARKS["fail"][1])
    if view.status == "warn":
        return Text(f"fit to enforce by; {words.count(counts[1], 'finding')} to look at", style=MARKS["warn"][1])
    return Text("all is well", style=MARKS["ok"][1])
