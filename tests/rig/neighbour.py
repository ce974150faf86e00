"""Another mutating webhook, such as service meshes have, in the test's own process over TLS."""

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.rig.rig import Rig
from tests.rig.webhook import CONFIGURATIONS

Json = dict[str, Any]
Mutation = Callable[[Json], list[Json]]


class Neighbour:
    """Answers reviews of new pods by a function from a pod to a JSON patch, and counts how often it is asked.

    Parameters
    ----------
    rig : Rig
    mutate : callable
    """

    def __init__(self, rig: Rig, mutate: Mutation) -> None:
        self.asked: dict[str, int] = {}
        neighbour = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
                response: Json = {"uid": request["uid"], "allowed": True}
                if operations := neighbour._answer(request["object"], mutate):
                    patch = base64.b64encode(json.dumps(operations).encode()).decode()
                    response |= {"patchType": "JSONPatch", "patch": patch}
                review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
                body = json.dumps(review).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        pair = rig.authority.issue("neighbour")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pair.certificate, pair.key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        # With the handshake left to the handler's thread, a client that is slow holds up nobody.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _answer(self, pod: Json, mutate: Mutation) -> list[Json]:
        name = pod["metadata"].get("name", "")
        self.asked[name] = self.asked.get(name, 0) + 1
        return mutate(pod)

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def configuration(rig: Rig, name: str, port: int, reinvoked: str) -> Json:
    """Its registration; the API server calls configurations in the order of their names."""
    authority = base64.b64encode(rig.authority.file.read_bytes()).decode()
    hook = {
        "name": "pods.neighbour.example.com",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": f"https://127.0.0.1:{port}/", "caBundle": authority},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "failurePolicy": "Fail",
        "reinvocationPolicy": reinvoked,
        "sideEffects": "None",
        "timeoutSeconds": 5,
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [hook],
    }


@contextmanager
def neighbour(rig: Rig, name: str, mutate: Mutation, reinvoked: str = "IfNeeded") -> Iterator[Neighbour]:
    """One that is registered for as long as the block runs."""
    made = Neighbour(rig, mutate)
    try:
        rig.api.post(CONFIGURATIONS, configuration(rig, name, made.port, reinvoked))
        try:
            yield made
        finally:
            rig.api.call("DELETE", f"{CONFIGURATIONS}/{name}")
    finally:
        made.close()
