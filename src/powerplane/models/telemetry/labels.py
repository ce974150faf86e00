"""From a series' labels to whom it is about, as the declared table says."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from powerplane.models.telemetry.readings import Entity, Meaning

REGEX = "~"
"""Begins a value that is a regular expression."""

Labels = Mapping[str, str]


def labels_read(meaning: Meaning) -> tuple[str, ...]:
    """Every label that naming an entity, choosing series, or what is kept depends on, each once."""
    naming = (*meaning.node, *meaning.namespace, *meaning.pod, *meaning.uid, *meaning.container, *meaning.device)
    return tuple(dict.fromkeys((*naming, *(label for label, _ in meaning.where), *meaning.kept)))


def label_needed(meaning: Meaning) -> str:
    """Name the label without which a series is not about a pod at all; "" where there is none such.

    Most of cAdvisor's series belong to control groups of the system. The namespace is asked for, and not the pod: of
    it there are few values, and Prometheus looks through all of them.
    """
    return meaning.namespace[0] if len(meaning.namespace) == 1 and not meaning.device else ""


def entity_of(meaning: Meaning, labels: Labels) -> Entity | None:
    """Name whom a series is about; None where the labels do not say it.

    A metric of pods has to name its pod, a metric of nodes its node. One of devices that pods hold (GPUs) names its
    node; the pod is there or not.
    """
    entity = Entity(
        _first(meaning.node, labels),
        _first(meaning.namespace, labels),
        _first(meaning.pod, labels),
        _first(meaning.uid, labels),
        _first(meaning.container, labels),
        _first(meaning.device, labels),
    )
    of_pods = bool(meaning.pod) and not meaning.device
    named = entity.pod if of_pods else entity.node
    return entity if named else None


def counts(meaning: Meaning, labels: Labels) -> bool:
    """Whether a series is one that the meaning is about."""
    needed = label_needed(meaning)
    if needed and not labels.get(needed):
        return False
    return all(_matcher(value)(labels.get(label, "")) for label, value in meaning.where)


def _first(names: tuple[str, ...], labels: Labels) -> str:
    for name in names:
        if value := labels.get(name):
            return value
    return ""


@lru_cache(maxsize=256)
def _matcher(value: str) -> Callable[[str], bool]:
    if not value.startswith(REGEX):
        return value.__eq__
    pattern = re.compile(value.removeprefix(REGEX))
    return lambda text: pattern.fullmatch(text) is not None
