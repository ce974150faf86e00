"""What processes use of memory and processors, by the kernel's own books (proc(5)): part by part, phase by phase."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

EVERY_S = 0.25
TICKS = os.sysconf("SC_CLK_TCK")
SPAWNED = b"multiprocessing.spawn"
MIB = 1 << 20


@dataclass
class Use:
    """What a part used in a phase: the most memory at once, how long it was looked at, and processor seconds in it."""

    rss_bytes: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0


@dataclass
class Meter:
    """Looks at processes by name, again and again.

    Parameters
    ----------
    pids : mapping
        By part: the process, asked for anew each time; 0 while there is none.
    clock : callable
    """

    pids: Mapping[str, Callable[[], int]]
    clock: Callable[[], float]
    phases: dict[str, dict[str, Use]] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase, for as long as the block runs."""
        uses = self.phases[name] = {part: Use() for part in self.pids}
        over = threading.Event()
        before = {part: (pid(), cpu_s(pid())) for part, pid in self.pids.items()}
        began_s = self.clock()

        def watch() -> None:
            while not over.wait(EVERY_S):
                for part, pid in self.pids.items():
                    uses[part].rss_bytes = max(uses[part].rss_bytes, rss_bytes(pid()))

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            for part, (was, used_s) in before.items():
                now = self.pids[part]()
                uses[part].wall_s = self.clock() - began_s
                uses[part].cpu_s = cpu_s(now) - (used_s if now == was else 0.0)

    def table(self) -> str:
        """All phases, a line a part."""
        lines = [f"{'phase':8} {'part':12} {'RSS MiB':>8} {'CPU s':>7} {'wall s':>7} {'cores':>6}"]
        for phase, uses in self.phases.items():
            for part, use in uses.items():
                cores = use.cpu_s / use.wall_s if use.wall_s else 0.0
                lines.append(
                    f"{phase:8} {part:12} {use.rss_bytes / MIB:8.0f} {use.cpu_s:7.1f} {use.wall_s:7.1f} {cores:6.2f}"
                )
        return "\n".join(lines)


def rss_bytes(pid: int) -> int:
    """Memory of a process that is in RAM; 0 where there is none."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if pid else 0
    except (OSError, IndexError):
        return 0


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has used, in user's and in system's mode; 0 where there is none."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() if pid else []
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / TICKS if words else 0.0


def solver_of(parent: int) -> int:
    """The process that solves for a recommender; 0 where there is none."""
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            children = [int(word) for word in task.read_text().split()]
            found = [pid for pid in children if SPAWNED in Path(f"/proc/{pid}/cmdline").read_bytes()]
        except OSError:
            continue
        if found:
            return found[0]
    return 0
