"""The page in a real browser: it renders, says nothing on the console, and fits the screen."""

import base64
import html
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.report.samples import INFEASIBLE, make_comparison, sample

from powerplane.cli.report import render_report

pytestmark = pytest.mark.chromium

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
)
Browse = Callable[..., subprocess.CompletedProcess[str]]

WIDTHS = (390, 1280)
FRAME = '<iframe style="border:0;width:{width}px;height:900px" srcdoc="{page}"></iframe>'
MEASURE = """<!DOCTYPE html><html><body>{frames}<script>onload = () => {{
document.body.dataset.sizes = JSON.stringify([...document.querySelectorAll("iframe")].map(frame => {{
  const root = frame.contentDocument.documentElement; return [root.scrollWidth, root.scrollHeight]; }})) }}
</script></body></html>"""
"""Measures the page in frames as wide as a telephone and as a desk's screen; a frame may be narrower than a window."""

COUNT = """<!DOCTYPE html><html><body><img src="data:image/png;base64,%s"><script>onload = () => {
const image = document.querySelector("img"), canvas = document.createElement("canvas"), counts = {};
[canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
const context = canvas.getContext("2d");
context.drawImage(image, 0, 0);
const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
for (let i = 0; i < data.length; i += 4) {
  const key = data[i] + "," + data[i + 1] + "," + data[i + 2];
  counts[key] = (counts[key] || 0) + 1;
}
document.body.dataset.colours = JSON.stringify(counts); }</script></body></html>"""
"""Counts the colours of a picture; one in a data: address may be read back."""


@pytest.fixture
def browse(chromium: str, tmp_path: Path) -> Browse:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [chromium, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)

    return run


def page_for(case: str) -> str:
    if case == "infeasible":
        return render_report(*sample(INFEASIBLE, hot=1.0), title="Plan")
    if case == "comparison":
        snapshot, plan = sample()
        return render_report(snapshot, plan, title="Plan", comparison=make_comparison(snapshot))
    if case == "long names":
        plan = {"assumptions": ("w" * 300,)}
        return render_report(*sample(plan, pod_prefix="w" * 200), title="w" * 200)
    racks = int(case.removesuffix(" racks"))
    return render_report(*sample(racks=racks, nodes_a_rack=20, rows=max(2, racks // 25)), title="Plan")


CASES = ("4 racks", "25 racks", "100 racks", "infeasible", "comparison", "long names")


@pytest.mark.parametrize("case", ["4 racks", "comparison"])
def test_the_page_renders_with_its_headings_and_a_silent_console(browse: Browse, tmp_path: Path, case: str) -> None:
    file = tmp_path / "plan.html"
    file.write_text(page_for(case), encoding="utf-8")
    shown = browse("--dump-dom", file.as_uri())
    for heading in ("Power tree, before and after", "Domains", "What each wave does", "Moves", "How to read this"):
        assert f"<h2>{heading}</h2>" in shown.stdout
    assert "CONSOLE" not in shown.stderr


@pytest.mark.parametrize("case", CASES)
def test_the_page_is_no_wider_than_the_screen(browse: Browse, tmp_path: Path, case: str) -> None:
    file, page = tmp_path / "frames.html", html.escape(page_for(case))
    frames = "".join(FRAME.format(width=width, page=page) for width in WIDTHS)
    file.write_text(MEASURE.format(frames=frames), encoding="utf-8")
    measured = re.search(r'<body[^>]* data-sizes="([^"]*)"', browse("--dump-dom", file.as_uri()).stdout)
    assert measured is not None
    sizes = json.loads(html.unescape(measured[1]))
    assert tuple(width for width, _ in sizes) == WIDTHS
    assert all(height > 900 for _, height in sizes)


def test_the_picture_shows_cold_blue_and_hot_orange_cells(browse: Browse, tmp_path: Path) -> None:
    file, shot, counter = tmp_path / "plan.html", tmp_path / "plan.png", tmp_path / "count.html"
    file.write_text(page_for("4 racks"), encoding="utf-8")
    browse("--window-size=1280,1600", f"--screenshot={shot}", file.as_uri())
    counter.write_text(COUNT % base64.b64encode(shot.read_bytes()).decode(), encoding="utf-8")
    counted = re.search(r'<body[^>]* data-colours="([^"]*)"', browse("--dump-dom", counter.as_uri()).stdout)
    assert counted is not None
    colours = json.loads(html.unescape(counted[1]))
    assert colours["226,102,26"] > 500
    assert colours["51,113,159"] > 5000
    assert len(colours) > 100
