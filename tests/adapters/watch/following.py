"""Following a server's pods into a cache, for the tests of watches."""

import threading
import time

from powerplane.adapters.watch import Watched, WatchPatience
from powerplane.models.objects import Pod

PODS = Watched("/api/v1/pods", "pods", Pod)


QUICK = WatchPatience(
    page_size=3,
    page_timeout_s=0.5,
    watch_s=1.0,
    grace_s=0.5,
    first_pause_s=0.002,
    longest_pause_s=0.02,
    refused_pause_s=0.02,
    settled_s=0.0,
)


class Cache:
    """What a user of the reflector would keep: pods by name, and how they came."""

    def __init__(self) -> None:
        self.pods: dict[str, str] = {}
        self.batches: list = []
        self.changed = threading.Condition()
        self.trouble: list[Exception] = []

    def take(self, batch) -> None:
        with self.changed:
            if self.trouble:
                raise self.trouble.pop()
            self.batches.append(batch)
            if batch.replace:
                self.pods = {}
            for kind, each in batch.changes:
                if kind == "DELETED":
                    self.pods.pop(each.metadata.name, None)
                else:
                    self.pods[each.metadata.name] = each.spec.node_name
            self.changed.notify_all()

    def becomes(self, expected: dict[str, str], within_s: float = 5.0) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.pods == expected, within_s)


def until(condition, within_s=5.0):
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.002)
