"""A process that answers on some ports, in one event loop with what keeps the answers up to date."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from powerplane.adapters.serving.listener import Listener

new_event_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    import uvloop
except ImportError:  # Windows has none
    new_event_loop = asyncio.new_event_loop
else:
    new_event_loop = uvloop.new_event_loop

Background = Callable[[], Awaitable[None]]

SWITCH_INTERVAL_S = 5e-4
"""How long another thread of this process may hold up an answer; CPython's own 5 ms is ten answers long."""

READY_POLL_S = 0.5

_log = logging.getLogger(__name__)


class Server:
    """Ports that answer while `run` runs.

    Parameters
    ----------
    listeners : sequence of Listener
    background : sequence of callables
        Coroutine functions that run beside, cancelled at the end. One that ends, ends the server: what answers from a
        state that is no longer kept must not answer.
    ready : callable
        Says whether there is enough to answer from.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        background: Sequence[Background] = (),
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._listeners = list(listeners)
        self._background = list(background)
        self._ready = ready
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End `run` gracefully; to be called in its loop."""
        self._stopping.set()

    async def run(self) -> None:
        """Answer until `stop`, or until a background task ends; what a task raises is raised."""
        servers = [asyncio.create_task(listener.serve()) for listener in self._listeners]
        tasks = [asyncio.ensure_future(task()) for task in self._background]
        tasks += [asyncio.ensure_future(listener.watch_certificate()) for listener in self._listeners]
        helpers = [asyncio.ensure_future(_freeze_when(self._ready))]
        stopping = asyncio.ensure_future(self._stopping.wait())
        _log.info("answering on port %s", ", ".join(str(listener.port) for listener in self._listeners))
        try:
            await asyncio.wait([stopping, *servers, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for listener in self._listeners:
                listener.stop()
            await asyncio.wait(servers)
            await _cancel([stopping, *helpers, *tasks])
        for task in (*servers, *tasks):
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error


def run_until_signal(make: Callable[[], Server]) -> None:
    """Answer until SIGTERM or SIGINT.

    Parameters
    ----------
    make : callable
        Returns the server; called in the event loop.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)

    async def main() -> None:
        server = make()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, server.stop)
        await server.run()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())


async def _freeze_when(ready: Callable[[], bool], poll_s: float = READY_POLL_S) -> None:
    """Take what was loaded at the start out of the garbage collector's way, once there is enough to answer from."""
    while not ready():
        await asyncio.sleep(poll_s)
    freeze_heap()


def freeze_heap() -> None:
    """Collect once, and never look at what is left again: full collections over a cluster's objects take 100 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def _cancel(tasks: Sequence[asyncio.Future[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
