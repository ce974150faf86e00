"""A receiver in a process of its own: keeps what it is sent in a file before it says so, and misbehaves when told to.

``python receiver.py PORT FILE [TROUBLE]``: each request becomes a line of JSON with its headers and body. TROUBLE is
the chance, from 0 to 1, that a request ends badly: unanswered, answered with 500 or 429, or kept and then broken off,
so that the sender cannot know.
"""

import json
import os
import random
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MOST_BYTES = 1 << 20


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), MOST_BYTES))
        trouble = self.server.chance.random() < self.server.trouble
        kind = self.server.chance.choice(["drop", "500", "429", "kept and dropped"]) if trouble else ""
        if kind in ("", "kept and dropped"):
            self.keep(body)
        if kind.endswith("dropped") or kind == "drop":
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(int(kind) if kind else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def keep(self, body: bytes) -> None:
        line = {"path": self.path, "headers": dict(self.headers.items()), "body": body.decode()}
        with self.server.path.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def log_message(self, *_) -> None:
        pass


class Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, path: Path, trouble: float) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.path, self.trouble, self.chance = path, trouble, random.Random(port)

    def handle_error(self, *_) -> None:
        """A connection that was closed from under its handler says so here."""


def received(path: Path) -> list[dict]:
    """What was kept so far; a line that a killed receiver left unfinished does not count."""
    if not path.exists():
        return []
    found = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


if __name__ == "__main__":
    Server(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 0.0).serve_forever()
