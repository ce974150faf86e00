"""The documentation says what is so: links lead somewhere, commands exist, and the tutorial prints what it shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
TUTORIAL = ROOT / "docs" / "tutorial" / "first-plan.md"

WRITTEN_BY_MAKE = {ROOT / "benchmarks" / "RESULTS.md"}
"""Pages that a command writes after hours, and that may not be there yet."""

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^`(tiny/[\w.]+)`:.*?^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)

MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:work|root|home|Users|tmp|mnt)/")
REGISTRIES = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs|conda\.anaconda\.org|ghcr\.io|docker\.io|quay\.io"
)


def name_of(page: Path) -> str:
    """A page's path from the root, for the names of tests."""
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shell_lines(page: Path) -> list[str]:
    """Every command of a page's shell blocks, without the prompt and the comment."""
    blocks = [body for kind, body in FENCE.findall(page.read_text(encoding="utf-8")) if kind in ("console", "sh")]
    commands: list[str] = []
    for body in blocks:
        lines = body.splitlines()
        prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        commands += prompted or lines
    return [command for line in commands if (command := line.partition(" #")[0].strip())]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if target in WRITTEN_BY_MAKE:
            continue
        assert target.exists(), f"{name_of(page)} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{name_of(page)} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_names_a_path_of_one_machine_or_a_package_registry(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not MACHINE_PATHS.search(text)
    assert not REGISTRIES.search(text)


def test_every_page_under_docs_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(prose(index))}
    assert {page for page in PAGES if page.is_relative_to(index.parent)} - {index} <= linked


def test_the_readme_is_short_and_its_pictures_are_small() -> None:
    assert (ROOT / "README.md").stat().st_size < 8 * 1024
    pictures = list((ROOT / "docs" / "pictures").iterdir())
    assert pictures
    assert all(picture.stat().st_size < 200 * 1024 for picture in pictures)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_and_option_shown_exists(page: Path) -> None:
    reference = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    sections = dict(re.findall(r"^##+ powerplane ([\w -]+)\n(.*?)(?=^##|\Z)", reference, re.MULTILINE | re.DOTALL))
    for line in shell_lines(page):
        if line.startswith("make "):
            assert line.split()[1] in targets, line
        if line.startswith("powerplane ") and line != "powerplane COMMAND":
            words = line.split()
            pair = " ".join(words[1:3])
            name = pair if pair in sections else words[1]
            assert name in sections, line
            for option in re.findall(r"(?<=\s)--?[a-z][a-z-]*", line):
                assert re.search(rf"[`\s,]{option}[`\s,]", sections[name]), f"{option} in {line}"


def run_shell(command: str, cwd: Path) -> tuple[int, str]:
    """Run one line of the tutorial with this interpreter's program first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "COLUMNS": "120", "NO_COLOR": "1"}
    done = subprocess.run(
        command, shell=True, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout


def squeezed(text: str) -> str:
    """Text with every run of spaces made one."""
    return re.sub(r"\s+", " ", text).strip()


def test_the_tutorials_commands_print_what_it_shows(tmp_path: Path) -> None:
    text = TUTORIAL.read_text(encoding="utf-8")
    (tmp_path / "tiny").mkdir()
    files = FILE.findall(text)
    assert {name for name, _ in files} == {
        f"tiny/{n}" for n in ("nodes.json", "pods.json", "power.yaml", "topology.yaml")
    }
    for name, body in files:
        (tmp_path / name).write_text(body, encoding="utf-8")
    blocks = [body for kind, body in FENCE.findall(text) if kind == "console" and not body.startswith("$ make")]
    code, shown, ran = 0, "", 0
    for line in (line for body in blocks for line in body.splitlines()):
        if line == "$ echo $?":
            shown = str(code)
        elif line.startswith("$ "):
            code, shown = run_shell(line[2:], tmp_path)
            shown, ran = "\n".join(squeezed(each) for each in shown.splitlines()), ran + 1
        else:
            assert squeezed(line) in shown.splitlines(), f"{line!r} is not in:\n{shown}"
    assert ran >= 6
    assert (tmp_path / "plan.html").stat().st_size > 10_000
