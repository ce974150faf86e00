"""A roll-out runs old and new pods at once: what that surge will draw is counted before it starts, and said if short.

Nothing is refused: a roll-out that is short of watts waits, and whoever starts it should know that. Source: apps/v1
DeploymentStrategy: maxSurge is a number of pods, or a share of the replicas, rounded up; 25 % where it is left out.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from powerplane.adapters.strict_json import convert
from powerplane.admission.deciding import Decision
from powerplane.admission.review import Request, Verdict
from powerplane.admission.table import Table
from powerplane.models.errors import InputError
from powerplane.models.objects import Narrow, ObjectMeta, PodSpec
from powerplane.models.pod_watts import requested_watts
from powerplane.models.requests import pod_requests

DEFAULT_SURGE: Final = "25%"
RECREATE: Final = "Recreate"
SURGE = "surge-watts"
_SHARE = re.compile(r"[0-9]{1,4}%")


class RollingUpdate(Narrow, frozen=True):
    """How many pods may be above the replicas."""

    max_surge: int | str | None = None


class Strategy(Narrow, frozen=True):
    """How old pods give way to new ones."""

    type: str = ""
    rolling_update: RollingUpdate | None = None


class PodTemplate(Narrow, frozen=True):
    """What its pods are like."""

    metadata: ObjectMeta | None = None
    spec: PodSpec = PodSpec()


class DeploymentSpec(Narrow, frozen=True):
    """What a Deployment asks for."""

    replicas: int | None = None
    paused: bool = False
    strategy: Strategy = Strategy()
    progress_deadline_seconds: int | None = None
    template: PodTemplate = PodTemplate()


class DeploymentCondition(Narrow, frozen=True):
    """What its controller says of it."""

    type: str = ""
    status: str = ""


class DeploymentStatus(Narrow, frozen=True):
    """How far it is."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    conditions: tuple[DeploymentCondition, ...] | None = None


class Deployment(Narrow, frozen=True):
    """apps/v1 Deployment, as far as roll-outs go."""

    metadata: ObjectMeta
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()


def surge_pods(spec: DeploymentSpec) -> int:
    """Return how many pods a roll-out may have above the replicas.

    Raises
    ------
    InputError
        For a maxSurge that is neither a number nor a share: the API server refuses it itself.
    """
    replicas = 1 if spec.replicas is None else spec.replicas
    if spec.strategy.type == RECREATE or replicas <= 0:
        return 0
    stated = spec.strategy.rolling_update.max_surge if spec.strategy.rolling_update else None
    surge = DEFAULT_SURGE if stated is None else stated
    if isinstance(surge, int):
        return max(0, surge)
    if not _SHARE.fullmatch(surge):
        raise InputError(f"maxSurge {surge!r} is neither a number nor a share", "write 1, or 25%")
    return -(-replicas * int(surge[:-1]) // 100)


def is_rolling(deployment: Deployment) -> bool:
    """Whether old pods are still giving way, as far as the status says."""
    spec, status = deployment.spec, deployment.status
    replicas = 1 if spec.replicas is None else spec.replicas
    behind = deployment.metadata.generation > status.observed_generation
    return not spec.paused and (behind or status.updated_replicas < replicas or status.replicas > replicas)


def watts_to_come(deployment: Deployment, table: Table) -> int:
    """Return what a roll-out in progress may still bring above its replicas; its pods that are there count themselves.

    Raises
    ------
    InputError
        For quantities that cannot be read.
    """
    if not is_rolling(deployment):
        return 0
    replicas = 1 if deployment.spec.replicas is None else deployment.spec.replicas
    above = max(0, deployment.status.replicas - replicas)
    pods = max(0, surge_pods(deployment.spec) - above)
    return pods * _watts_each(deployment, deployment.metadata.namespace, table) if pods else 0


def surges_of(deployments: Iterable[Deployment], table: Table) -> dict[tuple[str, str], int]:
    """Return the watts that roll-outs in progress may still bring, by namespace and name."""
    found = {}
    for each in deployments:
        try:
            watts = watts_to_come(each, table)
        except InputError:
            continue
        if watts:
            found[each.metadata.namespace, each.metadata.name] = watts
    return found


def judge_rollout(request: Request, table: Table) -> Decision:
    """Say whether a changed Deployment's surge fits into what its budgets have left, other surges counted in.

    Parameters
    ----------
    request : Request
    table : Table

    Raises
    ------
    MalformedError
        For an object that is no Deployment.
    """
    leave = Verdict()
    if (request.kind.group, request.kind.kind) != ("apps", "Deployment") or request.sub_resource:
        return Decision(leave, "other_kind")
    if request.operation != "UPDATE" or request.object is None or request.old_object is None:
        return Decision(leave, "other_operation")
    new = convert(request.object, Deployment, "the Deployment")
    if _template(request.object) == _template(request.old_object):
        return Decision(leave, "same_pods")
    namespace = request.namespace or new.metadata.namespace
    labels = (new.spec.template.metadata.labels if new.spec.template.metadata else None) or {}
    if table.choice_for(namespace, labels) is None:
        return Decision(leave, "no_policy")
    try:
        pods = surge_pods(new.spec)
        watts = pods * _watts_each(new, namespace, table)
    except InputError:
        return Decision(leave, "unreadable")
    others = sum(each for key, each in table.surges.items() if key != (namespace, new.metadata.name))
    warnings = _warnings(watts, pods, others, table.room_watts)
    verdict = Verdict(warnings=warnings, audit={SURGE: str(watts)})
    return Decision(verdict, "warned" if warnings else "kept")


def _warnings(watts: int, pods: int, others: int, room: int | None) -> tuple[str, ...]:
    if room is None or watts + others <= room:
        return ()
    free = max(0, room - others)
    more = f"{pods} more pod{'s' if pods != 1 else ''}"
    return (f"powerplane: the roll-out wants {watts} W for {more}, {free} W are free: it may wait; lower maxSurge",)


def _watts_each(deployment: Deployment, namespace: str, table: Table) -> int:
    spec = deployment.spec.template.spec
    owner = f"{namespace}/Deployment/{deployment.metadata.name}"
    return max(table.foretell(owner, spec, pod_requests(spec)).watts, requested_watts(spec))


def _template(obj: Mapping[str, object]) -> object:
    spec = obj.get("spec")
    return spec.get("template") if isinstance(spec, dict) else None
