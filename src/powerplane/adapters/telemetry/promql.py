"""The declared table in PromQL: how each row is asked for."""

from powerplane.models.telemetry.labels import REGEX, label_needed
from powerplane.models.telemetry.readings import Meaning

PART = "powerplane_part"
VALUE, STAMP = "value", "stamp"
"""A sum and the time of the oldest sample in it, told apart by a label."""


def selector(meaning: Meaning) -> str:
    """Choose a row's series: ``kepler_node_cpu_watts{zone="package"}``."""
    matchers = [_matcher(label, value) for label, value in meaning.where]
    if needed := label_needed(meaning):
        matchers.append(f'{needed}!=""')
    return f"{meaning.metric}{{{','.join(matchers)}}}" if matchers else meaning.metric


def raw_samples(meaning: Meaning, window_s: float) -> str:
    """Ask for the samples of the last seconds with their own times; to be asked in an instant query."""
    return f"{selector(meaning)}[{max(1, round(window_s * 1000))}ms]"


def sums(meaning: Meaning, node_labels: tuple[str, ...]) -> str:
    """Ask for sums over what only counts together."""
    return f"sum by ({_by(meaning, node_labels)}) ({selector(meaning)})"


def summed(meaning: Meaning, node_labels: tuple[str, ...]) -> str:
    """Ask for the same, and for the time of the oldest sample in each."""
    stamps = f"min by ({_by(meaning, node_labels)}) (timestamp({selector(meaning)}))"
    parts = ((VALUE, sums(meaning, node_labels)), (STAMP, stamps))
    return " or ".join(f'label_replace({query}, "{PART}", "{part}", "", "")' for part, query in parts)


def _by(meaning: Meaning, node_labels: tuple[str, ...]) -> str:
    naming = (*node_labels, *meaning.node, *meaning.namespace, *meaning.pod, *meaning.uid, *meaning.device)
    return ",".join(dict.fromkeys((*naming, *meaning.kept)))


def _matcher(label: str, value: str) -> str:
    regex = value.startswith(REGEX)
    text = value.removeprefix(REGEX) if regex else value
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{label}{"=~" if regex else "="}"{quoted}"'
