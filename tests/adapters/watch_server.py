"""A small server on loopback that lists and watches one kind as the Kubernetes API does, and can be told to misbehave.

It keeps objects, a counter of resource versions and a history that it can forget. What a healthy kube-apiserver does
not do on demand is asked for by ``plan``: one word for each coming watch. That the reflector follows a real server is
tested elsewhere, against a real one.
"""

import json
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from tests.adapters.api_server import send, status
from tests.loopback import Loopback


class WatchServer(Loopback):
    """Pods by name, and what happened to them."""

    def __init__(self, port: int = 0) -> None:
        self.changed = threading.Condition()
        self.objects: dict[str, dict] = {}
        self.version = 100
        self.history: list[tuple[int, str, dict]] = []
        self.forgotten = 0
        self.snapshots: dict[int, list[dict]] = {}
        self.plan: deque[str] = deque()
        self.list_plan: deque[str] = deque()
        self.asked: list[dict[str, str]] = []
        self.ended = False
        self.breaks = 0
        super().__init__(port)

    def close(self) -> None:
        with self.changed:
            self.ended = True
            self.changed.notify_all()
        super().close()

    # -- what happens in the cluster

    def put(self, name: str, node: str = "") -> None:
        with self.changed:
            self.version += 1
            kind = "MODIFIED" if name in self.objects else "ADDED"
            self.objects[name] = pod(name, node, self.version)
            self._happened(kind, self.objects[name])

    def remove(self, name: str) -> None:
        with self.changed:
            if name in self.objects:
                self.version += 1
                last = self.objects.pop(name)
                self._happened("DELETED", pod(name, last["spec"]["nodeName"], self.version))

    def forget(self) -> None:
        """Compact: no watch may begin before now."""
        with self.changed:
            self.version += 1
            self.forgotten = self.version

    def expect(self, *words: str) -> None:
        """Do this to the coming watches: ``error-410 http-410 http-403 http-500 cut garbage double end slow …``."""
        with self.changed:
            self.plan.extend(words)

    def state(self) -> dict[str, str]:
        with self.changed:
            return {name: each["spec"]["nodeName"] for name, each in self.objects.items()}

    def watches(self) -> list[dict[str, str]]:
        return [query for query in self.asked if "watch" in query]

    def lists(self) -> list[dict[str, str]]:
        return [query for query in self.asked if "watch" not in query]

    def break_watches(self) -> None:
        """End all watches that run."""
        with self.changed:
            self.breaks = self.breaks + 1
            self.changed.notify_all()

    def _happened(self, kind: str, body: dict) -> None:
        self.history.append((self.version, kind, body))
        self.changed.notify_all()

    # -- what the server answers

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        query = {key: values[0] for key, values in parse_qs(urlsplit(handler.path).query).items()}
        self.asked.append(query)
        try:
            (self.watch if "watch" in query else self.list)(handler, query)
        except OSError:
            handler.close_connection = True

    def list(self, handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        at, _, start = query.get("continue", "").partition(":")
        with self.changed:
            word = self.list_plan.popleft() if self.list_plan else ""
            version = int(at or self.version)
            # Pages of one list are of one instant, whatever happens meanwhile.
            if not at:
                self.snapshots[version] = [self.objects[name] for name in sorted(self.objects)]
            items = self.snapshots[version]
        if word.startswith("http-"):
            return status(handler, int(word[5:]), "told to")
        if word == "garbage":
            return send(handler, 200, b"<html>")
        if word == "hang":
            time.sleep(1.2)
        first, limit = int(start or 0), int(query.get("limit", "0")) or len(items) or 1
        metadata = {"resourceVersion": str(version)}
        if first + limit < len(items):
            metadata["continue"] = f"{version}:{first + limit}"
        body = {"kind": "PodList", "metadata": metadata, "items": items[first : first + limit]}
        return send(handler, 200, json.dumps(body).encode())

    def watch(self, handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        with self.changed:
            word = self.plan.popleft() if self.plan else ""
            since = int(query["resourceVersion"])
            gone = since < self.forgotten
            breaks = self.breaks
        if word.startswith("http-") or gone:
            code = int(word[5:]) if word.startswith("http-") else 410
            headers = {"Retry-After": "1"} if code == 429 else None
            return status(handler, code, "too old resource version" if code == 410 else "told to", headers)
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        if word in FIRST_LINES:
            chunk(handler, FIRST_LINES[word])
            if word not in KEEP_ON:
                handler.wfile.write(b"0\r\n\r\n")
                return None
        return self._follow(handler, word, since, time.monotonic() + float(query["timeoutSeconds"]), breaks)

    def _follow(self, handler, word: str, since: int, until: float, breaks: int) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(
                    lambda seen=since: self.version > seen or self.ended or self.breaks != breaks,
                    timeout=max(0.0, until - time.monotonic()),
                )
                fresh = [each for each in self.history if each[0] > since]
                version, ended = self.version, self.ended or self.breaks != breaks
            for _, kind, body in fresh:
                data = line(kind, body)
                if word == "cut":
                    chunk(handler, data[: len(data) // 2])
                    handler.close_connection = True
                    return
                if word == "drip":
                    for start in range(0, len(data), 40):
                        chunk(handler, data[start : start + 40])
                        time.sleep(0.002)
                else:
                    chunk(handler, data * (2 if word == "double" else 1))
                if word == "one":
                    handler.close_connection = True
                    return
            if not fresh and version > since:
                if since < self.forgotten:
                    handler.close_connection = True
                    return
                chunk(handler, bookmark(version))
            since = version
            if ended:
                handler.close_connection = True
                return
            if time.monotonic() >= until:
                chunk(handler, bookmark(version))
                handler.wfile.write(b"0\r\n\r\n")
                return


def pod(name: str, node: str, version: int) -> dict:
    metadata = {"name": name, "namespace": "d", "uid": name, "resourceVersion": str(version)}
    return {"kind": "Pod", "metadata": metadata, "spec": {"nodeName": node, "containers": []}}


def line(kind: str, body: dict) -> bytes:
    return json.dumps({"type": kind, "object": body}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    return line("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": str(version)}})


def failure(code: int, message: str) -> bytes:
    return line("ERROR", {"kind": "Status", "code": code, "message": message})


FIRST_LINES = {
    "error-410": failure(410, "too old resource version"),
    "error-500": failure(500, "etcd is on fire"),
    "garbage": b'{"type":"ADDED","object":\n',
    "misfit": line("ADDED", pod("misfit", 7, 1)),
    "novel": line("RENAMED", pod("x", "", 1)),
    "end": b"",
}
KEEP_ON = {"misfit"}


def chunk(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    if data:
        handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        handler.wfile.flush()
