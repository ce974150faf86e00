"""``powerplane crds``, and the copies of the same that the repository keeps."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from powerplane.cli.exit_codes import OK
from powerplane.cli.output import print_data
from powerplane.models.api.crd import crd_documents, crd_files
from powerplane.models.api.page import objects_page


def crds(
    *,
    output: Annotated[
        Literal["yaml", "json"], Parameter(name=["--output", "-o"], help="yaml documents, or one json List.")
    ] = "yaml",
) -> int:
    """Print the definitions of PowerPlane's objects, for `kubectl apply --server-side -f -`.

    PowerDomain (feeds, rows, racks), PowerCappingPolicy and ClusterPowerCappingPolicy (who may draw what, when), and
    PlacementPlan (written by programs). Applied again after an upgrade, they bring a cluster's definitions up to date.
    """
    if output == "yaml":
        print_data("---\n".join(crd_files().values()).encode())
    else:
        whole = {"apiVersion": "v1", "kind": "List", "items": crd_documents()}
        print_data(msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n")
    return OK


def write_crds(directory: Path, page: Path) -> None:
    """Write the CRDs into a directory, one file a kind, and the reference page beside."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in crd_files().items():
        (directory / name).write_text(text, encoding="utf-8")
    page.write_text(objects_page(), encoding="utf-8")


if __name__ == "__main__":
    write_crds(Path(sys.argv[1]), Path(sys.argv[2]))
