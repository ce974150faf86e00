"""Small worlds for tests, from a scenario's text."""

from pathlib import Path

from powerplane.simulator.scenario_file import Study, read_scenario

SMALL = """\
seed: 3
duration: 2h
step: 5s
starts: Monday 08:00
cluster:
  types:
    web: {cores: 16, memory: 64Gi, curve: [[0, 100], [0.1, 140], [0.5, 220], [1, 320]], fans: 30W}
    gpu: {cores: 32, memory: 128Gi, curve: [[0, 150], [1, 500]], accelerators: {model: H100, count: 4}}
  rows:
  - {name: row-1, racks: 2, nodes: {web: 4, gpu: 1}, feeds: [feed-a, feed-b]}
  - {name: row-2, racks: 2, nodes: {web: 4}, feeds: [feed-c]}
  limits:
    rack: {budget: 90%}
    feed: {budget: 80%, breaker: {rating: 90%, curve: [[1.05, 1800], [1.3, 240], [2, 45], [5, 4]]}}
workloads:
- {name: shop, replicas: 40, requests: {cpu: 2, memory: 4Gi}, use: 60%, load: {chance: 5%, bursts: {perDay: 20}},
   autoscale: {least: 10, most: 60}}
- {name: db, replicas: 6, requests: {cpu: 2, memory: 4Gi}, apart: true, mayBeDown: 20%}
- {name: batch, kind: Job, perHour: 60, minutes: 10, requests: {cpu: 2, memory: 2Gi}, use: 95%}
- {name: chat, replicas: 4, requests: {cpu: 2, memory: 16Gi, accelerators: 1}, tokens: {synthetic: {perSecond: 4}}}
- {name: train, replicas: 2, requests: {cpu: 2, memory: 16Gi, accelerators: 1}, devices: 95%}
- {name: agent, kind: DaemonSet, requests: {cpu: 250m, memory: 256Mi}, use: 80%}
"""


def study_of(text: str, directory: Path, *, seed: int | None = None) -> Study:
    """Read a scenario from its text."""
    path = directory / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return read_scenario(path, seed=seed)
