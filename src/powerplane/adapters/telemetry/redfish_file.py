"""bmcs.yaml: which BMC is which node's, and how to log in; passwords stand in files of their own."""

import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from powerplane.adapters.reading import convert, read_file
from powerplane.adapters.telemetry.redfish_http import Endpoint
from powerplane.adapters.topology_file import FileStruct
from powerplane.adapters.yaml_text import parse_yaml
from powerplane.models.errors import InputError

EXAMPLE = """\
user: powerplane
passwordFile: bmc-password
bmcs:
- {node: node-1, url: https://10.1.0.1}
- {node: node-2, url: https://10.1.0.2, chassis: Self}
"""
ADDRESS = re.compile(r"https?://[^/@\s?#]+/?")
MOST_BYTES = 1 << 24
MOST_PASSWORD_BYTES = 1 << 12


Flag = Literal["true", "false"]
"""Our YAML keeps text as text."""


class BmcEntry(FileStruct, frozen=True):
    """A BMC.

    Attributes
    ----------
    node : str
        Name of the Kubernetes node.
    url : str
    user, password_file, session, ca_file, insecure, chassis : optional
        As for all, where they are left out; see ``redfish_http.Endpoint``. Files are found from where this file is.
    """

    node: Annotated[str, msgspec.Meta(min_length=1)]
    url: str
    user: str | None = None
    password_file: str | None = None
    session: Flag | None = None
    ca_file: str | None = None
    insecure: Flag | None = None
    chassis: str | None = None


class BmcFile(FileStruct, frozen=True):
    """The whole file: what holds for all BMCs, and the BMCs."""

    bmcs: tuple[BmcEntry, ...]
    user: str = ""
    password_file: str = ""
    session: Flag = "false"
    ca_file: str = ""
    insecure: Flag = "false"
    chassis: str = ""


KEYS: dict[str, type[msgspec.Struct]] = {"$": BmcFile, "$.bmcs": BmcEntry}


def read_bmcs(path: Path) -> tuple[Endpoint, ...]:
    """Read which BMC is whose.

    Raises
    ------
    InputError
        For a missing or unusable file, two BMCs of one node, and a password that cannot be read. No message tells it.
    """
    file = convert(
        parse_yaml(read_file(path, example=EXAMPLE, max_file_bytes=MOST_BYTES), path.name), BmcFile, path.name, KEYS
    )
    known: dict[str, str] = {}
    passwords: dict[str, str] = {}
    found: list[Endpoint] = []
    for entry in file.bmcs:
        if (first := known.setdefault(entry.node, entry.url)) != entry.url or len(known) <= len(found):
            raise InputError(
                f"{path.name}: node {entry.node!r} has two BMCs, {first} and {entry.url}", "leave one of them"
            )
        found.append(_endpoint(entry, file, path.parent, passwords))
    return tuple(found)


def _endpoint(entry: BmcEntry, file: BmcFile, folder: Path, passwords: dict[str, str]) -> Endpoint:
    if not ADDRESS.fullmatch(entry.url):
        # It is not shown: it may hold a password.
        raise InputError(f"the url of the BMC of node {entry.node!r} is no address", "write it as https://10.1.0.1")
    user = file.user if entry.user is None else entry.user
    named = file.password_file if entry.password_file is None else entry.password_file
    if user and not named:
        raise InputError(f"the BMC of node {entry.node!r} has a user and no password", "name a passwordFile")
    if user and named not in passwords:
        passwords[named] = _password(folder / named)
    ca_file = file.ca_file if entry.ca_file is None else entry.ca_file
    if ca_file and not (folder / ca_file).is_file():
        raise InputError(f"caFile {ca_file} does not exist", "give the authority's certificate (PEM)")
    return Endpoint(
        node=entry.node,
        url=entry.url.rstrip("/"),
        user=user,
        password=passwords[named] if user else "",
        session=(entry.session or file.session) == "true",
        ca_file=str(folder / ca_file) if ca_file else "",
        insecure=(entry.insecure or file.insecure) == "true",
        chassis=file.chassis if entry.chassis is None else entry.chassis,
    )


def _password(path: Path) -> str:
    try:
        text = read_file(path, max_file_bytes=MOST_PASSWORD_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} holds no password", "write it as UTF-8 text, and nothing else") from error
    return text.rstrip("\r\n")
