"""Why a source of watts does not answer, in plain words."""

import re

from powerplane.adapters.telemetry.following import Opened
from powerplane.models.errors import UnreachableError

TIMED = re.compile(r"timed out\. \((?:read|connect) timeout=([\d.]+)\)")
SIGNS = {
    "Remote end closed connection": "it closed the connection without an answer",
    "WRONG_VERSION_NUMBER": "it does not speak TLS; is its address http://…?",
}
"""What libraries say of some failures, and what it means."""
REFUSED = re.compile(r"HTTP 40[13]\b")
CAUSE = re.compile(r"Caused by .*?(?:\[Errno -?\d+\] |certificate verify failed: )([^\"'()\[\]]+)")


def no_answer(opened: Opened, trouble: str) -> UnreachableError:
    """Say that a live source does not answer, and how to see why."""
    if not opened.where.startswith("http"):
        return UnreachableError(
            f"no BMC of {opened.where} answers: {plain(trouble)}",
            "check that one does: curl https://BMC/redfish/v1",
        )
    asks_who = "; give --token-file or --header" if REFUSED.search(trouble) else ""
    return UnreachableError(
        f"Prometheus at {opened.where} does not answer: {plain(trouble)}",
        f"check that it does: curl '{opened.where}/api/v1/query?query=up'{asks_who}",
    )


def plain(trouble: str) -> str:
    """Say why a connection failed, without the library's own words around it: "Connection refused"."""
    if timed := TIMED.search(trouble):
        return f"no answer within {float(timed[1]):g} s"
    for sign, words in SIGNS.items():
        if sign in trouble:
            return words
    found = CAUSE.search(trouble)
    return found[1].strip() if found else trouble
