"""How much of a request is read, and for how long: what keeps a hostile body from holding up the scheduler."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one request.

    Parameters
    ----------
    body_bytes : int
        The whole body. 15,000 full Node objects are about 46 MiB.
    odd_body_bytes : int
        A body that is not as kube-scheduler writes it (other case, members in another order): read in full, so less.
    pod_bytes : int
        The pod in it; the API server keeps none above 1.5 MiB.
    victims_bytes : int
        Proposed victims: kube-scheduler tries a tenth of the nodes, so 3 MiB by UID at 5,000 nodes.
    nodes : int
        Nodes in one question; Kubernetes supports 5,000, the largest clusters have some ten thousands.
    total_bytes : int
        Bodies of all requests that are being read at the same time.
    read_timeout_s : float
        From the head of a request to the last byte of its body. kube-scheduler gives up after httpTimeout (5 s).
    bind_timeout_s : float
        For a binding's own call to the API server.
    head_timeout_s : float
        From a connection's first moment, or from a request's first byte, to the end of its head.
    head_bytes : int
        The head of a request.
    """

    body_bytes: int = 64 * MIB
    odd_body_bytes: int = 1 * MIB
    pod_bytes: int = 2 * MIB
    victims_bytes: int = 8 * MIB
    nodes: int = 100_000
    total_bytes: int = 256 * MIB
    read_timeout_s: float = 5.0
    bind_timeout_s: float = 4.0
    head_timeout_s: float = 5.0
    head_bytes: int = 32 << 10


DEFAULT_LIMITS = Limits()
