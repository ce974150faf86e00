"""How much of a request is read, and for how long: what keeps a hostile body from holding up the scheduler."""

from dataclasses import dataclass

from powerplane.adapters.serving.limits import MIB, RequestLimits


@dataclass(frozen=True, slots=True)
class Limits(RequestLimits):
    """Bounds on one question of the scheduler, beyond those on any request.

    15,000 full Node objects are about 46 MiB; kube-scheduler gives up after httpTimeout (5 s).

    Parameters
    ----------
    odd_body_bytes : int
        A body that is not as kube-scheduler writes it (other case, members in another order): read in full, so less.
    pod_bytes : int
        The pod in it; the API server keeps none above 1.5 MiB.
    victims_bytes : int
        Proposed victims: kube-scheduler tries a tenth of the nodes, so 3 MiB by UID at 5,000 nodes.
    nodes : int
        Nodes in one question; Kubernetes supports 5,000, the largest clusters have some ten thousands.
    bind_timeout_s : float
        For a binding's own call to the API server.
    """

    body_bytes: int = 64 * MIB
    odd_body_bytes: int = 1 * MIB
    pod_bytes: int = 2 * MIB
    victims_bytes: int = 8 * MIB
    nodes: int = 100_000
    bind_timeout_s: float = 4.0


DEFAULT_LIMITS = Limits()
