"""The report: one HTML file that needs nothing else, no script and no network."""

import os
import tempfile
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from powerplane.cli.report import heat, words
from powerplane.cli.report.page import build_page
from powerplane.models.errors import InputError
from powerplane.models.frames import Comparison, DrawFrame
from powerplane.models.plain import printable
from powerplane.models.plan import Plan
from powerplane.models.snapshot import Snapshot


def render_report(
    snapshot: Snapshot,
    plan: Plan,
    *,
    title: str,
    frames: tuple[DrawFrame, ...] = (),
    comparison: Comparison | None = None,
) -> str:
    """Render a plan as a self-contained HTML page; the same arguments give the same text.

    Parameters
    ----------
    snapshot : Snapshot
        What the plan was made from.
    plan : Plan
    title : str
    frames : tuple of DrawFrame
        Watts over time of one run, drawn where given.
    comparison : Comparison, optional
        A run without PowerPlane and one with it, drawn side by side.

    Raises
    ------
    InputError
        When the plan was made from another snapshot.
    """
    page = build_page(snapshot, plan, title=title, frames=frames, comparison=comparison)
    return environment().get_template("report.html.j2").render(page=page, plan=plan)


def write_report(
    path: Path,
    snapshot: Snapshot,
    plan: Plan,
    *,
    title: str,
    frames: tuple[DrawFrame, ...] = (),
    comparison: Comparison | None = None,
) -> None:
    """Write the report whole or not at all; parameters as for `render_report`.

    Raises
    ------
    InputError
        When the plan was made from another snapshot, or the file cannot be written.
    """
    write_page(path, render_report(snapshot, plan, title=title, frames=frames, comparison=comparison))


def write_page(path: Path, text: str) -> None:
    """Write a page whole or not at all.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    try:
        _replace(path, text)
    except OSError as error:
        raise InputError(
            f"the report cannot be written to {str(path)!r}: {error.strerror}",
            "give --report a file in a directory that exists and that you may write to",
        ) from error


def _replace(path: Path, text: str) -> None:
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(draft).chmod(0o644)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


@cache
def environment() -> Environment:
    """Return the templates, set up so that no name can break out of its place."""
    environment = Environment(
        loader=PackageLoader("powerplane.cli.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.globals.update(words=words, heat=heat)
    return environment


def _visible(value: object) -> object:
    """Show every name as it is: no control or direction mark of a name reaches the page."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
