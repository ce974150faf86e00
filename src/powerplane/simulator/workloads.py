"""Made-up workloads: what forty services ask for and use, and how many of each a row runs."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SERVICES = {
    "shop": ("cart", "catalogue", "checkout", "prices", "search", "stock", "reviews", "sessions"),
    "media": ("encode", "images", "ingest", "manifest", "origin", "preview", "subtitles", "thumbnails"),
    "data": ("batch", "cache", "events", "features", "index", "queries", "reports", "stream"),
    "models": ("chat", "embed", "guard", "rank", "route", "speech", "summary", "vision"),
    "office": ("auth", "billing", "calendar", "files", "ledger", "mail", "people", "wiki"),
}
PRIORITIES = {"shop-front": 100_000, "standard": 0, "batch": -1_000}
GUARDED = ("checkout", "auth", "ledger", "sessions", "billing", "route")
"""Services with a PodDisruptionBudget."""
APART = ("cache", "index", "origin", "stock")
"""Services that keep their pods on different nodes."""
PICKY = {"encode": "2u-dense", "vision": "2u-dense"}
"""Services that only run on one type of node."""
BATCH = ("batch", "reports", "features", "thumbnails", "subtitles", "wiki")
GIB_PER_CORE = 3


@dataclass(frozen=True, slots=True)
class Service:
    """A Deployment of equal pods.

    Parameters
    ----------
    cores : int
        CPU request of a pod.
    use_millicores : int
        Predicted use of a pod.
    """

    namespace: str
    name: str
    priority_class: str
    cores: int
    use_millicores: int
    apart: bool
    guarded: bool
    node_type: str

    @property
    def labels(self) -> dict[str, str]:
        """Labels of its pods."""
        return {"app": self.name}


def make_services(random: np.random.Generator) -> tuple[Service, ...]:
    """Draw the sizes and uses of the services."""
    return tuple(_services(random))


def _services(random: np.random.Generator) -> Iterator[Service]:
    for namespace, names in SERVICES.items():
        for name in names:
            cores = 8 if name in PICKY else int(random.choice([2, 4, 6, 8, 10], p=[0.1, 0.25, 0.3, 0.25, 0.1]))
            yield Service(
                namespace=namespace,
                name=name,
                priority_class=_priority_class(namespace, name),
                cores=cores,
                use_millicores=int(cores * 1000 * random.uniform(0.65, 0.9)),
                apart=name in APART,
                guarded=name in GUARDED,
                node_type=PICKY.get(name, ""),
            )


def _priority_class(namespace: str, name: str) -> str:
    if name in BATCH:
        return "batch"
    return "shop-front" if namespace == "shop" else "standard"


@dataclass(slots=True, eq=False)
class Seating:
    """Where pods of one row start out: each on the node with the most room, as a scheduler's default would.

    Parameters
    ----------
    cores : int array, shape (M,)
        Cores of each node.
    types : tuple of str
        Type of each node.
    """

    cores: NDArray[np.int64]
    types: tuple[str, ...]

    def fill(self, services: tuple[Service, ...], share: float, random: np.random.Generator) -> list[tuple[int, int]]:
        """Seat pods, service by service in turns, until ``share`` of the row's cores are requested.

        Returns
        -------
        list of (service, node)
            Rows of both.
        """
        free = self.cores.astype(np.float64) - 1  # a core for the agents
        wanted = share * float(self.cores.sum())
        seated: list[tuple[int, int]] = []
        while wanted > 0:
            for i in random.permutation(len(services)).tolist():
                node = self._roomiest(services[i], i, free, seated)
                if node is None or wanted <= 0:
                    continue
                free[node] -= services[i].cores
                wanted -= services[i].cores
                seated.append((i, node))
        return seated

    def _roomiest(
        self, service: Service, i: int, free: NDArray[np.float64], seated: list[tuple[int, int]]
    ) -> int | None:
        room = np.where(free >= service.cores, free / self.cores, -1.0)
        if service.node_type:
            room[[kind != service.node_type for kind in self.types]] = -1.0
        if service.apart:
            room[[node for other, node in seated if other == i]] = -1.0
        best = int(room.argmax())
        return best if room[best] >= 0 else None
