"""What ``workloads`` learns from: histories of pods and nodes, and of a metric that the user names."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from powerplane.adapters.telemetry.following import Opened
from powerplane.adapters.telemetry.node_histories import read_cores
from powerplane.adapters.telemetry.node_histories import read_history as read_nodes
from powerplane.adapters.telemetry.pod_histories import open_histories
from powerplane.adapters.telemetry.pod_history import Historian
from powerplane.adapters.telemetry.recorded import RecordedSource
from powerplane.cli.measuring import MeasuredState
from powerplane.cli.progress import Say
from powerplane.cli.workloads_view import Throughput
from powerplane.models.demand.confidence import BoundRules
from powerplane.models.demand.efficiency import Unknown, efficiency
from powerplane.models.demand.history import PodHistory, read_history
from powerplane.models.demand.memory import DemandMemory, owners
from powerplane.models.demand.owner_bounds import bounds_watts
from powerplane.models.errors import InputError, UsageError
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.precedence import GPU_SOURCES, POD_USE_SOURCES
from powerplane.models.telemetry.readings import Floats, Meaning, SeriesBlock
from powerplane.models.watts.over_time import BLOCK_S, together, watts_over_time
from powerplane.models.watts.workloads import WorkloadWatts

Form = Literal["auto", "counter", "gauge"]
METRIC = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*", re.DOTALL)
MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~?)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)', re.DOTALL)
COUNTERS = ("_total", "_sum", "_count")
NAMESPACES, PODS = ("exported_namespace", "namespace", "kubernetes_namespace"), ("exported_pod", "pod", "pod_name")
"""Labels that name a pod: what was scraped keeps its own under ``exported_``."""

SHORT = f"the history is shorter than {BLOCK_S / 60:g} minutes, or its samples are farther apart"
FEWEST_STEPS, RISING = 10, 0.5
"""Steps from which on a gauge that never falls is told from a counter; and at what share of them a counter rises."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A metric that the user names.

    Parameters
    ----------
    text : str
        As it was typed.
    meaning : Meaning
    sure : bool
        Whether the user says what it is; else its name does.
    """

    text: str
    meaning: Meaning
    sure: bool


def read_metric(text: str, form: Form) -> Asked:
    """Read ``METRIC`` or ``METRIC{label="value"}``.

    Raises
    ------
    UsageError
        For what is no name of a metric, with matchers or without.
    """
    found = METRIC.fullmatch(text)
    where = _matchers(found[2] or "") if found else None
    if not found or where is None:
        raise UsageError(
            f"--throughput {text!r} is no metric",
            "name one, with labels if need be, such as 'vllm:generation_tokens_total{model_name=\"m\"}'",
        )
    name = found[1]
    counts = form == "counter" or (form == "auto" and name.endswith(COUNTERS))
    return Asked(
        text.strip(),
        Meaning(
            metric=name,
            source="the user's own",
            quantity="throughput",
            kind="counter" if counts else "gauge",
            unit="",
            namespace=NAMESPACES,
            pod=PODS,
            where=where,
        ),
        sure=form != "auto",
    )


def _matchers(text: str) -> tuple[tuple[str, str], ...] | None:
    found, at = [], 0
    while text[at:].strip():
        one = MATCHER.match(text, at)
        if one is None:
            return None
        value = re.sub(r"\\(.)", r"\1", one[3])
        found.append((one[1], f"~{value}" if one[2] == "=~" else value))
        at = one.end()
    return tuple(found)


@dataclass(slots=True)
class Past:
    """What is known of the last hours. One object for one command.

    Parameters
    ----------
    opened : Opened
    state : MeasuredState
    watts : WorkloadWatts
    history_s : float
    say : Say
    """

    opened: Opened
    state: MeasuredState
    watts: WorkloadWatts
    history_s: float
    say: Say
    _pods: PodHistory | None = None
    _named: bool = False

    @property
    def known(self) -> bool:
        """Whether the source can be asked for the past at all."""
        return bool(self.opened.moments) or isinstance(self.opened.source, Historian)

    def pods(self) -> PodHistory | None:
        """What pods used; None where nothing tells."""
        if self._pods is None:
            ask = open_histories(self.opened, self.history_s, len(self._names()), self.say)
            cores, cards = ask.blocks("pod cpu cores", POD_USE_SOURCES), ask.blocks("gpu watts", GPU_SOURCES)
            self._pods = read_history(self._names(), cores, cards, ask.step_s)
        return self._pods

    def demand(self) -> Floats | None:
        """Bounds of each workload's watts, shape (W, 3); None without a history."""
        used = self.pods()
        if used is None:
            return None
        memory = DemandMemory(BoundRules(sample_s=used.step_s))
        used.teach(memory, owners(self._stated))
        return bounds_watts(self._stated, memory.demand(), self.watts.row_of_pod, len(self.watts.owners))

    def throughput(self, asked: Asked) -> Throughput:
        """Throughput per watt of every workload whose pods have the metric; of all where none has."""
        used = self.pods()
        if used is None:
            return {}
        rates = self._rates(asked, used)
        where = (self.opened, self.state.round.facts, self.history_s, 2 * BLOCK_S, self.say)
        over = watts_over_time(self._stated, read_nodes(*where).nodes, used, read_cores(*where))
        rate, watts = together(over, rates, self.watts.row_of_pod, len(self.watts.owners))
        if rates is not None and not np.isfinite(rate).any():
            return dict.fromkeys(self.watts.owners, self._no_rate(asked))
        told = {
            owner: efficiency(asked.text, over.at_s, rate[row], watts[row])
            for row, owner in enumerate(self.watts.owners)
        }
        having = {owner: told[owner] for row, owner in enumerate(self.watts.owners) if np.isfinite(rate[row]).any()}
        return having or told

    @property
    def _stated(self) -> Snapshot:
        return self.state.parted

    def _names(self) -> list[tuple[str, str]]:
        pods = self._stated.pods
        return list(zip(pods.namespaces, pods.names, strict=True))

    def _rates(self, asked: Asked, used: PodHistory) -> PodHistory | None:
        self.say(f"reading the history of {asked.meaning.metric}")
        block = self._block(asked.meaning, used)
        if block is not None and not asked.sure and asked.meaning.kind == "gauge" and _counts_up(block):
            raise InputError(
                f"{asked.text} rises all the time, as a counter does, and its name does not say what it is",
                "say so: --throughput-is counter (or gauge)",
            )
        if block is None or not block.entities:
            return None
        here = set(self._names())
        self._named = any((entity.namespace, entity.pod) in here for entity in block.entities)
        return read_history(self._names(), [block], [], used.step_s)

    def _no_rate(self, asked: Asked) -> Unknown:
        """Say why a metric that has series tells no rate of any pod."""
        if self._named:
            return Unknown(asked.text, SHORT, "ask for a longer history, such as --history 24h, or wait")
        labels = f"labels {' or '.join(NAMESPACES)}, and {' or '.join(PODS)}"
        return Unknown(asked.text, "its series name no pod of this cluster", f"they need the {labels}")

    def _block(self, meaning: Meaning, used: PodHistory) -> SeriesBlock | None:
        if self.opened.moments:
            recorded = RecordedSource(Path(self.opened.where), (meaning,))
            answers = recorded.read(self.opened.moments[-1], self.history_s)
            return next((block for answer in answers for block in answer.blocks if block.entities), None)
        source = self.opened.source
        assert isinstance(source, Historian)
        # By the server's own clock: ours may be ahead of its samples.
        now_s = self.state.round.answers[0].evaluated_s
        return source.history(meaning, now_s - self.history_s, now_s, used.step_s)


def _counts_up(block: SeriesBlock) -> bool:
    """Whether a gauge never falls and rises at most steps."""
    step = np.diff(block.value)
    within = np.diff(np.repeat(np.arange(len(block.entities)), np.diff(block.offsets))) == 0
    known = step[within & np.isfinite(step)]
    return len(known) >= FEWEST_STEPS and not (known < 0).any() and bool((known > 0).mean() > RISING)
