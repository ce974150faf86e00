"""Secrets: from a file or the environment only, and never in a message."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from powerplane.models.errors import InputError, UsageError

MOST_BYTES = 1 << 14
HIDDEN = "•••"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A text that shows in no message; ``reveal`` is for where it is used."""

    _text: str

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def reveal(self) -> str:
        """The text itself."""
        return self._text


def redact(text: str, *secrets: Secret) -> str:
    """Take secrets out of a message that somebody else made."""
    for secret in secrets:
        if found := secret.reveal():
            text = text.replace(found, HIDDEN)
    return text


def read_secrets(
    path: Path | None, variable: str, option: str, environment: Mapping[str, str] = os.environ
) -> tuple[Secret, ...]:
    """Return the secrets of a file or of an environment variable, one a line; none where neither is given.

    Parameters
    ----------
    path : Path or None
    variable : str
        Read where there is no file.
    option : str
        That names the file, for messages.
    environment : mapping

    Raises
    ------
    InputError
        For a file that cannot be read, or holds nothing; what it holds is not told.
    """
    if path is None:
        text = environment.get(variable, "")
        return tuple(Secret(line.strip()) for line in text.splitlines() if line.strip())
    try:
        with path.open("rb") as stream:
            text = stream.read(MOST_BYTES).decode()
    except OSError as error:
        raise InputError(f"cannot read {option} {path}: {error.strerror}", "mount the Secret there") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{option} {path} holds no text", "write the secret alone into it") from error
    found = tuple(Secret(line.strip()) for line in text.splitlines() if line.strip())
    if not found:
        raise InputError(f"{option} {path} holds nothing", "write the secret alone into it")
    return found


def only_one(secrets: tuple[Secret, ...], option: str) -> Secret | None:
    """Return the one secret; None where there is none.

    Raises
    ------
    UsageError
    """
    if len(secrets) > 1:
        raise UsageError(f"{option} holds {len(secrets)} lines", "write one")
    return secrets[0] if secrets else None
