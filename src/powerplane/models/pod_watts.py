"""What a pod says that it will draw: the one place where that is read.

It may say so twice: by a request of ``powerplane.dev/watts``, and by an annotation, where nodes list no watts and a
request would keep the pod off every node. The larger of both counts, so that neither can talk the other down.

Whoever makes a pod may write both. While no webhook answers, nothing raises what he wrote: so what is less than
``least_watts`` is no statement, and the pod counts as one that states none. The webhook never writes less than that, so
that its own predictions, however low a history makes them, are believed.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from powerplane.models.objects import Container, Narrow, PodSpec, RawQuantity
from powerplane.models.requests import WATTS_RESOURCE, Amounts, pod_requests, whole_units
from powerplane.models.usage import devices_milli, is_gpu

PREDICTED_ANNOTATION: Final = "powerplane.dev/predicted-watts"
"""Set on new pods by the webhook alone: whole watts."""

MOST_DIGITS = 9
"""Of the annotation: a gigawatt is beyond any node."""


LEAST_WATTS: Final = 1
"""A pod that asks for nothing draws something, and 0 would let it in anywhere."""

LEAST_MW_PER_CORE: Final = 250
"""A twentieth of what a busy core adds on common servers: what a pod draws that hardly uses its cores."""

LEAST_MW_PER_CARD: Final = 10_000
"""What an accelerator draws beyond its deepest sleep once a process holds it."""


class WattsNote(Narrow, frozen=True):
    """A pod's annotations, of which only the watts are read."""

    watts: str = msgspec.field(default="", name=PREDICTED_ANNOTATION)


def noted_watts(annotations: Mapping[str, str] | WattsNote | None) -> int:
    """Watts by the annotation; 0 where there is none that can be read."""
    if annotations is None:
        return 0
    text = annotations.watts if isinstance(annotations, WattsNote) else annotations.get(PREDICTED_ANNOTATION, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else 0


def requested_watts(spec: PodSpec) -> int:
    """Watts that a pod requests; 0 where it requests none, which needs no sums.

    Raises
    ------
    InputError
        For a quantity that cannot be read.
    """
    return (_requested(pod_requests(spec)) or 0) if names_watts(spec) else 0


def names_watts(spec: PodSpec) -> bool:
    """Whether a pod says anything of watts in a request or a limit."""
    parts: tuple[Container | PodSpec, ...] = (*spec.containers, *(spec.init_containers or ()), spec)
    for each in parts:
        listed = each.resources
        if listed is not None and (_names(listed.requests) or _names(listed.limits)):
            return True
    return _names(spec.overhead)


def stated_watts(amounts: Amounts, annotations: Mapping[str, str] | WattsNote | None) -> int | None:
    """Watts by request or annotation, whichever is more; None where neither is there.

    Parameters
    ----------
    amounts : mapping of str to Fraction
        What it requests (``pod_requests``).
    annotations : mapping of str to str, or WattsNote, or None

    Raises
    ------
    InputError
        For a request beyond any node.
    """
    return larger_watts(_requested(amounts), noted_watts(annotations))


def least_watts(amounts: Amounts) -> int:
    """Watts below which nobody is believed, by what a pod requests; 1 at least.

    Raises
    ------
    InputError
        For more than can be summed up exactly.
    """
    cards = {each: whole_units(each, amount) for each, amount in amounts.items() if is_gpu(each)}
    mcores = whole_units("cpu", amounts["cpu"]) if "cpu" in amounts else 0
    return least_watts_of(mcores, devices_milli(cards) if cards else 0)


def least_watts_of(mcores: int, cards_milli: int = 0) -> int:
    """Return the same by thousandths of cores and of cards."""
    microwatts = mcores * LEAST_MW_PER_CORE + cards_milli * LEAST_MW_PER_CARD
    return max(LEAST_WATTS, -(-microwatts // 1_000_000))


def is_believed(watts: int | None, amounts: Amounts) -> bool:
    """Whether so many watts, stated by a pod that requests so much, count as they stand.

    Raises
    ------
    InputError
        For more than can be summed up exactly.
    """
    return watts is not None and watts >= least_watts(amounts)


def larger_watts(requested: int | None, noted: int) -> int | None:
    """Of what is requested (None: nothing is) and what is noted (0: nothing is), whichever is more."""
    return max(requested or 0, noted) if requested is not None or noted else None


def _requested(amounts: Amounts) -> int | None:
    return whole_units(WATTS_RESOURCE, amounts[WATTS_RESOURCE]) if WATTS_RESOURCE in amounts else None


def _names(amounts: Mapping[str, RawQuantity] | None) -> bool:
    return amounts is not None and WATTS_RESOURCE in amounts
