"""A snapshot on measured watts: a cluster's objects, from a directory or live, and one look at its meters."""

import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from powerplane.adapters.site import make_site
from powerplane.adapters.snapshot_directory import ClusterFiles, no_cycles, read_cluster_files
from powerplane.adapters.telemetry.following import Follower, Opened, Round
from powerplane.adapters.telemetry.unanswered import no_answer
from powerplane.cli.loading import Files, load_snapshot, refuse_both, write_live
from powerplane.cli.progress import Say
from powerplane.cli.watts_source import WattsFrom, open_source
from powerplane.models.errors import InputError, UsageError
from powerplane.models.plan import NodeDraw
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.measured import both_snapshots
from powerplane.models.telemetry.node_readings import NodeReadings
from powerplane.models.telemetry.rules import DEFAULT_RULES
from powerplane.models.watts.workloads import WorkloadWatts, workload_watts

TIMEOUT_S = 30.0
"""For all that is asked of Prometheus."""

LOOK_S = DEFAULT_RULES.frozen_whole_s + DEFAULT_RULES.slowest_scrape_s
"""How far back the one look goes: so that a frozen sensor shows as one."""


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredState:
    """A cluster and one look at its meters.

    Parameters
    ----------
    stated : Snapshot
        Its pods' use as measured, its curves as stated.
    snapshot : Snapshot
        The same with each node drawing what it counts as.
    round : Round
    """

    stated: Snapshot
    snapshot: Snapshot
    round: Round

    @property
    def parted(self) -> Snapshot:
        """What nodes' watts are parted by: curves as stated, since the others hide what is unattributed."""
        cards = self.snapshot.pods.accelerator_mw
        return replace(self.stated, pods=replace(self.stated.pods, accelerator_mw=cards))


def measured_from(watts: WattsFrom) -> Opened | None:
    """Open what the command line names; None where it names nothing.

    Raises
    ------
    UsageError, InputError
        As ``open_source``; and for options that need a source that is not there.
    """
    if watts.prometheus is None and watts.telemetry is None and watts.redfish is None:
        if watts.token_file or watts.ca_file or watts.headers or watts.node_labels:
            raise UsageError(
                "--token-file, --ca-file, --header and --node-label say how to ask a Prometheus, and none is given",
                "add --prometheus URL, or leave them out",
            )
        if not watts.metrics_server:
            return None
    return open_source(watts, timeout_s=TIMEOUT_S)


def load_state(
    directory: Path | None,
    measured: Opened | None,
    *,
    kubeconfig: Path | None,
    context: str | None,
    files: Files,
    say: Say,
) -> tuple[Snapshot, MeasuredState | None]:
    """Read the cluster, on measured watts where a source of them is given.

    Parameters
    ----------
    directory : Path or None
        A snapshot directory; the live cluster without one.
    measured : Opened or None
    kubeconfig, context, files : see ``load_snapshot``
    say : Say

    Raises
    ------
    UsageError, InputError
        For what cannot be used, named.
    UnreachableError
        For a cluster or a Prometheus that does not answer.
    """
    if measured is None:
        return load_snapshot(directory, kubeconfig=kubeconfig, context=context, files=files, say=say), None
    found = load_measured(directory, measured, kubeconfig=kubeconfig, context=context, files=files, say=say)
    return found.snapshot, found


def load_measured(
    directory: Path | None,
    measured: Opened,
    *,
    kubeconfig: Path | None,
    context: str | None,
    files: Files,
    say: Say,
) -> MeasuredState:
    """Read the cluster on measured watts; as ``load_state``."""
    if directory is not None:
        refuse_both(directory, kubeconfig, context, files)
    with _directory(directory, kubeconfig, context, files, say) as place:
        say("reading the snapshot")
        with no_cycles():
            cluster = read_cluster_files(place)
            found = _look(cluster, measured, say)
            readings = found.nodes, found.pods
            both = both_snapshots(cluster.objects, cluster.topology, cluster.power, readings, usage=cluster.usage)
    return MeasuredState(*both, found)


def node_draws(found: MeasuredState) -> tuple[NodeDraw, ...]:
    """What the plan's watts rest on, node by node, and the parts that they add up from."""
    readings, parts = found.round.nodes, workload_watts(found.parted, found.round.nodes)
    row_of = {name: row for row, name in enumerate(found.stated.node_names)}
    draws = []
    for place, name in enumerate(readings.nodes):
        age_s, row = float(readings.age_s[place]), row_of.get(name, -1)
        draws.append(
            NodeDraw(
                name=name,
                watts=round(float(readings.watts[place]), 3),
                state=readings.state[place],
                source=readings.source[place],
                age_seconds=round(age_s, 3) if math.isfinite(age_s) else None,
                why=readings.why[place],
                **_parts(parts, row),
            )
        )
    return tuple(draws)


def _parts(parts: WorkloadWatts, row: int) -> dict[str, float]:
    """Idle, dynamic and unattributed watts of a node, from whole milliwatts; nothing of one that is not measured."""
    if row < 0 or not parts.measured[row]:
        return {}
    idle, other, whole = (int(each[row]) for each in (parts.idle_mw, parts.unattributed_mw, parts.measured_mw))
    return {
        "idle_watts": idle / MILLI,
        "dynamic_watts": (whole - idle - other) / MILLI,
        "unattributed_watts": other / MILLI,
    }


@contextmanager
def _directory(
    directory: Path | None, kubeconfig: Path | None, context: str | None, files: Files, say: Say
) -> Iterator[Path]:
    """Where the cluster's objects stand: in the directory, or in one that is written from the live cluster."""
    if directory is not None:
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="powerplane-") as workplace:
        write_live(Path(workplace), kubeconfig, context, files, say)
        yield Path(workplace)


def _look(cluster: ClusterFiles, measured: Opened, say: Say) -> Round:
    """Take one look at a live source, or follow a recording to its end."""
    site = make_site(cluster.objects.nodes, cluster.topology, cluster.power)
    follower = Follower(measured, time.time, first_window_s=LOOK_S)
    say(f"asking {measured.where}")
    if measured.moments:
        *_, found = follower.replay(site)
    else:
        found = follower.now(site)
        if found.trouble:
            raise no_answer(measured, found.trouble)
    if all(state == "worst" for state in found.nodes.state):
        raise InputError(
            f"{measured.where} tells no watts of any node that can be used{_first_reason(found.nodes)}",
            f"see what is there and what is missing: powerplane doctor {_option(measured)}",
        )
    return found


def _first_reason(readings: NodeReadings) -> str:
    why = next((f" ({name}: {why})" for name, why in zip(readings.nodes, readings.why, strict=True) if why), "")
    return why or " (no series is of a node of this cluster)"


def _option(measured: Opened) -> str:
    if measured.moments:
        return f"--telemetry {measured.where}"
    return f"--prometheus {measured.where}" if measured.where.startswith("http") else f"--redfish {measured.where}"
