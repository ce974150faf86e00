"""Asking an extender as kube-scheduler does: questions made beforehand, over kept-alive connections with TLS."""

import json
import random
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.extender_books import node_names
from tests.scheduler_extender.certificates import LOOPBACK, Authority, write_pair

from powerplane.adapters.serving.tls import SCHEDULER_NAME

PODS_IN_QUESTION = 200


def questions(nodes: int) -> list[bytes]:
    """Bodies for pods of several namespaces, each about all nodes, compact as Go writes them."""
    names = json.dumps(node_names(nodes), separators=(",", ":"))
    return [f'{{"Pod":{pod(at)},"Nodes":null,"NodeNames":{names}}}'.encode() for at in range(PODS_IN_QUESTION)]


def pod(at: int) -> str:
    """A pod of two containers as the API server keeps it, about 4 KB."""
    container = {
        "name": "app",
        "image": "registry.example/team/app@sha256:" + "0" * 64,
        "args": ["--listen=:8080 && true"],
        "env": [{"name": f"SETTING_{i}", "value": "value-" * 5} for i in range(12)],
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi", "powerplane.dev/watts": "75"}},
        "volumeMounts": [{"name": "token", "readOnly": True, "mountPath": "/var/run/secrets"}],
    }
    meta = {"name": f"web-{at}", "namespace": f"team-{at % 20}", "uid": f"uid-{at}", "resourceVersion": str(at + 1)}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": True}
    managed = [{"manager": "m", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {".": {}}}}}] * 3
    spec = {"containers": [container, {**container, "name": "side"}], "schedulerName": "default-scheduler"}
    whole = {
        "metadata": {**meta, "labels": {"app": "web"}, "ownerReferences": [owner], "managedFields": managed},
        "spec": spec,
        "status": {"phase": "Pending"},
    }
    return json.dumps(whole, separators=(",", ":")).replace("&", "\\u0026")


@dataclass(frozen=True, slots=True)
class Asking:
    """A server process and what it is asked."""

    pid: int
    port: int
    context: ssl.SSLContext
    requests: list[bytes]


class Connection:
    """One kept-alive connection."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        raw = socket.create_connection(("127.0.0.1", port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(raw, server_hostname="localhost")

    def ask(self, request: bytes) -> None:
        """Send a question and read its answer to the last byte."""
        self._socket.sendall(request)
        data = self._socket.recv(1 << 18)
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._socket.recv(1 << 18)
        head = data[:end].lower()
        if not head.startswith(b"http/1.1 200"):
            raise SystemExit(data[:500].decode())
        left = int(head.split(b"content-length: ")[1].split(b"\r\n")[0]) - (len(data) - end - 4)
        while left > 0:
            left -= len(self._socket.recv(1 << 18))

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def ask_for(seconds: float, connection: Connection, requests: list[bytes], times_ms: list[float]) -> None:
    """Ask one question after the other."""
    end = time.perf_counter() + seconds
    at = random.randrange(len(requests))
    while (start := time.perf_counter()) < end:
        connection.ask(requests[at % len(requests)])
        times_ms.append(1e3 * (time.perf_counter() - start))
        at += 1


def measure(asking: Asking, connections: int, seconds: float) -> list[float]:
    """Ask over several connections at once."""
    open_ones = [Connection(asking.port, asking.context) for _ in range(connections)]
    for connection in open_ones:
        connection.ask(asking.requests[0])
    times: list[list[float]] = [[] for _ in open_ones]
    threads = [
        threading.Thread(target=ask_for, args=(seconds, one, asking.requests, found))
        for one, found in zip(open_ones, times, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for connection in open_ones:
        connection.close()
    return [one for found in times for one in found]


def certificates(folder: Path) -> ssl.SSLContext:
    """Write the server's files; returns the scheduler's context."""
    servers, clients = Authority("servers"), Authority("clients")
    write_pair(folder, servers.issue("extender", LOOPBACK))
    (folder / "clients.crt").write_bytes(clients.pem)
    context = ssl.create_default_context(cadata=servers.pem.decode())
    context.load_cert_chain(*write_pair(folder, clients.issue(SCHEDULER_NAME), "client"))
    return context


def request(verb: str, body: bytes) -> bytes:
    """A whole request."""
    head = f"POST /scheduler/v1/{verb} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
