"""Where commands get their snapshot and their plan from, and where files go."""

import os
import tempfile
from pathlib import Path

import msgspec

from powerplane.adapters.snapshot_directory import read_snapshot
from powerplane.cli.progress import Say
from powerplane.models.errors import InputError, UsageError
from powerplane.models.plan import Plan
from powerplane.models.snapshot import Snapshot

Files = tuple[Path | None, Path | None, Path | None]
"""topology.yaml, power.yaml and usage.csv of a live cluster."""

PLAN_LIMIT_BYTES = 256 * 1024 * 1024
YAML_SUFFIXES = (".yaml", ".yml")


def load_snapshot(
    directory: Path | None,
    *,
    kubeconfig: Path | None = None,
    context: str | None = None,
    files: Files = (None, None, None),
    say: Say | None = None,
) -> Snapshot:
    """Read a snapshot directory or, without one, the live cluster.

    Parameters
    ----------
    directory : Path, optional
    kubeconfig, context : optional
        The cluster; as kubectl finds it by default.
    files : tuple of three paths
        topology.yaml, power.yaml and usage.csv for the live cluster.
    say : Say
        Told how far reading the live cluster has come.

    Raises
    ------
    UsageError
        When a directory is given together with what belongs to a live cluster.
    InputError, UnreachableError
        For what cannot be read, named.
    """
    if directory is None:
        return _read_live(kubeconfig, context, files, say or _say_nothing)
    refuse_both(directory, kubeconfig, context, files)
    return read_snapshot(directory)


def refuse_both(directory: Path, kubeconfig: Path | None, context: str | None, files: Files) -> None:
    """Raise UsageError where a directory is given together with what belongs to a live cluster."""
    if kubeconfig or context or any(files):
        raise UsageError(
            "--snapshot stands for a cluster already, and so do --kubeconfig, --context, --topology, --power, --usage",
            f"leave those out; {directory} has files of its own",
        )


def _say_nothing(what: str) -> None:
    del what


def write_live(
    directory: Path, kubeconfig: Path | None, context: str | None, files: Files, say: Say, *, overwrite: bool = False
) -> None:
    """Write the live cluster into a snapshot directory; nothing is written where anything goes wrong."""
    from powerplane.adapters.cluster import snapshot_cluster  # noqa: PLC0415  # the Kubernetes client: a second to import

    topology, power, usage = files
    snapshot_cluster(
        directory,
        kubeconfig,
        context,
        topology=topology,
        power=power,
        usage=usage,
        on_progress=lambda kind, count: say(f"reading {kind}: {count}"),
        overwrite=overwrite,
    )


def _read_live(kubeconfig: Path | None, context: str | None, files: Files, say: Say) -> Snapshot:
    """Read the cluster by way of a directory, so that live and recorded state are read alike."""
    with tempfile.TemporaryDirectory(prefix="powerplane-") as workplace:
        write_live(Path(workplace), kubeconfig, context, files, say)
        say("reading the snapshot")
        return read_snapshot(workplace)


def load_plan(path: Path) -> Plan:
    """Read a plan from JSON or YAML.

    Raises
    ------
    InputError
        When the file cannot be read, is larger than ``PLAN_LIMIT_BYTES``, or is not a plan.
    """
    data = _read(path)
    try:
        if path.suffix in YAML_SUFFIXES or not data.lstrip().startswith(b"{"):
            return msgspec.yaml.decode(data, type=Plan)
        return msgspec.json.decode(data, type=Plan)
    except (msgspec.DecodeError, ValueError) as error:
        what = " ".join(str(error).split())
        raise InputError(f"{path} is not a plan: {what}", "write one: powerplane plan … --out plan.json") from error


def require_same_snapshot(plan: Plan, snapshot: Snapshot, plan_path: Path, directory: Path) -> None:
    """Raise InputError unless the plan was made from this very snapshot."""
    if plan.snapshot == snapshot.digest:
        return
    if plan.nodes:
        raise InputError(
            f"{plan_path} was made on measured watts, and not on those that {directory} is read with",
            "give the --telemetry DIR that it was made on; what was read live has been checked when the plan was made, "
            "and cannot be read again",
        )
    raise InputError(
        f"{plan_path} was made from snapshot {plan.snapshot!r}, and {directory} is {snapshot.digest!r}",
        f"give the snapshot that the plan was made from, or plan again: powerplane plan --snapshot {directory}",
    )


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises
    ------
    UsageError
        When the directory does not exist or cannot be written to.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", "name a file in a directory that exists") from error


def _read(path: Path) -> bytes:
    mend = "give the file that `powerplane plan --out FILE` wrote"
    try:
        size = path.stat().st_size
        if size > PLAN_LIMIT_BYTES:
            raise InputError(f"{path} has {size} bytes, over the limit of {PLAN_LIMIT_BYTES}", mend)
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", mend) from error
