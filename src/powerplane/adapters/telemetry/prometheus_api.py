"""One question to Prometheus' HTTP API: its answer as bytes, bounded in time, size and attempts."""

import math
import time
from collections.abc import Callable, Mapping

import msgspec
import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from powerplane.adapters.prometheus import BoundedSession, http_words, in_short

MOST_BYTES = 1 << 29
"""Of an answer: a series takes up to a kilobyte, so that half a million fit."""

ATTEMPTS = 2
PAUSE_S = 0.25
TRY_AGAIN = (429, 500, 502, 503, 504)

Parameters = Mapping[str, str]


class NoAnswerError(Exception):
    """There is no usable answer; the text says why."""


class _Trouble(msgspec.Struct, frozen=True):
    error: str = ""


class PrometheusApi:
    """Asks. Not for several threads at once.

    Parameters
    ----------
    url : str
    headers : mapping
        Such as ``Authorization``; sent to this address only, since no redirect is followed.
    ca_file : str or None
        Certificates to trust, instead of the usual ones.
    clock, sleep : callable
        Monotonic seconds; pause.
    most_bytes : int, optional
        Of an answer; ``MOST_BYTES`` where it is left out.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        ca_file: str | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        *,
        most_bytes: int | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._clock = clock
        self._sleep = sleep
        self._session = BoundedSession(30.0, clock, most_bytes or MOST_BYTES)
        self._session.headers.update(headers)
        self._session.verify = ca_file or True
        self._small = PrometheusConnect(self.url, headers=dict(headers), retry=Retry(0), session=self._session)

    def now_s(self, timeout_s: float) -> float:
        """Unix seconds by the server's clock.

        Raises
        ------
        NoAnswerError
        """
        try:
            found = self._small.custom_query("time()", timeout=timeout_s)
            # Prometheus answers with a scalar, VictoriaMetrics with a vector of it.
            evaluated, _ = found[0]["value"] if isinstance(found[0], dict) else found
            now_s = float(evaluated)
        except (requests.RequestException, PrometheusApiClientException, OSError, HTTPError) as error:
            raise NoAnswerError(in_short(error)) from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise NoAnswerError(f"not an answer of Prometheus: {error!r:.200}") from error
        if not math.isfinite(now_s):
            raise NoAnswerError(f"not an answer of Prometheus: its time is {now_s}")
        return now_s

    def get(self, path: str, parameters: Parameters, timeout_s: float) -> bytes:
        """Ask, and once more where that may help.

        Parameters
        ----------
        path : str
            Such as ``/api/v1/query``.
        parameters : mapping
        timeout_s : float
            For all attempts together.

        Raises
        ------
        NoAnswerError
        """
        until = self._clock() + timeout_s
        told = ""
        for attempt in range(ATTEMPTS):
            left_s = until - self._clock()
            if left_s <= 0:
                break
            try:
                answer = self._session.get(f"{self.url}{path}", params=dict(parameters), timeout=left_s)
            except requests.Timeout as error:
                raise NoAnswerError(str(error)) from error
            except (requests.RequestException, OSError, HTTPError) as error:
                told = in_short(error)
            else:
                if answer.status_code == requests.codes.ok:
                    return answer.raw.read()  # type: ignore[no-any-return]  # requests types raw as Any
                told = f"{http_words(answer.status_code)} {_why(answer.raw.read())}".rstrip()
                if answer.status_code not in TRY_AGAIN:
                    break
            if attempt + 1 < ATTEMPTS:
                self._sleep(PAUSE_S)
        raise NoAnswerError(told or f"no complete answer within {timeout_s:g} s")

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _why(body: bytes) -> str:
    try:
        return " ".join(msgspec.json.decode(body, type=_Trouble).error[:300].split())
    except (msgspec.MsgspecError, RecursionError):
        return ""
