"""Directories that appear whole: written beside their place, then renamed into it."""

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from powerplane.models.errors import UsageError


def replace_directory(target: Path, files: Mapping[str, bytes], *, replaceable: Collection[str] = ()) -> None:
    """Put files into a directory, all at once.

    Parameters
    ----------
    target : Path
        Absent or empty, or holding nothing but replaceable files.
    files : mapping of bytes by file name
    replaceable : collection of str
        Names of files that may be replaced.

    Raises
    ------
    UsageError
        When the target holds anything else, or cannot be written.
    """
    try:
        _check_free(target, replaceable)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Beside the target, because a rename is atomic only within one file system.
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as workplace:
            new = Path(workplace) / "new"
            new.mkdir()
            for name, data in files.items():
                (new / name).write_bytes(data)
            _swap(new, target, aside=Path(workplace) / "old")
    except OSError as error:
        raise UsageError(
            f"{target} cannot be written: {error.strerror}", "name a directory that you may write to"
        ) from error


def _swap(new: Path, target: Path, aside: Path) -> None:
    if not target.exists():
        new.rename(target)
        return
    target.rename(aside)
    try:
        new.rename(target)
    except OSError:
        aside.rename(target)
        raise


def _check_free(target: Path, replaceable: Collection[str]) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise UsageError(f"{target} is a file", "name a directory")
    present = sorted(entry.name for entry in target.iterdir())
    if present and not replaceable:
        raise UsageError(
            f"{target} is not empty", "name another directory, or add --overwrite to replace the snapshot there"
        )
    if foreign := [name for name in present if name not in replaceable]:
        raise UsageError(
            f"{target} holds {foreign[0]!r}, which is no part of a snapshot", "name another directory, or move it away"
        )
