"""The frame of a controller: watches that wake it, a Lease that says who acts, rounds, and threads that write."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_writes import FIELD_MANAGER, Writer
from powerplane.adapters.leading import Elector, trouble_of
from powerplane.adapters.lease import LeaseElector, uptime_s
from powerplane.adapters.round_thread import RoundThread
from powerplane.adapters.watch import Batch, Reflector, Watched, WatchPatience


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How a controller runs.

    Parameters
    ----------
    identity, namespace : str
        Of the Lease that says which replica acts.
    tick_s : float
        Time between two looks where nothing changes.
    soonest_s : float
        The least time between two looks.
    write_timeout_s : float
        For one request; below the time between a lost Lease and the next holder, so that no write comes after it.
    writers : int
        Requests at one time.
    patience : WatchPatience
    manager : str
        As whom it writes.
    """

    identity: str
    namespace: str = "powerplane-system"
    tick_s: float = 1.0
    soonest_s: float = 0.05
    write_timeout_s: float = 2.0
    writers: int = 8
    patience: WatchPatience = field(default_factory=WatchPatience)
    manager: str = FIELD_MANAGER


class LoopMetrics(Protocol):
    """What a controller's metrics must be able to tell of its rounds."""

    def lead(self, leading: bool) -> None:
        """Tell whether this replica acts."""
        ...

    def failed(self) -> None:
        """Count a round that ended in an error."""
        ...


class Helper(Protocol):
    """What runs along with a controller, such as `EventTeller`."""

    def start(self) -> None:
        """Begin."""
        ...

    def stop(self) -> None:
        """End."""
        ...


class ControllerLoop:
    """Starts, runs and ends a controller, whose own part is the tick.

    Parameters
    ----------
    access : ClusterAccess
    settings : LoopSettings
    metrics : LoopMetrics
    tick : callable
        One look, handed the fencing token while this replica leads, else None.
    name : str
        Of its threads, and in the log.
    lease : str
        The Lease's name.
    elector : Elector, optional
        A Lease's by default; one that is handed over is started and stopped by whoever made it.
    clock : callable
        Seconds that only go on.
    """

    def __init__(
        self,
        access: ClusterAccess,
        settings: LoopSettings,
        metrics: LoopMetrics,
        tick: Callable[[int | None], None],
        *,
        name: str,
        lease: str,
        elector: Elector | None = None,
        clock: Callable[[], float] = uptime_s,
    ) -> None:
        self._access = access
        self._settings = settings
        self._metrics = metrics
        self._tick = tick
        self._clock = clock
        self._lease: LeaseElector | None = None
        if elector is None:
            elector = self._lease = LeaseElector(access, settings.namespace, lease, settings.identity)
        self._elector: Elector = elector
        self._needed: list[Reflector[Any]] = []
        self._reflectors: list[Reflector[Any]] = []
        self._helpers: list[Helper] = []
        self._rounds = RoundThread(
            name, self.look, metrics.failed, tick_s=lambda: settings.tick_s, soonest_s=settings.soonest_s, clock=clock
        )
        self.wake = self._rounds.wake
        self.writer = Writer(access, settings.write_timeout_s, attempts=1, manager=settings.manager)
        self.pool = ThreadPoolExecutor(settings.writers, thread_name_prefix=name)

    def watch(self, what: Watched[Any], sink: Callable[[Batch[Any]], None], *, needed: bool = True) -> None:
        """Have a sink filled; before the start. Without what is needed, there is `trouble`."""
        reflector = Reflector(self._access, what, sink, self._settings.patience, clock=self._clock)
        self._reflectors.append(reflector)
        if needed:
            self._needed.append(reflector)

    def along(self, helper: Helper) -> None:
        """Have a helper run along, from before the first round until all is written; before the start."""
        self._helpers.append(helper)

    def start(self) -> None:
        """Begin. Once only."""
        for reflector in self._reflectors:
            reflector.start()
        if self._lease is not None:
            self._lease.start()
        for helper in self._helpers:
            helper.start()
        self._rounds.start()

    def stop(self) -> None:
        """End: no more is decided, what is being written is waited for, then the Lease is given up."""
        self._rounds.stop(2 * self._settings.write_timeout_s)
        self.pool.shutdown(wait=True, cancel_futures=True)
        for helper in self._helpers:
            helper.stop()
        if self._lease is not None:
            self._lease.stop()
        for reflector in self._reflectors:
            reflector.stop()

    def look(self) -> None:
        """Do one round, as the thread does, except that what goes wrong is raised."""
        # The token first: were it the later one, a Lease that was lost and won between would go unnoticed.
        token, leading = self._elector.token, self._elector.leading()
        self._metrics.lead(leading)
        self._tick(token if leading else None)

    def holds(self, token: int) -> bool:
        """Whether this replica leads at this instant, with this token."""
        return self._elector.leading() and self._elector.token == token

    def trouble(self) -> str:
        """Why nothing can be decided from what is watched; "" where all is well."""
        return trouble_of(self._needed, self._clock())
