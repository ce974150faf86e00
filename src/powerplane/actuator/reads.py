"""What is looked up before an act: asked again where the server is busy or broken, as a look changes nothing."""

import time
from collections.abc import Callable

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_http import TRANSPORT_ERRORS, Answer, Request, fetch

ATTEMPTS = 4
PAUSE_S = 0.1


def read(
    access: ClusterAccess,
    path: str,
    within_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """Read an object; answers that may pass (429, 5xx, broken connections) are not the last word at once.

    Parameters
    ----------
    access : ClusterAccess
    path : str
    within_s : float
        For all attempts together.
    clock : callable
        Seconds that only go on.
    sleep : callable

    Raises
    ------
    urllib3.exceptions.HTTPError, OSError
        When no whole answer comes in time.
    """
    until_s = clock() + within_s
    for _ in range(ATTEMPTS - 1):
        pause_s = PAUSE_S
        try:
            answer = fetch(access, Request("GET", path), max(until_s - clock(), PAUSE_S))
        except TRANSPORT_ERRORS:
            if clock() + pause_s >= until_s:
                raise
        else:
            pause_s = max(pause_s, answer.retry_after_s or 0.0)
            if not _may_pass(answer.status) or clock() + pause_s >= until_s:
                return answer
        sleep(pause_s)
    return fetch(access, Request("GET", path), max(until_s - clock(), PAUSE_S))


def _may_pass(status: int) -> bool:
    return status == 429 or status >= 500
