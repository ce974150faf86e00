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
COUNTED = """
local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long us; } moment; int gettimeofday(moment *, void *);")
local function now()
  local it = ffi.new("moment")
  ffi.C.gettimeofday(it, nil)
  return tonumber(it.s) * 1e6 + tonumber(it.us)
end
local bodies, at, seen, bad, start, most = {}, 0, 0, 0, 0, 0
function init(args)
  for line in io.lines(args[1]) do bodies[#bodies + 1] = wrk.format("POST", nil, nil, line) end
  most = tonumber(args[2])
end
function request()
  if at == 0 then start = now() end
  at = at + 1
  return bodies[at % #bodies + 1]
end
function response(status, _, body)
  seen = seen + 1
  if status >= 300 then
    bad = bad + 1
    if bad == 1 then io.stderr:write(body, "\\n") end
  end
  if seen == most then
    io.write(string.format("FOUND %d %d\\n", now() - start, bad))
    io.flush()
    os.exit(0)
  end
end
"""
PAUSES = "function delay() return math.random(0, {most_ms}) end"


LONGEST_S = 300.0


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


def post_count(url: str, bodies: Path, connections: int, count: int, headers: dict[str, str]) -> tuple[float, int]:
    """Post so many bodies, in turns, over kept-alive connections; returns seconds, and answers that were no success."""
    found = _wrk(COUNTED, url, connections, LONGEST_S, headers, str(bodies), str(count))
    return found[0] / 1e6, found[1]


def drive(
    url: str,
    bodies: Path,
    connections: int,
    seconds: float,
    *,
    pause_ms: int = 0,
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
    """
    pauses = PAUSES.format(most_ms=2 * pause_ms) if pause_ms else ""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    requests, wall_us, bad, *latencies = _wrk(
        SCRIPT.replace("PAUSE", pauses), url, connections, seconds, {}, str(bodies)
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    client_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timing(requests, bad, wall_us / 1e6, client_s, *(each / 1000 for each in latencies))


def _wrk(text: str, url: str, connections: int, seconds: float, headers: dict[str, str], *words: str) -> list[int]:
    """Run wrk with a script; returns the numbers that it writes."""
    given = {"content-type": "application/json", **headers}
    flags = [word for name, value in given.items() for word in ("-H", f"{name}: {value}")]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(text)
        script.flush()
        shape = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "5s"]
        command = [*on_core(1), "wrk", *shape, "-s", script.name, *flags, url, "--", *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("FOUND "))
    return [int(word) for word in line.split()[1:]]
