"""The page in a real browser: it renders, says nothing on the console, and fits the screen."""

import html
import re
import struct
import subprocess
import zlib
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

MEASURE = """<!DOCTYPE html><html><body style="margin:0"><iframe style="border:0;width:{width}px;height:900px"
srcdoc="{page}"></iframe><script>onload = () => {{ const root = document.querySelector("iframe").contentDocument
.documentElement; document.body.dataset.width = root.scrollWidth; document.body.dataset.height = root.scrollHeight;
}}</script></body></html>"""


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
        plan = {"assumptions": ("w" * 300,), "snapshot": "3f9c2a7be01d"}
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


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("case", CASES)
def test_the_page_is_no_wider_than_the_screen(browse: Browse, tmp_path: Path, case: str, width: int) -> None:
    file = tmp_path / "frame.html"
    file.write_text(MEASURE.format(width=width, page=html.escape(page_for(case))), encoding="utf-8")
    shown = browse("--window-size=1400,1000", "--dump-dom", file.as_uri()).stdout
    measured = re.search(r'<body[^>]* data-width="(\d+)" data-height="(\d+)"', shown)
    assert measured is not None
    assert int(measured[1]) == width
    assert int(measured[2]) > 900


def test_the_picture_shows_cold_blue_and_hot_orange_cells(browse: Browse, tmp_path: Path) -> None:
    file, shot = tmp_path / "plan.html", tmp_path / "plan.png"
    file.write_text(page_for("4 racks"), encoding="utf-8")
    browse("--window-size=640,1000", f"--screenshot={shot}", file.as_uri())
    colours = pixels(shot)
    assert colours[0xE2, 0x66, 0x1A] > 500
    assert colours[0x33, 0x71, 0x9F] > 5000
    assert len(colours) > 100


def pixels(path: Path) -> dict[tuple[int, int, int], int]:
    """Count the colours of a PNG with 8 bits a channel (RFC 2083, sections 3 and 6)."""
    data, at, packed = path.read_bytes(), 8, b""
    width = height = channels = 0
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, _, colour = struct.unpack(">IIBB", body[:10])
            channels = {2: 3, 6: 4}[colour]
        packed += body if kind == b"IDAT" else b""
        at += length + 12
    return count_colours(zlib.decompress(packed), width, height, channels)


def count_colours(raw: bytes, width: int, height: int, channels: int) -> dict[tuple[int, int, int], int]:
    stride, counts = width * channels, {}
    above = bytearray(stride)
    for y in range(height):
        start = y * (stride + 1)
        line = unfilter(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), above, channels)
        for x in range(0, stride, channels):
            key = (line[x], line[x + 1], line[x + 2])
            counts[key] = counts.get(key, 0) + 1
        above = line
    return counts


def unfilter(kind: int, line: bytearray, above: bytearray, channels: int) -> bytearray:
    for i in range(len(line)) if kind else ():
        left = line[i - channels] if i >= channels else 0
        corner = above[i - channels] if i >= channels else 0
        line[i] = (line[i] + predict(kind, left, above[i], corner)) & 0xFF
    return line


def predict(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:
        guess = left + up - corner
        return min((left, up, corner), key=lambda value: abs(guess - value))
    return (0, left, up, (left + up) // 2)[kind]
