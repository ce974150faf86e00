"""A witness apart from our code: its own watch of pods, and every budget added up after each event.

It knows the budgets from the test's own numbers, reads watts from the pods as the API server sends them, and shares no
line with what it looks at.
"""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import urllib3
from tests.rig.api import ApiError
from tests.rig.cluster import WATTS
from tests.rig.rig import Rig


@dataclass(frozen=True, slots=True)
class Budget:
    """What some nodes may draw together.

    Parameters
    ----------
    name : str
    watts : float
    shares : dict
        Node to the share of its watts that counts.
    """

    name: str
    watts: float
    shares: Mapping[str, float]


class _LostPlaceError(Exception):
    """The server has forgotten the version from which the watch was to go on."""


@dataclass(slots=True)
class Breach:
    """A budget that was broken: after which pod, by how much, and when."""

    budget: str
    pod: str
    watts: float
    at_s: float


def requested_watts(pod: Mapping[str, Any]) -> float:
    """What the containers of a pod request together."""
    return sum(
        float(container.get("resources", {}).get("requests", {}).get(WATTS, 0))
        for container in pod["spec"]["containers"]
    )


@dataclass
class Witness:
    """Watches all pods for as long as the block runs.

    Parameters
    ----------
    rig : Rig
    budgets : list of Budget
    watts_of : callable
        What a pod draws; what it requests where nothing else is said.

    Attributes
    ----------
    came_s : dict
        Pod to the node that it was bound to, and when.
    told : dict
        A pod's namespace, name and controller (``Kind/name``), by its UID.
    """

    rig: Rig
    budgets: list[Budget]
    watts_of: Callable[[Mapping[str, Any]], float] = requested_watts
    breaches: list[Breach] = field(default_factory=list)
    peak: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    events: int = 0
    bound: dict[str, tuple[str, float]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    came_s: dict[str, tuple[str, float]] = field(default_factory=dict)
    told: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    first_s: float = 0.0
    last_s: float = 0.0

    def __post_init__(self) -> None:
        self._load: dict[str, float] = defaultdict(float)
        self._above: dict[str, list[tuple[Budget, float]]] = defaultdict(list)
        for budget in self.budgets:
            for node, share in budget.shares.items():
                self._above[node].append((budget, share))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="witness")
        self._response: urllib3.BaseHTTPResponse | None = None

    def __enter__(self) -> "Witness":
        self._list()
        self._thread.start()
        return self

    def _list(self) -> None:
        """See all pods that there are, and those that are not there any more."""
        listed = self.rig.api.get("/api/v1/pods")
        there = {pod["metadata"]["uid"] for pod in listed["items"]}
        for uid in [uid for uid in self.bound if uid not in there]:
            node, watts = self.bound.pop(uid)
            self._add(node, -watts)
        for pod in listed["items"]:
            self._see(pod, gone=False)
        self._version = listed["metadata"]["resourceVersion"]

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._response is not None:
            self._response.shutdown()
        self._thread.join(10)

    def allow(self, name: str, watts: float) -> None:
        """Change a budget; what is over it now was there before, and may stay, but not grow."""
        budget = next(each for each in self.budgets if each.name == name)
        index = self.budgets.index(budget)
        changed = Budget(name, watts, budget.shares)
        self.budgets[index] = changed
        for node, above in self._above.items():
            self._above[node] = [(changed if each.name == name else each, share) for each, share in above]

    def draw(self, name: str) -> float:
        """Watts under a budget now."""
        return self._load[name]

    def on(self, nodes: Iterable[str]) -> list[str]:
        """Names of the pods bound to some nodes."""
        wanted = set(nodes)
        return [self.names[uid] for uid, (node, _) in self.bound.items() if node in wanted]

    def _run(self) -> None:
        while not self._stop.is_set():
            query = f"?watch=1&resourceVersion={self._version}&timeoutSeconds=300&allowWatchBookmarks=true"
            try:
                self._response = self.rig.api.pool.request(
                    "GET", f"{self.rig.server}/api/v1/pods{query}", preload_content=False
                )
                self._read(self._response)
            except _LostPlaceError:
                with suppress(urllib3.exceptions.HTTPError, OSError, ApiError):
                    self._list()
                time.sleep(0.2)
            except (urllib3.exceptions.HTTPError, OSError, ValueError):
                time.sleep(0.2)

    def _read(self, response: Any) -> None:
        for line in response:
            event = json.loads(line)
            if event.get("type", "ERROR") == "ERROR":
                # Or no event at all: the server refuses to watch.
                raise _LostPlaceError(str(event))
            self._version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self.events += 1
                self._see(event["object"], gone=event["type"] == "DELETED")

    def _see(self, pod: Mapping[str, Any], *, gone: bool) -> None:
        uid = pod["metadata"]["uid"]
        over = gone or pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
        node = "" if over else pod["spec"].get("nodeName", "")
        watts = self.watts_of(pod)
        before = self.bound.pop(uid, None)
        if before is not None:
            self._add(before[0], -before[1])
        if not node:
            return
        self.told[uid] = (pod["metadata"]["namespace"], pod["metadata"]["name"], _controller(pod))
        self.bound[uid] = (node, watts)
        self.names[uid] = pod["metadata"]["name"]
        self._add(node, watts)
        if before is None:
            self.first_s = self.first_s or time.monotonic()
            self.last_s = time.monotonic()
            self.came_s[pod["metadata"]["name"]] = (node, self.last_s)
            self._judge(node, pod["metadata"]["name"], watts)

    def _add(self, node: str, watts: float) -> None:
        for budget, share in self._above[node]:
            self._load[budget.name] += share * watts
            self.peak[budget.name] = max(self.peak[budget.name], self._load[budget.name])

    def _judge(self, node: str, name: str, watts: float) -> None:
        for budget, _ in self._above[node]:
            if watts and self._load[budget.name] > budget.watts + 1e-6:
                self.breaches.append(
                    Breach(budget.name, name, self._load[budget.name] - budget.watts, time.monotonic())
                )


def _controller(pod: Mapping[str, Any]) -> str:
    owners = pod["metadata"].get("ownerReferences", ())
    return next((f"{each['kind']}/{each['name']}" for each in owners if each.get("controller")), "")
