"""What benchmarks of a port share: its certificates, a process's time, and wrk as the client.

wrk is compiled, so that its own time hardly counts, and is kept on a core of its own where there are two.
"""

import os
import resource
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.scheduler_extender.certificates import LOOPBACK, Authority, write_pair

SCRIPT = """
local bodies, at = {}, 0
function init(args)
  for line in io.lines(args[1]) do bodies[#bodies + 1] = wrk.format("POST", nil, nil, line .. "\\n") end
end
function request() at = at % #bodies + 1; return bodies[at] end
PAUSE
function done(summary, latency)
  local errors = summary.errors
  local bad = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("FOUND %d %d %d %d %d %d %d\\n", summary.requests, summary.duration, bad,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
"""
PAUSES = "function delay() return math.random(0, {most_ms}) end"


@dataclass(frozen=True, slots=True)
class Timing:
    """What wrk saw, and what it took.

    Parameters
    ----------
    requests, bad : int
        Answered; answered with another status than 2xx or 3xx, or not at all.
    wall_s, client_s : float
        Elapsed; wrk's own processor time.
    p50_ms, p99_ms, p999_ms, max_ms : float
    """

    requests: int
    bad: int
    wall_s: float
    client_s: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


def processor_s(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def on_core(core: int) -> tuple[str, ...]:
    """Words that keep a command on one core; none where there is one core only."""
    cores = sorted(os.sched_getaffinity(0))
    return ("taskset", "-c", str(cores[core % len(cores)])) if len(cores) > 1 else ()


def server_certificates(folder: Path, name: str) -> ssl.SSLContext:
    """Write a port's pair (tls.crt, tls.key); returns a context that trusts it."""
    authority = Authority(name)
    write_pair(folder, authority.issue(name, LOOPBACK))
    return ssl.create_default_context(cadata=authority.pem.decode())


def drive(
    url: str,
    bodies: Path,
    connections: int,
    seconds: float,
    *,
    pause_ms: int = 0,
    headers: dict[str, str] | None = None,
) -> Timing:
    """Post bodies, in turns, over kept-alive connections, each as soon as it has its answer.

    Parameters
    ----------
    url : str
    bodies : Path
        One a line.
    connections : int
    seconds : float
    pause_ms : int
        How long each connection rests before a question: evenly from 0 to twice this.
    headers : dict, optional
    """
    pauses = PAUSES.format(most_ms=2 * pause_ms) if pause_ms else ""
    given = {"content-type": "application/json", **(headers or {})}
    flags = [word for name, value in given.items() for word in ("-H", f"{name}: {value}")]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT.replace("PAUSE", pauses))
        script.flush()
        shape = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "5s"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [*on_core(1), "wrk", *shape, "-s", script.name, *flags, url, "--", str(bodies)],
            capture_output=True,
            text=True,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    line = next(line for line in done.stdout.splitlines() if line.startswith("FOUND "))
    requests, wall_us, bad, *latencies = (int(word) for word in line.split()[1:])
    client_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timing(requests, bad, wall_us / 1e6, client_s, *(each / 1000 for each in latencies))
