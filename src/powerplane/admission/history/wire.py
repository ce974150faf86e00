"""What passes between the webhook and the process that reads history for it: a line of JSON each way, a round."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from powerplane.admission.filling import Usual
from powerplane.admission.predicting import KnownDemand


@dataclass(frozen=True, slots=True)
class Histories:
    """What is known of workloads at one moment.

    Parameters
    ----------
    workloads : mapping of str to KnownDemand
        By ``namespace/Kind/name``.
    classes : mapping of str to KnownDemand
        By ``predicting.class_key``.
    containers : mapping of str to mapping of str to Usual
        By workload, and container.
    managed : frozenset of str, or None
        Workloads that a VerticalPodAutoscaler is for; None where that is not known.
    """

    workloads: Mapping[str, KnownDemand] = field(default_factory=dict)
    classes: Mapping[str, KnownDemand] = field(default_factory=dict)
    containers: Mapping[str, Mapping[str, Usual]] = field(default_factory=dict)
    managed: frozenset[str] | None = None


NOTHING_KNOWN = Histories()


class Opening(msgspec.Struct, frozen=True):
    """The first line to the process: what it reads. By a pipe, since command lines are seen by everybody.

    Parameters
    ----------
    url : str
        Of Prometheus.
    headers : dict
    ca_file : str or None
    kubeconfig, context : str or None
        Of the cluster whose pods count.
    timeout_s : float
        For one question.
    """

    url: str
    headers: dict[str, str] = {}
    ca_file: str | None = None
    kubeconfig: str | None = None
    context: str | None = None
    timeout_s: float = 60.0


class Ask(msgspec.Struct, frozen=True):
    """Every further line to it: read on.

    Parameters
    ----------
    containers : bool
        Whether some policy fills requests in, so that containers' use is read as well.
    """

    containers: bool = False


class Told(msgspec.Struct, frozen=True):
    """The answer to each.

    Parameters
    ----------
    histories : Histories or None
        What is known now; None after an error.
    behind : bool
        Whether there is more to read at once.
    error : str
        Why nothing was read; "" where something was.
    """

    histories: Histories | None = None
    behind: bool = False
    error: str = ""
