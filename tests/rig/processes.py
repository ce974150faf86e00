"""The rig's processes: started in sessions of their own, ended by id, and never outliving the one who wants them."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

STOP_S = 15.0
DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
"""util-linux' way to have the kernel end a child with its parent, crash or not; it replaces itself by the program."""


class StartError(Exception):
    """A part of the rig that does not come up; holds the last lines of its log."""


def free_ports(count: int) -> list[int]:
    """Ports on which nothing listens, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def spawn(command: Sequence[str], log: Path, *, outlive: bool, **environment: str) -> int:
    """Start a program and return its process id.

    Parameters
    ----------
    command : sequence of str
    log : Path
        Where its output goes, behind what is there.
    outlive : bool
        Whether it stays when this process ends; otherwise the kernel ends it with us, also when we crash.
    """
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [*(() if outlive else DIE_WITH_PARENT), *command],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            env={**os.environ, **environment},
        )
    _CHILDREN[process.pid] = process
    return process.pid


def alive(pid: int, program: str = "") -> bool:
    """Whether a process runs, and is the program that it was (ids are used again)."""
    if (child := _CHILDREN.get(pid)) is not None:
        return child.poll() is None
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return False
    return bool(command) and (not program or Path(command).name == program)


def stop(pid: int, program: str = "", *, within_s: float = STOP_S) -> bool:
    """Ask a process to end, and end it where it does not; True where it ended by itself."""
    if not alive(pid, program):
        return True
    os.kill(pid, signal.SIGCONT)
    os.kill(pid, signal.SIGTERM)
    if wait_for(lambda: not alive(pid, program), within_s):
        return True
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not alive(pid, program), 5.0)
    return False


def wait_for(holds: Callable[[], object], within_s: float, every_s: float = 0.05) -> bool:
    """Wait until something holds; False where it did not in time."""
    until = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(every_s)
    return True


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


_CHILDREN: dict[int, "subprocess.Popen[bytes]"] = {}
"""Our own children, so that ended ones are reaped."""
