"""``powerplane workloads`` on a screen: a row a workload, the hungriest first, and the sum below."""

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from powerplane.cli.report import words
from powerplane.cli.workloads_view import ThroughputView, WorkloadsView, WorkloadView
from powerplane.models.plain import printable

MOST_ROWS, MOST_NAMES = 40, 5


def print_workloads_table(view: WorkloadsView, console: Console) -> None:
    """Print the table, the sum, and what has to be said."""
    console.print(workloads_table(view))
    for line in sum_lines(view):
        console.print(line, soft_wrap=True)
    for line in remarks(view):
        console.print(line, soft_wrap=True)


def workloads_table(view: WorkloadsView) -> Table:
    """Return the table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("workload", overflow="fold")
    for heading in ("pods", "cores", "watts now"):
        table.add_column(heading, justify="right", no_wrap=True)
    if any(each.demand for each in view.workloads):
        table.add_column("will want, W", justify="right", no_wrap=True)
    metric = next((each.throughput.metric for each in view.workloads if each.throughput), "")
    if metric:
        table.add_column("work per watt", overflow="fold")
    for each in view.workloads[:MOST_ROWS]:
        table.add_row(*_cells(each, view, has_metric=bool(metric)))
    if (more := len(view.workloads) - MOST_ROWS) > 0:
        table.caption = Text(f"… and {words.count(more, 'workload')} more: -o json lists all", style="dim")
        table.caption_justify = "left"
    return table


def _cells(each: WorkloadView, view: WorkloadsView, *, has_metric: bool) -> list[Text]:
    name = printable(f"{each.namespace}/{each.workload}")
    pods = f"{each.pods:,}" if not each.unmeasured_pods else f"{each.pods:,}, {each.unmeasured_pods:,} unmeasured"
    watts = "not measured" if each.watts is None else words.watts(each.watts)
    cells = [Text(name), Text(pods), Text(_cores(each)), Text(watts)]
    if any(one.demand for one in view.workloads):
        cells.append(Text(_wants(each)))
    if has_metric:
        cells.append(_figure(each.throughput))
    return cells


def _cores(each: WorkloadView) -> str:
    return f"{each.cores:,.2f}" if not each.assumed_pods else f"{each.cores:,.2f}, {each.assumed_pods:,} assumed"


def _wants(each: WorkloadView) -> str:
    """Target, and between which bounds."""
    if each.demand is None:
        return "no history"
    upper = "anything" if each.demand.upper_watts is None else f"{each.demand.upper_watts:,.0f}"
    return f"{each.demand.target_watts:,.0f} ({each.demand.lower_watts:,.0f} to {upper})"


def _figure(found: ThroughputView | None) -> Text:
    if found is None:
        return Text("")
    if found.per_watt is None:
        return Text(found.reason, "yellow")
    upper = "anything" if found.upper is None else f"{found.upper:.3g}"
    return Text(f"{found.per_watt:.3g} ({found.lower:.3g} to {upper})")


def sum_lines(view: WorkloadsView) -> Iterator[Text]:
    """Yield how the parts add up to what was measured."""
    totals = view.totals
    yield Text(
        f"measured      {totals.measured_watts:>14,.3f} W  on {words.count(view.measured_nodes, 'node')}", "bold"
    )
    yield Text(f"idle          {totals.idle_watts:>14,.3f} W  what the nodes draw without any pod, by their curves")
    yield Text(f"workloads     {totals.workloads_watts:>14,.3f} W  the dynamic watts of all, accelerators included")
    yield Text(f"unattributed  {totals.unattributed_watts:>14,.3f} W  fans, disks, losses, the system, a wrong curve")


def remarks(view: WorkloadsView) -> Iterator[Text]:
    """Yield what has to be said, a line each."""
    if view.unmeasured:
        names = ", ".join(map(printable, view.unmeasured[:MOST_NAMES]))
        more = len(view.unmeasured) - MOST_NAMES
        rest = f" and {more:,} more" if more > 0 else ""
        nodes = words.count(len(view.unmeasured), "node")
        yield Text(
            f"In no figure: {nodes} without a usable sample: {names}{rest}; powerplane doctor says why.", "yellow"
        )
    if metric := next((each.throughput.metric for each in view.workloads if each.throughput), ""):
        yield Text(f"Work per watt: {printable(metric)} a second, over the watts of the pods that tell it.", "dim")
    steps = {each.throughput.next_step for each in view.workloads if each.throughput and each.throughput.next_step}
    for step in sorted(steps):
        yield Text(f"next: {step}", "yellow")
    for note in view.notes:
        yield Text(note, "dim")
