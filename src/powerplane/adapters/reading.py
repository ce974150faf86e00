"""Reading files that people give us: bounded, and with refusals that say which file, where, and what next."""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec

from powerplane.models.errors import InputError

T = TypeVar("T")

MAX_FILE_BYTES = 1_000_000_000
"""Files beyond this are refused unread: 100,000 pods take about a third of it."""

_CHUNK_BYTES = 1 << 20


def read_file(path: Path, *, example: str = "", max_file_bytes: int = MAX_FILE_BYTES) -> bytes:
    """Read a file whole.

    Parameters
    ----------
    path : Path
    example : str
        A least example of the file, shown where it is missing.
    max_file_bytes : int

    Raises
    ------
    InputError
        When the file is missing, unreadable or too big.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_size > max_file_bytes:
                raise _too_big(path, f"has {status.st_size:,} bytes", max_file_bytes)
            return file.read() if stat.S_ISREG(status.st_mode) else _read_stream(file, path, max_file_bytes)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            shape = f", for example:\n\n{_indented(example)}" if example else ""
            raise InputError(f"{path} does not exist", f"write it{shape}") from error
        raise InputError(f"{path} cannot be read: {error.strerror}", "check its path and permissions") from error


def _read_stream(file: BinaryIO, path: Path, max_file_bytes: int) -> bytes:
    """Read a pipe or device, which does not say beforehand how much will come."""
    data = bytearray()
    while chunk := file.read(_CHUNK_BYTES):
        data += chunk
        if len(data) > max_file_bytes:
            raise _too_big(path, "goes on", max_file_bytes)
    return bytes(data)


def _too_big(path: Path, size: str, max_file_bytes: int) -> InputError:
    return InputError(
        f"{path} {size}, more than the {max_file_bytes:,} bytes that are read",
        "leave out what is not needed (for one namespace: kubectl get -n NAME), or raise the limit",
    )


def convert(raw: Any, kind: type[T], source: str, keys: Mapping[str, type[msgspec.Struct]]) -> T:
    """Turn parsed YAML into structs.

    Parameters
    ----------
    raw : Any
    kind : type
        The struct of the whole file.
    source : str
        The file's name in messages.
    keys : mapping
        Struct by path without indices ("$.domains"), so that a refusal can list the known keys.

    Raises
    ------
    InputError
        For unknown keys and wrong shapes, with the path.
    """
    try:
        return msgspec.convert({} if raw is None else raw, kind)
    except msgspec.ValidationError as error:
        raise _shape_error(str(error), source, keys) from error


def _shape_error(message: str, source: str, keys: Mapping[str, type[msgspec.Struct]]) -> InputError:
    problem, _, path = message.partition(" - at `")
    where = path.rstrip("`") or "$"
    struct = keys.get(re.sub(r"\[[^\]]*\]", "", where))
    known = ", ".join(field.encode_name for field in msgspec.structs.fields(struct)) if struct else ""
    unknown = re.search(r"unknown field `(.*)`", problem)
    if unknown:
        return InputError(
            f"{source}: unknown key {unknown[1]!r} at {_place(where)}", f"correct or remove it; known keys are: {known}"
        )
    hint = f"the keys here are: {known}" if known else "correct the value there"
    return InputError(f"{source}: {problem} at {_place(where)}", hint)


def _place(path: str) -> str:
    """Where in the file, in the words of the file: "domains[3].nodes", "the top"."""
    return path.removeprefix("$").removeprefix(".") or "the top of the file"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
