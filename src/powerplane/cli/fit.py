"""``powerplane fit``."""

import time
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Group, Parameter

from powerplane.adapters.counters_csv import CsvColumns
from powerplane.adapters.object_lists import NodeItem, parse_list
from powerplane.adapters.reading import read_file
from powerplane.adapters.telemetry.prometheus_source import PrometheusSource
from powerplane.cli.exit_codes import OK
from powerplane.cli.fit_card import CardView, fit_card, print_card_table
from powerplane.cli.fit_histories import TypeHistory, of_csv, of_prometheus
from powerplane.cli.fit_view import FitView, TypeFit, build_fit_view, power_file, print_fit_table
from powerplane.cli.loading import write_file
from powerplane.cli.options import Context, Format, Kubeconfig, SnapshotOption, parse_duration
from powerplane.cli.output import print_data, stdout_console
from powerplane.cli.progress import Say, progress
from powerplane.cli.report.fit_page import write_fit_report
from powerplane.cli.watts_source import (
    CaFile,
    Headers,
    NodeLabels,
    PrometheusUrl,
    TokenFile,
    WattsFrom,
    labels,
    open_source,
)
from powerplane.models.errors import InputError, UsageError
from powerplane.models.nodes import node_table
from powerplane.models.objects import Node
from powerplane.models.watts.from_history import Grid
from powerplane.models.watts.heat_fit import fit_heat
from powerplane.models.watts.node_fit import NodeFit
from powerplane.models.watts.rules import FitRules

RECORDING = Group("A recording", sort_key=2)
CARD = Group("An accelerator", sort_key=3)
LIVE_HISTORY = Group("A cluster's history", sort_key=4)
FITTING = Group("The fit", sort_key=5)
FEWEST_STEPS, MOST_STEPS = 2, 200_000


def fit(
    *,
    csv: Annotated[
        Path | None,
        Parameter(group=RECORDING, help="Recording: a row a sample, columns as the next options name them."),
    ] = None,
    watts: Annotated[str | None, Parameter(group=RECORDING, help="Column of watts; `watts` by default.")] = None,
    counters: Annotated[
        str | None,
        Parameter(group=RECORDING, help="Columns of counters, joined by commas; the utilisation first."),
    ] = None,
    time_column: Annotated[str, Parameter(group=RECORDING, help="Column of time: Unix or RFC 3339.")] = "timestamp",
    capacity: Annotated[
        float | None,
        Parameter(group=RECORDING, help="First counter's value of the whole machine; by default the largest seen."),
    ] = None,
    card: Annotated[
        str | None,
        Parameter(group=CARD, help="Fit an accelerator instead: its model, such as H100; --csv has a row a sample."),
    ] = None,
    limit: Annotated[
        str | None, Parameter(group=CARD, help="Column of its power limit; as DCGM or nvidia-smi call it by default.")
    ] = None,
    throughput: Annotated[str | None, Parameter(group=CARD, help="Column of work a second, such as tokens.")] = None,
    prometheus: PrometheusUrl = None,
    history: Annotated[str, Parameter(group=LIVE_HISTORY, help="How far back to look.")] = "24h",
    step: Annotated[str, Parameter(group=LIVE_HISTORY, help="Distance of samples, no shorter than a scrape.")] = "1m",
    type_label: Annotated[
        str | None, Parameter(group=LIVE_HISTORY, help="Label of a node's type; by default its instance type.")
    ] = None,
    snapshot: SnapshotOption = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    header: Headers = None,
    node_label: NodeLabels = None,
    timeout: Annotated[str, Parameter(group=LIVE_HISTORY, help="For each question to Prometheus.")] = "30s",
    server: Annotated[
        str | None, Parameter(group=FITTING, help="Server of the catalogue to start from; by default one of the size.")
    ] = None,
    half_life: Annotated[str, Parameter(group=FITTING, help="Age at which a sample counts half.")] = "336h",
    quantile: Annotated[
        float | None,
        Parameter(group=FITTING, help="Lift the curves so that this share of the samples lies below, such as 0.95."),
    ] = None,
    power_out: Annotated[
        Path | None, Parameter(group=FITTING, help="Write the curves there as a power.yaml, which --power reads.")
    ] = None,
    report: Annotated[Path | None, Parameter(help="Write a page with pictures there as well (HTML).")] = None,
    output: Annotated[Format, Parameter(name=["--output", "-o"], help="Form of what was found on stdout.")] = "table",
) -> int:
    """Learn what nodes draw over their utilisation from their own telemetry.

    From a recording (--csv) or from the history that a Prometheus has of a cluster's nodes (--prometheus), a monotone
    curve is fitted for each node type, starting from a published server's. The error that is shown is that of
    predictions made before the sample was seen. With --card, throughput and watts over an accelerator's power limit
    are fitted instead. Nothing is changed anywhere.
    """
    if card is not None:
        if csv is None or prometheus or report or power_out or counters:
            raise UsageError(
                "--card takes a recording, and neither --counters, --prometheus, --power-out nor --report",
                "give --card MODEL --csv FILE --throughput COLUMN",
            )
        with progress(f"fitting {card}"):
            found_card = fit_card(csv, card, limit=limit, watts=watts, throughput=throughput)
        _show(found_card, output)
        return OK
    rules = FitRules(half_life_s=parse_duration(half_life, "--half-life"))
    if quantile is not None and not 0 < quantile < 1:
        raise UsageError(f"--quantile {quantile:g} is not between 0 and 1", "give a share such as --quantile 0.95")
    if capacity is not None and not 0 < capacity < inf:
        raise UsageError(f"--capacity {capacity:g} is not above 0", "give what the whole machine counts, such as 32")
    if (csv is None) == (prometheus is None):
        problem = "neither --csv nor --prometheus is given" if csv is None else "--csv and --prometheus are both given"
        raise UsageError(problem, "give --csv FILE --watts COLUMN --counters A,B, or --prometheus URL --history 24h")
    where = WattsFrom(prometheus, None, token_file, ca_file, labels(header), labels(node_label))
    _check_apart(
        csv is not None,
        of_recording=(watts, counters, capacity, limit, throughput),
        of_cluster=(snapshot, kubeconfig, context, type_label, token_file, ca_file, header, node_label),
    )
    with progress("reading") as say:
        if csv is not None:
            if not counters:
                raise UsageError("--csv does not say what explains the watts", "name its columns: --counters cpu_time")
            columns = CsvColumns(watts or "watts", tuple(name.strip() for name in counters.split(",")), time_column)
            found = of_csv(csv, columns, capacity, server)
        else:
            grid = _grid(parse_duration(history, "--history"), parse_duration(step, "--step"))
            source = _prometheus(where, parse_duration(timeout, "--timeout"))
            nodes = _nodes(snapshot, kubeconfig, context)
            found = of_prometheus(source, nodes, grid, say, type_label=type_label, server=server)
        fits = tuple(_fitted(each, rules, quantile, say) for each in found)
        view = build_fit_view(fits)
        if power_out:
            write_file(power_out, power_file(fits))
        if report:
            say(f"writing {report}")
            write_fit_report(report, fits, view)
    _show(view, output)
    return OK


def _check_apart(is_recording: bool, of_recording: Sequence[object], of_cluster: Sequence[object]) -> None:
    """Refuse options that would be passed over."""
    if is_recording and any(given is not None for given in of_cluster):
        raise UsageError(
            "--csv goes with neither --snapshot, --kubeconfig, --context, --type-label nor options for a Prometheus",
            "leave those out, or give --prometheus URL in the place of --csv",
        )
    if not is_recording and any(given is not None for given in of_recording):
        raise UsageError(
            "--watts, --counters, --capacity, --limit and --throughput are for recordings",
            "leave those out, or give --csv FILE in the place of --prometheus",
        )
    if of_recording[-2:] != (None, None):
        raise UsageError("--limit and --throughput are for an accelerator", "add --card MODEL, or leave those out")


def _fitted(history: TypeHistory, rules: FitRules, quantile: float | None, say: Say) -> TypeFit:
    say(f"fitting {history.name} to {len(history.samples):,} samples")
    start = NodeFit.start(
        history.prior, counters=history.samples.now.shape[1], full_scale=history.full_scale, rules=rules
    )
    learned = start.follow(history.samples)
    if not len(learned.memory):
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in learned.refused.items()) or "there are none"
        raise InputError(
            f"no sample of {history.name!r} can be learned from: {reasons}", "check the columns and their units"
        )
    if history.heat is not None:
        say(f"holding the heat of {history.name} against its watts")
    heat = None if history.heat is None else fit_heat(history.heat, history.prior, rules)
    return TypeFit(history, learned, learned.curve(quantile), heat)


def _grid(history_s: float, step_s: float) -> Grid:
    """Steps up to now, aligned to whole steps so that the same history gives the same samples."""
    count = int(history_s / step_s) + 1
    if not FEWEST_STEPS <= count <= MOST_STEPS:
        raise UsageError(
            f"--history and --step make {count:,} samples a node, not {FEWEST_STEPS} to {MOST_STEPS:,}",
            "give for example --history 24h --step 1m",
        )
    end_s = time.time() // step_s * step_s
    return Grid(end_s - (count - 1) * step_s, step_s, count)


def _prometheus(where: WattsFrom, timeout_s: float) -> PrometheusSource:
    source = open_source(where, timeout_s=timeout_s).source
    if not isinstance(source, PrometheusSource):
        raise TypeError("a Prometheus was named, and something else was opened")
    return source


def _nodes(snapshot: Path | None, kubeconfig: Path | None, context: str | None) -> Sequence[Node]:
    """Nodes of a snapshot directory, or of the live cluster."""
    if snapshot is not None:
        if kubeconfig or context:
            raise UsageError("--snapshot stands for a cluster, and so do --kubeconfig and --context", "leave those out")
        data = read_file(snapshot / "nodes.json", example="kubectl get nodes -o json > nodes.json")
        nodes: Sequence[Node] = tuple(parse_list(data, NodeItem, "nodes.json"))
    else:
        from powerplane.cli.site_live import list_nodes  # noqa: PLC0415  # the Kubernetes client: a second to import

        nodes = list_nodes(kubeconfig, context)
    node_table(nodes)
    return nodes


def _show(view: FitView | CardView, output: Format) -> None:
    if output == "table" and isinstance(view, CardView):
        print_card_table(view, stdout_console())
    elif output == "table" and isinstance(view, FitView):
        print_fit_table(view, stdout_console())
    elif output == "json":
        print_data(msgspec.json.format(msgspec.json.encode(view), indent=2) + b"\n")
    else:
        print_data(msgspec.yaml.encode(view))
