"""A recorded trace as a repair cell: ``python -m powerplane.bench.trace_cells DIR --data DATA --spec JSON``."""

import argparse
import sys
from pathlib import Path

import msgspec

from powerplane.adapters.openb import write_openb_snapshot
from powerplane.bench.command import as_command
from powerplane.bench.suite import TraceSpec


def write_trace(directory: Path, spec: TraceSpec, data_dir: Path) -> None:
    """Write the trace as a snapshot directory, with the cuts and the slack of the generated cells."""
    write_openb_snapshot(
        data_dir / "openb",
        directory,
        budget_share=0.90,
        cut_every=spec.cut_every,
        slack_share=1.12,
        overwrite=True,
    )


@as_command
def main(arguments: list[str] | None = None) -> int:
    """Write one trace cell from the command line."""
    parser = argparse.ArgumentParser(prog="python -m powerplane.bench.trace_cells", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the recorded data sets, openb/ among them")
    parser.add_argument("--spec", required=True, help="a TraceSpec as JSON")
    given = parser.parse_args(arguments)
    write_trace(given.directory, msgspec.json.decode(given.spec, type=TraceSpec), given.data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
