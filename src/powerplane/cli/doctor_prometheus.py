"""``powerplane doctor``: the Prometheus itself: whether it answers, its clock, its jobs."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from powerplane.adapters.telemetry.prometheus_status import JobStatus, PrometheusStatus
from powerplane.adapters.telemetry.unanswered import plain
from powerplane.cli.doctor_section import Finding, SectionReport, SectionView
from powerplane.cli.report import words
from powerplane.cli.top_remarks import span
from powerplane.models.plain import printable
from powerplane.models.plan import Wire
from powerplane.models.telemetry.rules import DEFAULT_RULES

MOST_DOWN = 5


class DownView(Wire, frozen=True):
    """A target that is not scraped."""

    instance: str
    error: str


class JobView(Wire, frozen=True):
    """One job.

    Attributes
    ----------
    interval_seconds : float or None
        None where the server does not tell.
    """

    job: str
    interval_seconds: float | None
    targets: int
    down: tuple[DownView, ...]


class PrometheusView(Wire, frozen=True):
    """The server.

    Attributes
    ----------
    url : str
        Without credentials, which none may carry.
    version : str
        "" where it does not tell.
    clock_ahead_seconds : float or None
        Of ours; None where it does not answer.
    """

    url: str
    answers: bool
    version: str
    clock_ahead_seconds: float | None
    jobs: tuple[JobView, ...]


def examine_prometheus(status: PrometheusStatus, url: str) -> SectionReport:
    """Report on the server.

    Parameters
    ----------
    status : PrometheusStatus
    url : str
    """
    view = PrometheusView(
        url=url,
        answers=not status.error,
        version=status.version,
        clock_ahead_seconds=None if status.error else round(status.skew_s, 3),
        jobs=tuple(_job(job) for job in status.jobs),
    )
    if status.error:
        failed = Finding(
            level="fail",
            check="prometheus answers",
            text=f"{url} does not answer: {printable(plain(status.error))}",
            next=f"check that it does: curl '{url}/api/v1/query?query=up'; give --token-file or --header where it asks "
            "who you are",
        )
        return SectionReport(SectionView(name="prometheus", title="Prometheus", findings=(failed,), data=view))
    version = f", version {printable(status.version)}" if status.version else ""
    answers = Finding(level="ok", check="prometheus answers", text=f"{url} answers{version}")
    findings = (answers, _clock(status), *_jobs(status))
    shown = (_table(status.jobs),) if status.jobs else ()
    return SectionReport(SectionView(name="prometheus", title="Prometheus", findings=findings, data=view), shown)


def _clock(status: PrometheusStatus) -> Finding:
    sure = abs(status.skew_s) - status.unsure_s
    way = "ahead of" if status.skew_s > 0 else "behind"
    if sure > DEFAULT_RULES.skew_s:
        return Finding(
            level="warn",
            check="clock",
            text=f"its clock is {words.seconds(abs(status.skew_s))} {way} ours (ages are taken by its own)",
            next="keep both clocks by NTP: timedatectl status",
        )
    return Finding(
        level="ok", check="clock", text=f"its clock is within {words.seconds(max(abs(status.skew_s), 0.01))} of ours"
    )


def _jobs(status: PrometheusStatus) -> list[Finding]:
    if status.untold:
        text = f"it does not tell what it scrapes: {status.untold}"
        return [
            Finding(level="warn", check="targets", text=text, next="ask a Prometheus itself, not what stands before it")
        ]
    found = [_down(job) for job in status.jobs if job.down]
    if not found:
        total = sum(job.targets for job in status.jobs)
        text = f"{words.count(total, 'target')} in {words.count(len(status.jobs), 'job')}, all up"
        found.append(Finding(level="ok", check="targets", text=text))
    return found


def _down(job: JobStatus) -> Finding:
    shown = ", ".join(f"{printable(each.instance)} ({printable(each.error)})" for each in job.down[:MOST_DOWN])
    more = f" and {len(job.down) - MOST_DOWN} more" if len(job.down) > MOST_DOWN else ""
    counted = f"{len(job.down)} of {words.count(job.targets, 'target')} down"
    return Finding(
        level="warn",
        check="targets",
        text=f"job {printable(job.job)}: {counted}: {shown}{more}",
        next="see that the exporter runs there and may be reached",
    )


def _table(jobs: Sequence[JobStatus]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    for heading, is_right in (("job", False), ("scraped every", True), ("targets", True), ("down", True)):
        table.add_column(heading, justify="right" if is_right else "left")
    for job in jobs:
        down = Text(str(len(job.down)), style="bold red" if job.down else "")
        every = "not told" if job.interval_s is None else span(job.interval_s)
        table.add_row(Text(printable(job.job)), Text(every), Text(f"{job.targets:,}"), down)
    return table


def _job(job: JobStatus) -> JobView:
    down = tuple(DownView(instance=each.instance, error=each.error) for each in job.down)
    return JobView(job=job.job, interval_seconds=job.interval_s, targets=job.targets, down=down)
