"""An extender that writes down what kube-scheduler asks it, so that the scheduler itself says which nodes are feasible.

kube-scheduler hands an extender exactly the nodes that all of its own filters left. One that refuses them all gets
the scheduler's answer about every pod, and nothing is ever bound.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Choice = Callable[[dict[str, Any], list[str]], list[str]]
"""From a pod and the names of its feasible nodes to those that the extender leaves."""


def refuse_all(pod: dict[str, Any], names: list[str]) -> list[str]:
    """Leave no node; no preemption follows, for what is named nowhere cannot be helped."""
    return []


class Oracle:
    """What was asked.

    Parameters
    ----------
    url : str
    choose : callable
        May be set anew at any time.

    Attributes
    ----------
    asked : dict
        By UID of a pod: the feasible nodes of every time that it was asked about.
    """

    def __init__(self, url: str, choose: Choice) -> None:
        self.url = url
        self.choose = choose
        self.asked: dict[str, list[frozenset[str]]] = defaultdict(list)

    def extender(self, **fields: Any) -> dict[str, Any]:
        """Its entry in a scheduler's configuration."""
        entry = {"urlPrefix": self.url, "filterVerb": "filter", "nodeCacheCapable": True, "httpTimeout": "30s"}
        return entry | fields

    def filter(self, args: dict[str, Any]) -> dict[str, Any]:
        """Answer one call."""
        names = list(args["NodeNames"] or ())
        self.asked[args["Pod"]["metadata"]["uid"]].append(frozenset(names))
        return {"NodeNames": self.choose(args["Pod"], names), "FailedNodes": {}, "Error": ""}

    def feasible(self, uid: str) -> frozenset[str]:
        """The scheduler's feasible set for a pod that it has tried; empty where none reached the extender."""
        return self.asked[uid][-1] if self.asked.get(uid) else frozenset()


@contextmanager
def serving(verbs: dict[str, Callable[[dict[str, Any]], Any]]) -> Iterator[str]:
    """Serve callables under /VERB on loopback, and yield the address; one that raises answers 500."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(verbs))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def running_oracle(choose: Choice = refuse_all) -> Iterator[Oracle]:
    """An oracle for as long as the block runs."""
    oracle = Oracle("", choose)
    with serving({"filter": oracle.filter}) as url:
        oracle.url = url
        yield oracle


def _handler(verbs: dict[str, Callable[[dict[str, Any]], Any]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            verb = verbs.get(self.path.rsplit("/", 1)[-1])
            try:
                status, answer = (200, verb(json.loads(body))) if verb else (404, {})
            except Exception as error:  # what a broken extender would say
                status, answer = 500, {"error": str(error)}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_request(self, code: Any = "-", size: Any = "-") -> None:
            """Say nothing on the terminal."""

    return Handler
