"""A small server on loopback that speaks the list part of the Kubernetes API, and can be told to misbehave.

It stands in for what a healthy kube-apiserver will not do on demand: expire tokens, throttle, drip, break off. That
the adapter reads a real one is tested elsewhere, against a real one.
"""

import json
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import yaml
from tests.loopback import Loopback

PREFIXES = {
    "/api/v1/",
    "/apis/policy/v1/",
    "/apis/scheduling.k8s.io/v1/",
    "/apis/apps/v1/",
    "/apis/batch/v1/",
    "/apis/autoscaling.k8s.io/v1/",
    "/apis/powerplane.dev/v1alpha1/",
}


class Api(Loopback):
    """Objects by resource, and what was asked.

    ``trouble`` maps a resource to a function of (handler, query, times asked before) that may answer itself and
    return True.
    """

    def __init__(self) -> None:
        self.objects: dict[str, list[dict]] = {"nodes": [], "pods": []}
        self.trouble: dict[str, Callable] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.headers: list[dict[str, str]] = []
        self.token = "secret-token"
        super().__init__()

    def counts(self) -> Counter:
        return Counter(resource for resource, _ in self.asked)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        resource = url.path.rpartition("/")[2]
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        before = self.counts()[resource]
        self.asked.append((resource, query))
        self.headers.append(dict(handler.headers))
        if handler.headers.get("Authorization") != f"Bearer {self.token}":
            return status(handler, 401, "Unauthorized")
        if resource in self.trouble and self.trouble[resource](handler, query, before):
            return None
        if url.path.rpartition("/")[0] + "/" not in PREFIXES or resource not in self.objects:
            return status(handler, 404, "the server could not find the requested resource")
        return send(handler, 200, page(self.objects[resource], query))


def page(objects: list[dict], query: dict[str, str]) -> bytes:
    start, limit = int(query.get("continue", "0")), int(query.get("limit", "0")) or len(objects) or 1
    metadata = {"resourceVersion": "7"}
    if start + limit < len(objects):
        metadata |= {"continue": str(start + limit), "remainingItemCount": len(objects) - start - limit}
    return json.dumps({"kind": "XList", "metadata": metadata, "items": objects[start : start + limit]}).encode()


def send(handler: BaseHTTPRequestHandler, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    handler.send_response(code)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    for key, value in (headers or {}).items():
        handler.send_header(key, value)
    handler.end_headers()
    handler.wfile.write(body)


def status(handler: BaseHTTPRequestHandler, code: int, message: str, headers: dict[str, str] | None = None) -> None:
    send(handler, code, json.dumps({"kind": "Status", "code": code, "message": message}).encode(), headers)


def refuse(code: int, message: str = "no", times: int = 1_000, headers: dict[str, str] | None = None) -> Callable:
    """Answer the first ``times`` requests with a code."""

    def trouble(handler, _, before):
        if before < times:
            status(handler, code, message, headers)
        return before < times

    return trouble


def expire(times: int) -> Callable:
    """Answer the first ``times`` requests that carry a continue token with 410."""
    seen = Counter()

    def trouble(handler, query, _):
        if "continue" not in query or seen["410"] >= times:
            return False
        seen["410"] += 1
        status(handler, 410, "the provided continue parameter is too old")
        return True

    return trouble


def truncate(times: int) -> Callable:
    """Break the first ``times`` connections off in the middle of the body."""

    def trouble(handler, _, before):
        if before >= times:
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"kind":"PodList","items":[')
        handler.close_connection = True
        return True

    return trouble


def drip(seconds: float) -> Callable:
    """Send a byte now and then, never quiet for long, for ever."""

    def trouble(handler, *_):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" " * 100)
                time.sleep(seconds)
        except OSError:
            handler.close_connection = True
        return True

    return trouble


def kubeconfig(path: Path, server: str, token: str = "secret-token") -> Path:
    """Write a kubeconfig with the contexts "here" (current) and "there"."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("here", "there")],
    }
    path.write_text(yaml.safe_dump(content))
    return path
