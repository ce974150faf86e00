"""A plain HTTPS client of the rig's API server, apart from everything of ours."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from tests.rig.pki import Pair

JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said: the HTTP status, the decoded body ({} where it has none), and its warnings."""

    status: int
    body: Any
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the server did what it was asked."""
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """The server's words, of a refusal."""
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else ""


class ApiError(Exception):
    """A call that had to go well and did not."""


class Api:
    """Calls as one user.

    Parameters
    ----------
    server : str
        ``https://127.0.0.1:PORT``.
    authority : Path
    user : Pair
    """

    def __init__(self, server: str, authority: Path, user: Pair) -> None:
        self.server = server
        self.pool = urllib3.PoolManager(
            maxsize=32,
            block=False,
            retries=False,
            ca_certs=str(authority),
            cert_file=str(user.certificate),
            key_file=str(user.key),
            timeout=urllib3.Timeout(connect=5, read=120),
        )

    def call(self, method: str, path: str, body: Any = None, content_type: str = JSON, **headers: str) -> Answer:
        """One call; whatever the server answers is the result.

        Headers are given with underscores: ``Impersonate_User="bob"``.
        """
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {"Content-Type": content_type, "Accept": JSON} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        answer = self.pool.request(method, self.server + path, body=data, headers=sent)
        try:
            decoded = json.loads(answer.data) if answer.data else {}
        except ValueError:
            decoded = {"message": answer.data.decode(errors="replace")}
        return Answer(answer.status, decoded, tuple(answer.headers.getlist("Warning")))

    def get(self, path: str, **headers: str) -> Any:
        """The body of a GET that goes well."""
        return self._well("GET", path, self.call("GET", path, **headers))

    def post(self, path: str, body: Any) -> Any:
        """The body of a POST that goes well."""
        return self._well("POST", path, self.call("POST", path, body))

    def put(self, path: str, body: Any) -> Any:
        """The body of a PUT that goes well."""
        return self._well("PUT", path, self.call("PUT", path, body))

    def patch(self, path: str, body: Any, content_type: str = MERGE) -> Any:
        """The body of a PATCH that goes well."""
        return self._well("PATCH", path, self.call("PATCH", path, body, content_type))

    def delete(self, path: str, body: Any = None) -> Any:
        """The body of a DELETE that goes well; what is gone already is fine."""
        answer = self.call("DELETE", path, body)
        return answer.body if answer.status == 404 else self._well("DELETE", path, answer)

    def post_all(self, path: str, bodies: Iterable[Any], at_once: int = 16) -> list[Any]:
        """POST many objects, several at once."""
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(lambda body: self.post(path, body), bodies))

    def items(self, path: str) -> list[Any]:
        """Every object of a list, whole."""
        return list(self.get(path)["items"])

    @staticmethod
    def _well(method: str, path: str, answer: Answer) -> Any:
        if not answer.ok:
            raise ApiError(f"{method} {path}: {answer.status} {answer.message}")
        return answer.body
