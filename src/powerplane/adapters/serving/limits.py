"""How much of a request is read, and for how long, whoever sends it."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Bounds on one request.

    Parameters
    ----------
    body_bytes : int
        The whole body.
    total_bytes : int
        Bodies of all requests that are being read at the same time.
    read_timeout_s : float
        From the head of a request to the last byte of its body.
    head_timeout_s : float
        From a connection's first moment, or from a request's first byte, to the end of its head.
    head_bytes : int
        The head of a request.
    """

    body_bytes: int = 4 * MIB
    total_bytes: int = 256 * MIB
    read_timeout_s: float = 5.0
    head_timeout_s: float = 5.0
    head_bytes: int = 32 << 10


DEFAULT_LIMITS = RequestLimits()
