"""What the watches told, kept for the alerts: nodes, bound pods, namespaces, domains and policies, under one lock."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from powerplane.adapters.node_rates import Draw, told_draw
from powerplane.adapters.watch import Batch
from powerplane.adapters.watch_kinds import by_names
from powerplane.models.alerts.draws import NodeDraw, Rows, rows_of
from powerplane.models.alerts.evaluating import View
from powerplane.models.alerts.pods import SeenPod
from powerplane.models.api.domain_reading import NodeAllowance
from powerplane.models.api.tree import Specs, TreeReading, read_tree
from powerplane.models.drift import Sample
from powerplane.models.errors import InputError
from powerplane.models.incidence import PowerIncidence, compile_incidence
from powerplane.models.mobility import MIRROR, controller_of
from powerplane.models.objects import Narrow, Node, ObjectMeta, PodSpec, PodStatus
from powerplane.models.pod_reading import FINISHED
from powerplane.models.quantities import LARGEST, MILLI, parse_quantity
from powerplane.models.requests import pod_requests

SHELVES = ("nodes", "pods", "namespaces", "domains", "policies", "own")


class WatchedPod(Narrow, frozen=True):
    """A pod as the watch brings it."""

    metadata: ObjectMeta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


@dataclass(frozen=True, slots=True)
class NodeKept:
    """A node: its name, labels and thousandths of cores."""

    name: str
    labels: Mapping[str, str]
    mcores: int


@dataclass(frozen=True, slots=True)
class PodKept:
    """A bound pod: what it states, and thousandths of cores by which it counts beside, as ``told_draw`` says."""

    seen: SeenPod
    stated_mw: int | None
    mcores: int


@dataclass(frozen=True, slots=True)
class Lie:
    """How nodes lie under domains."""

    reading: TreeReading
    names: tuple[str, ...]
    incidence: PowerIncidence | None


@dataclass(slots=True)
class _Shelf:
    kept: dict[tuple[str, str], Any] = field(default_factory=dict)
    version: int = 0


class AlertBooks:
    """The books."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shelves = {name: _Shelf() for name in SHELVES}
        self._accepted: Specs = {}
        self._lie: tuple[object, Lie] | None = None

    def sink(self, name: str) -> Callable[[Batch[Any]], None]:
        """Return what takes in batches of one kind (``SHELVES``)."""
        reducers: dict[str, Callable[[Any], object]] = {"nodes": kept_node, "pods": kept_pod}
        shelf, reduce = self._shelves[name], reducers.get(name, lambda each: each)

        def take(batch: Batch[Any]) -> None:
            told = batch.facts(by_names, reduce)
            with self._lock:
                for key in batch.gone(told, shelf.kept):
                    _put(shelf, key, None)
                for key, one in told:
                    _put(shelf, key, one)

        return take

    def trouble(self) -> str:
        """Why no domain's limit can be told: the domains make no tree, and never did; "" where all is well."""
        reading = self._lay().reading
        if reading.in_force != "none" or not reading.defects:
            return ""
        name, defects = next(iter(reading.defects.items()))
        return f"the domains make no tree: {name}: {defects[0].message}"

    def figures(self) -> dict[str, tuple[float, float]]:
        """Idle and peak watts of every node, as far as its domain states them: 0 and infinite where it does not."""
        lie = self._lay()
        return {name: lie.reading.allowances.get(name, NodeAllowance()).envelope_watts for name in lie.names}

    def uid_of(self, kind: str, name: str) -> str:
        """UID of a domain by its name, or of a policy by its kind and ``namespace/name``; "" where it is not there."""
        shelf = {"PowerDomain": "domains", "PowerCappingPolicy": "own"}.get(kind, "policies")
        namespace, _, own = name.rpartition("/")
        with self._lock:
            found = self._shelves[shelf].kept.get((namespace, own))
        return found.metadata.uid if found is not None else ""

    def view(self, samples: Mapping[str, Sample], now_s: float, stale_s: float) -> View:
        """Return all that is looked at.

        Parameters
        ----------
        samples : mapping of node name to Sample
        now_s, stale_s : float
            On the samples' clock; older ones are not used.
        """
        lie = self._lay()
        allowances = lie.reading.allowances
        draws = {name: _draw(samples.get(name), allowances.get(name), now_s, stale_s) for name in lie.names}
        topology = lie.reading.topology
        rows = rows_of(topology, lie.incidence, lie.names, draws) if topology and lie.incidence else Rows()
        cores = {node.name: node.mcores for node in self._all("nodes")}
        return View(
            rows=rows,
            domains=tuple(self._all("domains")),
            policies=(*self._all("policies"), *self._all("own")),
            pods=tuple(_pod(pod, allowances.get(pod.seen.node), cores) for pod in self._all("pods")),
            namespaces={each.metadata.name: each.metadata.labels or {} for each in self._all("namespaces")},
        )

    def _lay(self) -> Lie:
        """How nodes lie now; made anew only where nodes' labels or domains changed."""
        with self._lock:
            key = (self._shelves["nodes"].version, self._shelves["domains"].version)
            if self._lie is not None and self._lie[0] == key:
                return self._lie[1]
            nodes = list(self._shelves["nodes"].kept.values())
            domains = list(self._shelves["domains"].kept.values())
        reading = read_tree(domains, [(node.name, node.labels) for node in nodes], self._accepted)
        names = tuple(sorted(node.name for node in nodes))
        incidence = compile_incidence(reading.topology, names) if reading.topology else None
        lie = Lie(reading, names, incidence)
        if reading.in_force != "none":
            self._accepted = reading.specs
        self._lie = (key, lie)
        return lie

    def _all(self, name: str) -> list[Any]:
        with self._lock:
            return [each for each in self._shelves[name].kept.values() if each is not None]


def kept_node(node: Node) -> NodeKept:
    """Reduce a node."""
    try:
        cores = parse_quantity((node.status.allocatable or {}).get("cpu", 0)) * MILLI
    except InputError:
        cores = parse_quantity(0)
    return NodeKept(node.metadata.name, node.metadata.labels or {}, min(max(int(cores), 0), LARGEST))


def kept_pod(pod: WatchedPod) -> PodKept | None:
    """Reduce a pod; None for one that draws nothing."""
    meta, spec = pod.metadata, pod.spec
    if not spec.node_name or pod.status.phase in FINISHED:
        return None
    try:
        draw = told_draw(pod_requests(spec), meta.annotations)
    except InputError:
        draw = Draw(None)
    owner = controller_of(meta.owner_references)
    fixed = MIRROR in (meta.annotations or {}) or (owner is not None and owner.kind in ("DaemonSet", "Node"))
    seen = SeenPod(meta.namespace, meta.name, spec.node_name, meta.labels or {}, spec.priority or 0, 0, fixed)
    return PodKept(seen, draw.stated_mw, draw.mcores)


def _put(shelf: _Shelf, key: tuple[str, str], one: Any) -> None:
    before = shelf.kept.pop(key, None)
    if one is not None:
        shelf.kept[key] = one
    if _asked(before) != _asked(one):
        shelf.version += 1


def _asked(one: Any) -> object:
    """What of an object changes how nodes lie: of our own not the status, which is written every few seconds."""
    spec = getattr(one, "spec", None)
    return one if spec is None else (spec, one.metadata.labels)


def _draw(sample: Sample | None, allowance: NodeAllowance | None, now_s: float, stale_s: float) -> NodeDraw:
    if sample is not None and sample.mw >= 0 and now_s - sample.at_s <= stale_s:
        return NodeDraw(sample.mw, sample.mw, measured=True)
    known = allowance or NodeAllowance()
    return NodeDraw(known.idle_mw, known.peak_mw, measured=False)


def _pod(pod: PodKept, allowance: NodeAllowance | None, cores: Mapping[str, int]) -> SeenPod:
    """The pod with its watts: what it states, or its cores' part of what its node draws between idle and peak."""
    seen = pod.seen
    mw = pod.stated_mw or 0
    if pod.mcores:
        on_node, known = cores.get(seen.node, 0), allowance or NodeAllowance()
        dynamic = known.peak_mw - known.idle_mw if known.peak_mw is not None else 0
        mw += dynamic * pod.mcores // on_node if on_node else 0
    return SeenPod(seen.namespace, seen.name, seen.node, seen.labels, seen.priority, mw, seen.fixed)
