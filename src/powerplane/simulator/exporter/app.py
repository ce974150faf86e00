"""The exporters' pages as one ASGI application: of each node, of all nodes, Redfish, and how to scrape them."""

import asyncio
import json
import re
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from powerplane.models.snapshot import Snapshot
from powerplane.simulator.exporter.cluster_files import FILES
from powerplane.simulator.exporter.discovery import prometheus_yml, targets
from powerplane.simulator.exporter.kepler import KEPLER, KEPLER_OLD
from powerplane.simulator.exporter.kubernetes import CADVISOR, KUBE_STATE_METRICS
from powerplane.simulator.exporter.machines import DCGM, IPMI, NODE_EXPORTER, TELEGRAF
from powerplane.simulator.exporter.page import Exporter, Page
from powerplane.simulator.exporter.redfish import resource
from powerplane.simulator.exporter.vllm import VLLM
from powerplane.simulator.sensors.bank import Said
from powerplane.simulator.sensors.faults import Down, Fault, Late

EXPORTERS: tuple[Exporter, ...] = (
    KEPLER,
    KEPLER_OLD,
    DCGM,
    NODE_EXPORTER,
    IPMI,
    TELEGRAF,
    CADVISOR,
    KUBE_STATE_METRICS,
    VLLM,
)
USUAL = ("kepler", "dcgm", "node-exporter", "ipmi", "cadvisor", "kube-state-metrics", "vllm", "redfish")
"""What a cluster has that runs one Kepler."""

TEXT, JSON, YAML = "text/plain; charset=utf-8", "application/json", "application/yaml"
SCRAPE = "5s"
DURATION = re.compile(r"[1-9][0-9]{0,5}(ms|s|m|h)")
LAYOUTS = ("pages", "nodes")
"""One page for all nodes of a kind; a target for each node."""

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    status: int
    kind: str
    body: str


@dataclass(slots=True, eq=False)
class ExporterApp:
    """Serves what sensors said last.

    Parameters
    ----------
    sources : iterable of str
        Exporters that there are, "redfish" among them.
    addresses : mapping of str to str
        InternalIP of nodes, where known.
    places : mapping of str to (mapping of str to str)
        Where nodes stand, as Redfish tells it: ``Row``, ``Rack``.
    base : Snapshot or None
        The cluster's nodes, topology, curves and templates, to be served as a snapshot directory's files.
    look : callable or None
        What sensors say now; None before anything has been measured. Called from the server's thread.
    """

    sources: Iterable[str] = USUAL
    addresses: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    base: Snapshot | None = None
    look: Callable[[], Said] | None = None
    answered: int = 0
    """Pages since the start."""
    _pages: dict[str, Page] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        wanted = set(self.sources)
        self._pages = {each.name: Page(each, self.addresses, self.places) for each in EXPORTERS if each.name in wanted}

    async def __call__(self, scope: Message, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path, look = unquote(scope["path"]), self.look
        reply = Reply(503, TEXT, "nothing has been measured yet\n")
        if scope["method"] not in ("GET", "HEAD"):
            reply = Reply(405, TEXT, "only GET\n")
        elif look is not None:
            if (seconds := _delay(look(), path)) > 0:
                await asyncio.sleep(seconds)
            reply = self.answer(look(), path, scope.get("query_string", b"").decode(), _host(scope))
        body = reply.body.encode()
        self.answered += 1
        headers = [(b"content-type", reply.kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def answer(self, said: Said, path: str, query: str = "", host: str = "localhost") -> Reply:
        """What is served under a path.

        Parameters
        ----------
        said : Said
        path, query : str
        host : str
            As whoever asks calls us, to be told in links.
        """
        if "/redfish/v1" in path:
            return self._redfish(said, path)
        match [part for part in path.split("/") if part]:
            case []:
                return Reply(200, TEXT, self._index())
            case ["metrics"]:
                return self._metrics(said, list(self._pages), "")
            case ["metrics", source]:
                return self._metrics(said, [source], "")
            case ["nodes", node, source]:
                return self._metrics(said, [source], node)
            case ["sd", source] if source in self._pages:
                found = targets(self._pages[source].exporter, said.truth, self.addresses, host)
                return Reply(200, JSON, json.dumps(found))
            case ["prometheus.yml"]:
                return self._configuration(query, host)
            case ["snapshot", name] if self.base is not None and name in FILES:
                write, kind = FILES[name]
                return Reply(200, kind, write(self.base, said.truth, self.addresses))
            case ["truth"]:
                return Reply(200, JSON, _truth(said))
        return Reply(404, TEXT, f"there is no {path}; / lists what there is\n")

    def _metrics(self, said: Said, sources: list[str], node: str) -> Reply:
        missing = [source for source in sources if source not in self._pages]
        if missing:
            return Reply(404, TEXT, f"there is no exporter {missing[0]!r}; there are {', '.join(self._pages)}\n")
        if not self._up(said, sources, node):
            return Reply(503, TEXT, "down, or without power\n")
        with self._lock:
            if not node:
                text = "".join(self._pages[source].of_all(said) for source in sources)
                return Reply(200, CONTENT_TYPE_PLAIN_0_0_4, text)
            page = self._pages[sources[0]].of_node(said, node)
        if page is None:
            return Reply(404, TEXT, f"there is no node {node!r}\n")
        return Reply(200, CONTENT_TYPE_PLAIN_0_0_4, page)

    def _up(self, said: Said, sources: list[str], node: str) -> bool:
        """Whether any of these exporters answers, on one node or ("") at all."""
        if node and self._pages[sources[0]].exporter.per_node:
            row = said.truth.nodes.index(node) if node in said.truth.nodes else -1
            return row < 0 or bool(said.answers(sources[0])[row])
        down = [fault.source for fault in said.faults if isinstance(fault, Down) and _concerns(fault, fault.source, "")]
        return any(source not in down for source in sources)

    def _redfish(self, said: Said, path: str) -> Reply:
        if ("redfish", "power") not in said.readings:
            return Reply(404, TEXT, "there is no Redfish service\n")
        node = path.removeprefix("/bmc/").partition("/")[0] if path.startswith("/bmc/") else ""
        if any(_concerns(fault, "redfish", node) for fault in said.faults if isinstance(fault, Down)):
            return Reply(503, JSON, "{}")
        found = resource(said, path.rstrip("/"), self.places)
        return Reply(404, JSON, "{}") if found is None else Reply(200, JSON, json.dumps(found))

    def _configuration(self, query: str, host: str) -> Reply:
        asked = {key: values[-1] for key, values in parse_qs(query).items()}
        scrape, layout = asked.get("scrape", SCRAPE), asked.get("layout", LAYOUTS[0])
        if not DURATION.fullmatch(scrape):
            return Reply(400, TEXT, f"scrape={scrape!r} is no duration such as 15s\n")
        if layout not in LAYOUTS:
            return Reply(400, TEXT, f"layout={layout!r} is none of {', '.join(LAYOUTS)}\n")
        exporters = [page.exporter for page in self._pages.values()]
        text = prometheus_yml(exporters, host, scrape, together=layout == LAYOUTS[0])
        return Reply(200, YAML, text)

    def _index(self) -> str:
        names = "".join(f"  /metrics/{name}  /nodes/NODE/{name}  /sd/{name}\n" for name in self._pages)
        return (
            "A simulated cluster's exporters.\n\n"
            f"  /metrics  all of them\n{names}"
            "  /redfish/v1/Chassis/NODE/Power  /bmc/NODE/redfish/v1/Chassis/1/Power\n"
            "  /prometheus.yml?layout=pages|nodes&scrape=5s  how to scrape them\n"
            "  /truth  what nodes draw in truth\n"
            + (f"  /snapshot/NAME  to plan on: {', '.join(FILES)}\n" if self.base is not None else "")
        )


def _concerns(fault: Fault, source: str, node: str) -> bool:
    """Whether a fault is of the whole exporter that is asked, on that node ("" for all nodes' page)."""
    return fault.source == source and not fault.what and (fault.nodes is None or node in fault.nodes)


def _delay(said: Said, path: str) -> float:
    parts = [part for part in path.split("/") if part]
    node = parts[1] if parts[:1] in (["nodes"], ["bmc"]) and len(parts) > 1 else ""
    source = "redfish" if "/redfish/v1" in path else parts[-1] if parts else ""
    late = [fault.seconds for fault in said.faults if isinstance(fault, Late) and _concerns(fault, source, node)]
    return max(late, default=0.0)


def _host(scope: Message) -> str:
    headers = dict(scope["headers"])
    return str(headers.get(b"host", b"localhost").decode("ascii", "replace"))


def _truth(said: Said) -> str:
    truth = said.truth
    watts = dict(zip(truth.nodes, truth.wall_watts.tolist(), strict=True))
    return json.dumps({"at": said.at_s, "simulated_s": truth.at_s, "wall_watts": watts})
