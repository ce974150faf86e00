"""The programs of the rig, built from pinned Go modules and kept outside the checkout.

The cache lies under ``POWERPLANE_RIG_CACHE`` (default ``~/.cache/powerplane-rig``) in a folder named after a digest of
the modules' pins, the Go version and the flags, so that a changed pin builds anew and an unchanged one never does.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TOOLS = Path(__file__).parent / "tools"
KUBERNETES = "v1.36.3"
CACHE_VARIABLE = "POWERPLANE_RIG_CACHE"
ONE_PROGRAM_S = 1800
_VERSION = "k8s.io/component-base/version"
_STAMP = (
    f"-s -w -X {_VERSION}.gitVersion={KUBERNETES} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=36 "
    f"-X {_VERSION}.gitTreeState=clean"
)


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the rig: its name, the module that pins it, its main package and the linker's flags."""

    name: str
    module: str
    package: str
    ldflags: str = "-s -w"


PROGRAMS = (
    Program("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", _STAMP),
    Program("kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", _STAMP),
    Program("kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", _STAMP),
    Program("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
    Program("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok"),
)


class BuildError(Exception):
    """A program that cannot be built here; says which, and what Go said."""


@cache
def go_version() -> str | None:
    """What ``go version`` prints; None without Go."""
    go = shutil.which("go")
    if go is None:
        return None
    return subprocess.run([go, "version"], capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def cache_root() -> Path:
    """Folder of all builds."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "powerplane-rig")


def bin_dir() -> Path:
    """Folder of the programs for the pins of this checkout, whether built or not."""
    digest = hashlib.sha256(repr((PROGRAMS, go_version())).encode())
    for file in sorted(TOOLS.glob("*/go.*")):
        digest.update(file.relative_to(TOOLS).as_posix().encode() + file.read_bytes())
    return cache_root() / digest.hexdigest()[:16]


def missing() -> tuple[Program, ...]:
    """Programs that are not built yet."""
    there = bin_dir()
    return tuple(program for program in PROGRAMS if not (there / program.name).is_file())


def why_not() -> str | None:
    """Why the rig cannot be built here; None where it is built, or may be."""
    if not missing():
        return None
    if sys.platform != "linux":
        return f"the rig runs on Linux, not on {sys.platform}"
    return None if go_version() else "the rig is not built, and there is no Go to build it with (go.mod says which)"


def build() -> Path:
    """Build what is missing, and return the programs' folder.

    One process builds at a time; the others wait for it. Each program appears whole or not at all.

    Raises
    ------
    BuildError
        When Go fails, or its modules cannot be had.
    """
    there = bin_dir()
    there.mkdir(parents=True, exist_ok=True)
    with (there / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for program in missing():
            _build(program, there)
    return there


def _build(program: Program, there: Path) -> None:
    if go_version() is None:
        raise BuildError(f"{program.name}: no Go on PATH")
    began = time.monotonic()
    draft = there / f".{program.name}.{os.getpid()}"
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false", "CGO_ENABLED": "0"}
    command = ["go", "build", "-trimpath", "-o", str(draft), "-ldflags", program.ldflags, program.package]
    try:
        done = subprocess.run(
            command,
            cwd=TOOLS / program.module,
            env=environment,
            capture_output=True,
            text=True,
            timeout=ONE_PROGRAM_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{program.name}: not built within {ONE_PROGRAM_S} s") from error
    if done.returncode:
        draft.unlink(missing_ok=True)
        raise BuildError(f"{program.name}: {done.stderr.strip()[-2000:]}")
    draft.rename(there / program.name)
    sys.stderr.write(f"rig: built {program.name} in {time.monotonic() - began:.0f} s\n")
