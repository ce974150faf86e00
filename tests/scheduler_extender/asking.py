"""Questions as kube-scheduler writes them, and an ASGI client without a socket."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

JSON_HEADERS = ((b"content-type", b"application/json"),)


def pod(watts: int | None = 75, **metadata: Any) -> dict[str, Any]:
    requests = {} if watts is None else {"powerplane.dev/watts": str(watts)}
    return {
        "metadata": {"name": "p", "namespace": "d", "uid": "u-1", "creationTimestamp": None, **metadata},
        "spec": {"containers": [{"name": "c", "args": ["a && b"], "resources": {"requests": requests}}]},
        "status": {},
    }


def filter_body(names: Iterable[str] = ("n1", "n2", "n3"), watts: int | None = 75) -> bytes:
    """ExtenderArgs as Go's encoder writes it: compact, with & < > as escapes."""
    return go_json({"Pod": pod(watts), "Nodes": None, "NodeNames": list(names)})


def go_json(value: object) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e").encode()


class Reply(NamedTuple):
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    app: Any,
    path: str,
    chunks: Sequence[bytes] = (b"",),
    method: str = "POST",
    headers: Iterable[tuple[bytes, bytes]] | None = None,
    ending: str = "whole",
) -> Reply | None:
    """Send one request to an ASGI application; `ending` "gone" hangs up after the chunks, "silent" sends no more."""
    if headers is None:
        headers = (*JSON_HEADERS, (b"content-length", b"%d" % sum(map(len, chunks))))
    pending = [
        {"type": "http.request", "body": chunk, "more_body": ending != "whole" or at + 1 < len(chunks)}
        for at, chunk in enumerate(chunks)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if pending:
            return pending.pop(0)
        if ending == "silent":
            await asyncio.sleep(3600)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers), "query_string": b""}
    await app(scope, receive, send)
    if not sent:
        return None
    start, *rest = sent
    assert start["type"] == "http.response.start"
    return Reply(start["status"], dict(start["headers"]), b"".join(part["body"] for part in rest))


def ask_once(app: Any, path: str, body: bytes = b"", **more: Any) -> Reply:
    """One request in a loop of its own."""
    reply = asyncio.run(ask(app, path, [body], **more))
    assert reply is not None
    return reply
