"""A small Redfish service on loopback that can be told to misbehave: what a BMC will not do on demand."""

import base64
import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = "/redfish/v1"
USER, PASSWORD = "reader", "s3cret"

Json = dict[str, Any]


def link(path: str) -> Json:
    return {"@odata.id": f"{ROOT}{path}"}


def members(*paths: str) -> Json:
    return {"Members": [link(path) for path in paths], "Members@odata.count": len(paths)}


def older(watts: float | None = 344.0, chassis: str = "1U") -> dict[str, Json]:
    """Resources of a service with Power only, whose second control is a part of the first."""
    controls = [{"MemberId": "0", "PowerConsumedWatts": watts}, {"MemberId": "1", "PowerConsumedWatts": 45}]
    return {
        "/Chassis": members(f"/Chassis/{chassis}"),
        f"/Chassis/{chassis}": {
            "Power": link(f"/Chassis/{chassis}/Power"),
            "Location": {
                "PostalAddress": {"Building": "B1", "Room": "2"},
                "Placement": {"Row": "North", "Rack": "WEB43"},
            },
        },
        f"/Chassis/{chassis}/Power": {"PowerControl": controls},
    }


def newer(watts: float | None = 350.0) -> dict[str, Json]:
    """Resources of a service that has both."""
    both = older()
    both["/Chassis/1U"] |= {"EnvironmentMetrics": link("/Chassis/1U/EnvironmentMetrics")}
    return both | {"/Chassis/1U/EnvironmentMetrics": {"PowerWatts": {"Reading": watts, "DataSourceUri": "/x"}}}


def supplies(*watts: float) -> dict[str, Json]:
    """Resources of a service that tells power supplies only."""
    base = "/Chassis/1U/PowerSubsystem"
    found: dict[str, Json] = {
        "/Chassis": members("/Chassis/1U"),
        "/Chassis/1U": {"PowerSubsystem": link(base)},
        base: {"PowerSupplies": link(f"{base}/PowerSupplies")},
        f"{base}/PowerSupplies": members(*(f"{base}/PowerSupplies/{place}" for place in range(len(watts)))),
    }
    for place, each in enumerate(watts):
        found[f"{base}/PowerSupplies/{place}"] = {"Metrics": link(f"{base}/PowerSupplies/{place}/Metrics")}
        found[f"{base}/PowerSupplies/{place}/Metrics"] = {"InputPowerWatts": {"Reading": each}}
    return found


class Bmc:
    """Serves resources by their path below the root to who is logged in, and remembers what was asked.

    ``trouble`` is asked first, with the handler and how many requests came before, and may answer itself and return
    True.
    """

    def __init__(self, resources: dict[str, Json], certificate: Path | None = None) -> None:
        self.resources = resources
        self.trouble: Callable[[Any, int], bool] = lambda *_: False
        self.asked: list[str] = []
        self.tokens: set[str] = set()
        self.logins = 0
        self.connections = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def do_GET(self) -> None:
                outer.handle(self)

            def do_POST(self) -> None:
                outer.handle(self)

            def do_DELETE(self) -> None:
                outer.handle(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def handle(self, handler: Any) -> None:
        length = int(handler.headers.get("Content-Length", 0))
        body = handler.rfile.read(length)
        before = len(self.asked)
        self.asked.append(f"{handler.command} {handler.path}")
        if self.trouble(handler, before):
            return
        path = handler.path.removeprefix(ROOT)
        if handler.command == "POST" and path == "/SessionService/Sessions":
            self._log_in(handler, json.loads(body))
        elif not self._knows(handler.headers):
            answer(handler, 401, {})
        elif handler.command == "DELETE":
            self.tokens.discard(handler.headers.get("X-Auth-Token", ""))
            answer(handler, 204, None)
        elif path in self.resources:
            answer(handler, 200, self.resources[path])
        else:
            answer(handler, 404, {})

    def _log_in(self, handler: Any, account: Json) -> None:
        if account != {"UserName": USER, "Password": PASSWORD}:
            return answer(handler, 401, {})
        self.logins += 1
        token = f"token-{self.logins}"
        self.tokens.add(token)
        headers = {"X-Auth-Token": token, "Location": f"{self.url}{ROOT}/SessionService/Sessions/{self.logins}"}
        return answer(handler, 201, {}, headers)

    def _knows(self, headers: Any) -> bool:
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return headers.get("Authorization") == basic or headers.get("X-Auth-Token") in self.tokens


def answer(handler: Any, status: int, body: Json | None, headers: dict[str, str] | None = None) -> None:
    """Send an answer."""
    data = b"" if body is None else json.dumps(body).encode()
    handler.send_response(status)
    for name, value in ({"Content-Length": str(len(data))} | (headers or {})).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)
