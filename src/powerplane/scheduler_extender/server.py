"""The extender's ports: the scheduler's questions on one, health and metrics on another.

>>> serve(answers, ServerSettings(port=9443, tls=TlsFiles(certificate, key, client_ca)), metrics)  # doctest: +SKIP
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from powerplane.adapters.serving.limits import RequestLimits
from powerplane.adapters.serving.listener import Listener, ListenerSettings
from powerplane.adapters.serving.operations import Operations
from powerplane.adapters.serving.server import Background, Server, run_until_signal
from powerplane.scheduler_extender.answers import Answers
from powerplane.scheduler_extender.app import DEFAULT_PREFIX, ExtenderApp
from powerplane.scheduler_extender.limits import DEFAULT_LIMITS, Limits
from powerplane.scheduler_extender.metrics import ExtenderMetrics

More = Sequence[Callable[[], Listener]]


@dataclass(frozen=True, slots=True)
class ServerSettings(ListenerSettings):
    """Where and how the extender listens.

    Parameters
    ----------
    operations_host, operations_port : str, int or None
        A second, plain port with health and metrics alone. None: no such port.
    prefix : str
        Path before each verb.
    limits : Limits
        Bounds on each request.
    """

    port: int = 9443
    limits: RequestLimits = DEFAULT_LIMITS
    operations_host: str = "127.0.0.1"
    operations_port: int | None = None
    prefix: str = DEFAULT_PREFIX


class ExtenderServer(Server):
    """An extender that listens once it is made, and answers while `run` runs.

    Who can forge questions can make reservations: a port beyond loopback needs the CA of the clients, or `insecure`.

    Parameters
    ----------
    answers : Answers
        What decides.
    settings : ServerSettings
    metrics : ExtenderMetrics
    background : sequence of callables
        See `Server`.
    more : sequence of callables
        Each makes another port of the same process.

    Raises
    ------
    InputError, UnreachableError
        As `Listener` does.
    """

    def __init__(
        self,
        answers: Answers,
        settings: ServerSettings,
        metrics: ExtenderMetrics,
        background: Sequence[Background] = (),
        more: More = (),
    ) -> None:
        limits = settings.limits
        app = ExtenderApp(answers, metrics, settings.prefix, limits if isinstance(limits, Limits) else DEFAULT_LIMITS)
        listeners = [Listener(app, settings, metrics)]
        self.port = listeners[0].port
        self.operations_port: int | None = None
        if settings.operations_port is not None:
            plain = replace(
                settings, host=settings.operations_host, port=settings.operations_port, tls=None, insecure=True
            )
            listeners.append(Listener(Operations(answers.ready, metrics.render), plain, metrics))
            self.operations_port = listeners[1].port
        listeners += [make() for make in more]
        super().__init__(listeners, background, lambda: answers.ready()[0])


def serve(
    answers: Answers,
    settings: ServerSettings,
    metrics: ExtenderMetrics,
    background: Sequence[Background] = (),
    more: More = (),
) -> None:
    """Answer until SIGTERM or SIGINT; see `ExtenderServer`."""
    run_until_signal(lambda: ExtenderServer(answers, settings, metrics, background, more))
