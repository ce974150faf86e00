"""What a pod says that it will draw: the one place where that is read.

It may say so twice: by a request of ``powerplane.dev/watts``, and by an annotation, where nodes list no watts and a
request would keep the pod off every node. The larger of both counts, so that neither can talk the other down.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from powerplane.models.objects import Container, Narrow, PodSpec, RawQuantity
from powerplane.models.requests import WATTS_RESOURCE, Amounts, pod_requests, whole_units

PREDICTED_ANNOTATION: Final = "powerplane.dev/predicted-watts"
"""Set on new pods by the webhook alone: whole watts."""

MOST_DIGITS = 9
"""Of the annotation: a gigawatt is beyond any node."""


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


def larger_watts(requested: int | None, noted: int) -> int | None:
    """Of what is requested (None: nothing is) and what is noted (0: nothing is), whichever is more."""
    return max(requested or 0, noted) if requested is not None or noted else None


def _requested(amounts: Amounts) -> int | None:
    return whole_units(WATTS_RESOURCE, amounts[WATTS_RESOURCE]) if WATTS_RESOURCE in amounts else None


def _names(amounts: Mapping[str, RawQuantity] | None) -> bool:
    return amounts is not None and WATTS_RESOURCE in amounts
