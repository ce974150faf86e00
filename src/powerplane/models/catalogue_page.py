"""The catalogue as a reference page, so that what is documented is what is computed with."""

from powerplane.models.catalogue import MEMORY_WEIGHT
from powerplane.models.envelopes import Catalogue, GpuEnvelope, ServerEnvelope

_INTRODUCTION = """# Catalogue of power envelopes

What PowerPlane assumes for a server or an accelerator until the node's own telemetry says better. This page is
written by `powerplane.models.catalogue_page` from the data that the package carries; a test compares the two.

The figures are facts of published SPECpower_ssj2008 results (https://www.spec.org/power_ssj2008/results/) and of
vendors' datasheets. A result is measured with little memory and no accelerator: a busy host with many DIMMs, disks
and network cards draws more.

`nearest_server(cpus, memory_gib)` takes the row with the least
|log2(cpus / threads)| + {weight:g} × |log2(memory_gib / GiB)| and never scales it. `gpu(product)` compares names
without case, blanks and underscores, and passes over `-SHARED` and `-MIG-…`.
"""

_SHAPE = """## Typical shape

Where only idle and peak are at hand, the curve between them has the typical shape: at each load level the median,
over {count} published eleven-point curves, of (watts − idle) / (peak − idle).

| load | way from idle to peak |
|---|---|
{rows}
"""

_SERVERS = """## Servers

Watts at the wall. Shape *published*: all eleven knots are the result's own.

| name | system | CPU | sockets | cores | threads | GiB | idle W | 10 % W | 50 % W | peak W | shape | source |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
{rows}
"""

_GPUS = """## Accelerators

Idle is a card's draw without a context, a round figure typical of the model, not a measurement of any one card; a card
that holds a context draws some 25 to 65 W more (doi 10.48550/arXiv.2605.23918). The knee is the lowest share of the
highest limit at which training slowed by less than 10 % in the median (traces of "Zeus", NSDI 2023); — is not measured
or not published. *assumed*: the vendor's model is not disclosed, and another card's envelope stands in.

| model | also | idle W | lowest limit W | highest limit W | knee | basis | source |
|---|---|---|---|---|---|---|---|
{rows}
"""


def catalogue_page(catalogue: Catalogue) -> str:
    """Return the reference page (Markdown) of a catalogue."""
    shape = "\n".join(f"| {10 * level} % | {way:.3f} |" for level, way in enumerate(catalogue.typical_shape))
    parts = (
        _INTRODUCTION.format(weight=MEMORY_WEIGHT),
        _SHAPE.format(count=catalogue.shape_curves, rows=shape),
        _SERVERS.format(rows="\n".join(_server_row(row) for row in catalogue.servers)),
        _GPUS.format(rows="\n".join(_gpu_row(row) for row in catalogue.gpus)),
    )
    return "\n".join(parts)


def _server_row(row: ServerEnvelope) -> str:
    watts = [f"{row.curve.milliwatts[level] / 1000:.4g}" for level in (0, 1, 5, 10)]
    sizes = [str(size) for size in (row.sockets, row.cores, row.threads, row.memory_gib)]
    return _row([f"`{row.name}`", row.system, row.cpu, *sizes, *watts, row.shape, row.source])


def _gpu_row(row: GpuEnvelope) -> str:
    knee = "—" if row.knee is None else f"{row.knee:.0%}"
    lowest = "—" if row.min_limit_watts is None else f"{row.min_limit_watts:g}"
    also = ", ".join(row.aliases) or "—"
    return _row(
        [f"`{row.model}`", also, f"{row.idle_watts:g}", lowest, f"{row.max_watts:g}", knee, row.basis, row.source]
    )


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
