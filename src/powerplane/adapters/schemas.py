"""JSON Schemas of the files that others write and read, generated from the structs that read and write them."""

import sys
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec

from powerplane.adapters.power_file import PowerFile
from powerplane.adapters.topology_file import TopologyFile
from powerplane.models.plan import Plan

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Meta(msgspec.Struct, frozen=True):
    """What every object must have; pods and other namespaced objects a namespace, too."""

    name: str
    namespace: str | msgspec.UnsetType = msgspec.UNSET


class Item(msgspec.Struct, frozen=True):
    """An object of the Kubernetes API; ``kind`` may be left out."""

    metadata: Meta
    kind: str | msgspec.UnsetType = msgspec.UNSET


class ListFile(msgspec.Struct, frozen=True):
    """A list, as kubectl prints it; its kind is List, or that of its items followed by List."""

    items: list[Item]
    kind: str = "List"


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas by name: topology and power (the YAML files), list (the JSON files), plan (``-o json``)."""
    files: dict[str, tuple[str, Any]] = {
        "topology": ("topology.yaml of a snapshot directory", TopologyFile),
        "power": ("power.yaml of a snapshot directory", PowerFile),
        "list": ("A list of objects in a snapshot directory", ListFile | list[Item]),
        "plan": ("A placement plan", Plan),
    }
    return {name: {"$schema": DIALECT, "title": title} | _schema(kind) for name, (title, kind) in files.items()}


def write_schemas(directory: Path) -> None:
    """Write every schema to ``NAME.schema.json`` in a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (directory / f"{name}.schema.json").write_text(schema_text(schema), encoding="utf-8")


def schema_text(schema: dict[str, Any]) -> str:
    """Return a schema as the committed files hold it."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


def _schema(kind: Any) -> dict[str, Any]:
    schema: dict[str, Any] = tidy(msgspec.json.schema(kind))
    return schema


def tidy(value: Any) -> Any:
    """Take the source code's indents out of descriptions."""
    if isinstance(value, list):
        return [tidy(item) for item in value]
    if isinstance(value, dict):
        return {key: cleandoc(item) if _is_text(key, item) else tidy(item) for key, item in value.items()}
    return value


def _is_text(key: str, item: Any) -> bool:
    return key == "description" and isinstance(item, str)


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
