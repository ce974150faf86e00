"""What is shipped: every way to install the package holds the same files, and the links at the root are only links."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "powerplane"
LINKS = {"models", "solver", "adapters", "scheduler_extender"}
LISTER = """
import json, pathlib, powerplane
root = pathlib.Path(powerplane.__file__).parent
print(json.dumps([str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts]))
"""


def package_files() -> set[str]:
    """Every file of the package in the tree, compiled ones left out."""
    found = (path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(PACKAGE)) for path in found}


def run(*command: object, cwd: Path = ROOT) -> str:
    """Run a program in a clean surrounding and return what it says."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_TARGET"))}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=clean, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_links_at_the_root_point_into_the_package() -> None:
    for name in LINKS:
        link = ROOT / name
        assert link.is_symlink()
        assert link.readlink() == Path("src/powerplane") / name
        assert link.resolve() == PACKAGE / name


def imported_roots(path: Path) -> set[str]:
    """First names of all absolute imports of a file."""
    roots = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            roots.add(node.module.partition(".")[0])
    return roots


def test_nothing_imports_through_the_links() -> None:
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    assert len(files) > 50
    assert not [path for path in files if imported_roots(path) & LINKS]


def test_every_locked_requirement_carries_a_hash_and_no_address() -> None:
    for name in ("runtime", "build", "dev"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        assert "://" not in text
        pins = [block for block in text.replace("\\\n", " ").splitlines() if block and not block.startswith((" ", "#"))]
        assert pins
        assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)


def test_the_lock_of_development_holds_all_that_the_others_hold() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
        return {line.partition(" ")[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}

    assert pins("runtime") | pins("build") <= pins("dev")


def test_the_lock_meets_what_the_package_asks_for() -> None:
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    locked: dict[str, set[str]] = {}
    for line in (ROOT / "requirements" / "runtime.txt").read_text().splitlines():
        if found := re.match(r"([\w.-]+)==([^\s;]+)", line):
            locked.setdefault(canonicalize_name(found[1]), set()).add(found[2])
    for requirement in map(Requirement, asked):
        pins = locked[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(pin) for pin in pins), f"{requirement} against {pins}: make lock"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what git would ship, so that building leaves nothing behind in the checkout."""
    copy = tmp_path_factory.mktemp("tree") / "powerplane"
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, listed):
        source, target = ROOT / name, copy / name
        if not source.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target, follow_symlinks=False)
    return copy


@pytest.fixture(scope="module")
def archives(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return wheel and sdist, built offline with the locked build tools; the wheel is built from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, tree)
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


def installed_files(place: Path, *what: object) -> set[str]:
    """Files of the package after installing it into a fresh environment, with pip and the build tools from here."""
    venv.create(place, with_pip=False, symlinks=True)
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(*pip, "--ignore-installed", "--prefix", place, *what, cwd=place)
    return set(ast.literal_eval(run(place / "bin" / "python", "-c", LISTER, cwd=place)))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["wheel", "sdist", "tree", "editable"])
def test_every_way_to_install_gives_the_same_files(
    way: str, archives: tuple[Path, Path], tree: Path, tmp_path: Path
) -> None:
    wheel, sdist = archives
    what = {"wheel": (wheel,), "sdist": (sdist,), "tree": (tree,), "editable": ("-e", tree)}[way]
    assert installed_files(tmp_path / "env", *what) == package_files()


@pytest.mark.slow
def test_the_shipped_files_include_every_kind_of_data(archives: tuple[Path, Path]) -> None:
    names = zipfile.ZipFile(archives[0]).namelist()
    for wanted in ("powerplane/py.typed", ".html.j2", ".css.j2", "powerplane/models/data/"):
        assert any(wanted in name for name in names), wanted
    scripts = next(name for name in names if name.endswith("entry_points.txt"))
    text = zipfile.ZipFile(archives[0]).read(scripts).decode()
    assert "powerplane = powerplane.cli.main:main" in text
    assert "kubectl-powerplane = powerplane.cli.main:main" in text


@pytest.mark.slow
def test_no_archive_holds_a_module_twice(archives: tuple[Path, Path]) -> None:
    wheel, sdist = archives
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"powerplane"}
    with tarfile.open(sdist) as archive:
        seconds = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert not seconds & LINKS
    assert {"src", "tests", "Makefile", "requirements", "pyproject.toml", "README.md", "LICENSE"} <= seconds
