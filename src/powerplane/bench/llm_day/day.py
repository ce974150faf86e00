"""The day: a cluster of accelerators behind fixed breakers, chat requests as they were recorded, and training beside.

Budgets stay as they are while servers are added: six servers in a rack could all draw their most at once.
"""

from dataclasses import replace
from pathlib import Path

from powerplane.models.errors import InputError
from powerplane.simulator.llm import read_requests
from powerplane.simulator.scenario_file import Study, read_scenario
from powerplane.simulator.scenario_shape import TokensEntry

TRACE = Path("azure-llm") / "AzureLLMInferenceTrace_conv.csv.gz"
RACKS = 4
RATED = 6
"""Servers in a rack whose highest draws together are the rack's budget: what fits without any control."""

SCENARIO = """\
name: LLM day, {per_rack} servers in a rack
seed: {seed}
duration: {duration}
step: 10s
starts: Thursday 00:00
cluster:
  types:
    serve: {{cores: 128, memory: 1Ti, curve: [[0, 300], [0.1, 450], [0.5, 700], [1, 1000]],
             accelerators: {{model: H100, count: 8}}}}
    batch: {{cores: 128, memory: 1Ti, curve: [[0, 300], [0.1, 450], [0.5, 700], [1, 1000]],
             accelerators: {{model: H100, count: 8}}}}
  rows:
  - {{name: row-1, racks: 2, nodes: {{serve: {serve}, batch: {batch}}}, feeds: [feed-a, feed-b]}}
  - {{name: row-2, racks: 2, nodes: {{serve: {serve}, batch: {batch}}}, feeds: [feed-c, feed-d]}}
  limits:
    rack: {{budget: 40kW}}
    feed: {{budget: 80kW, breaker: {{rating: 80kW, curve: {curve}}}}}
workloads:
- name: chat
  replicas: {chat}
  requests: {{cpu: 8, memory: 64Gi, accelerators: 1}}
  use: 60%
  tokens: {{file: {trace}, times: {times}}}
  load: {{daily: [[4, 30%], [10, 85%], [15, 100%], [22, 60%]], chance: 5%}}
  nodeType: serve
  priority: 1000
  mayBeDown: 10%
- {{name: train, replicas: {train}, requests: {{cpu: 8, memory: 64Gi, accelerators: 1}}, use: 50%, devices: 95%,
   nodeType: batch, priority: 0}}
- {{name: agent, kind: DaemonSet, requests: {{cpu: 250m, memory: 256Mi}}, use: 80%}}
events:
- {{at: {lost}, lose: feed-a}}
- {{at: {back}, restore: feed-a}}
plan: {{every: 15m}}
throttle: {{means: rapl, every: 10s, lowest: 35%}}
byHand: {{reaction: 5m, again: 1m}}
"""
FIRST_TRIP = 1.05
"""Times its rating from which a breaker trips in the end."""

CURVE = f"[[{FIRST_TRIP}, 1800], [1.15, 600], [1.3, 240], [1.6, 90], [2, 45], [5, 4]]"

START_S = (60, 180)
"""Least and most until a pod of chat or training is ready once it is on a node: weights are loaded first."""

STREAMS_PER_REPLICA = 0.55
"""Of the recorded hour, at the same time, for each accelerator that serves: about 70 % busy at the day's height."""


def read_day(path: Path) -> Study:
    """Read a day's scenario, with model servers that take their time to start."""
    study = read_scenario(path)
    return replace(study, spec=replace(study.spec, pace=replace(study.spec.pace, start_s=START_S)))


def tokens_a_second(data: Path) -> float:
    """Return the tokens, read and written, that one accelerator serves in a second of the trace's own mix."""
    requests, rates = read_requests(data / TRACE), TokensEntry()
    seconds = requests.context / float(rates.prefill) + requests.generated / float(rates.decode)
    return float((requests.context + requests.generated).sum() / seconds.sum())


def write_day(directory: Path, data: Path, per_rack: int, seed: int, hours: int = 24) -> Path:
    """Write the scenario of a day and return its file.

    Parameters
    ----------
    directory : Path
        Where to.
    data : Path
        Directory with the trace in ``azure-llm/``.
    per_rack : int
        Servers in each rack, half of which serve chat.
    seed : int
    hours : int
        Length; a day, or less for tests. The feed is lost at 14/24 of it and comes back at 16/24.

    Raises
    ------
    InputError
        When the trace is not there.
    """
    trace = (data / TRACE).resolve()
    if not trace.is_file():
        raise InputError(f"there is no {TRACE} in {data}", "set POWERPLANE_DATA to the directory that has it")
    serve = per_rack // 2
    batch = per_rack - serve
    chat, train = round(0.9 * 8 * RACKS * serve), round(0.9 * 8 * RACKS * batch)
    text = SCENARIO.format(
        per_rack=per_rack,
        seed=seed,
        duration=f"{hours}h",
        serve=serve,
        batch=batch,
        curve=CURVE,
        chat=chat,
        train=train,
        trace=trace,
        times=f"{STREAMS_PER_REPLICA * chat:.3f}",
        lost=f"{hours * 60 * 14 // 24}m",
        back=f"{hours * 60 * 16 // 24}m",
    )
    path = directory / f"llm-day-{per_rack}.yaml"
    path.write_text(text, encoding="utf-8")
    return path
