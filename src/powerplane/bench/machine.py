"""The machine that figures were measured on, in one line each."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("powerplane", "highspy", "ortools", "numpy", "scipy", "pulp", "msgspec")


def machine_line() -> str:
    """CPU, cores, memory, system."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{_cpu_model()}, {cores} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.release()}"


def version_line() -> str:
    """Python and the libraries that do the work."""
    named = ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)
    return f"Python {platform.python_version()}, {named}"


def load_line() -> str:
    """Load averages over 1, 5 and 15 minutes."""
    return " ".join(f"{load:.2f}" for load in os.getloadavg())


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
