"""Whether what is to be done in place may be: checked apart from how it was chosen, from pods and snapshots alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

from powerplane.models.cpu_limits import ContainerCpu, Cpus, changed, cpus_of, in_place, qos_of
from powerplane.models.objects import Container, Pod
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import Snapshot
from powerplane.recommender.throttle_candidates import held_down
from powerplane.recommender.throttling import Cut

LEAST_MILLI, LEAST_SHARE = 10, Fraction(1, 2)
"""The floor, said once more."""


def faults_of(before: Snapshot, after: Snapshot, pods: Mapping[str, Pod], cuts: Sequence[Cut]) -> tuple[str, ...]:
    """Return what is wrong with throttles, in words; none where all is well.

    Parameters
    ----------
    before, after : Snapshot
        As it is, and with all that the plan does.
    pods : mapping
        By UID.
    cuts : sequence of Cut
    """
    return tuple(_faults(before, after, pods, cuts))


def _faults(before: Snapshot, after: Snapshot, pods: Mapping[str, Pod], cuts: Iterable[Cut]) -> Iterator[str]:
    seen: set[str] = set()
    for cut in cuts:
        uid, row = cut.candidate.uid, cut.candidate.row
        if uid in seen:
            yield f"pod {uid} is held down twice"
        seen.add(uid)
        if before.pods.uids[row] != uid:
            yield f"pod {uid} is another in the snapshot"
        pod = pods[uid]
        yield from (f"{pod.metadata.namespace}/{pod.metadata.name}: {told}" for told in pod_faults(pod, cut.cpus))
        most = _most_milli(pod, cut.cpus)
        foretold = int(after.pods.use_ucores[row])
        if most is None or min(most * MILLI, int(before.pods.use_ucores[row])) > foretold:
            yield f"pod {uid} may use more than is foretold"


def pod_faults(pod: Pod, new: Cpus) -> Iterator[str]:
    """Return what is wrong with one pod's new CPU.

    Parameters
    ----------
    pod : Pod
    new : tuple of ContainerCpu
        Of the containers that are given other CPU.
    """
    now = {each.container: each for each in cpus_of(pod.spec)}
    before = held_down(pod)
    originals = now | ({each.container: each for each in before.cpus} if before is not None else {})
    containers = {each.name: each for each in pod.spec.containers}
    for each in new:
        if each.container not in now:
            yield f"it has no container {each.container}"
            continue
        yield from _container_faults(containers[each.container], now[each.container], originals[each.container], each)
    if qos_of(pod.spec, changed(cpus_of(pod.spec), new)) != qos_of(pod.spec):
        yield "its QoS class changes"


def _container_faults(
    container: Container, now: ContainerCpu, original: ContainerCpu, new: ContainerCpu
) -> Iterator[str]:
    if not in_place(container):
        yield f"{new.container} would be restarted"
    if new.limit is None or (now.limit is not None and new.limit > now.limit):
        yield f"{new.container} has its limit raised"
    if (new.request is None) != (now.request is None) or (new.request or 0) > (now.request or 0):
        yield f"{new.container} has its request raised, or taken away"
    if new.limit is not None and new.request is not None and new.request > new.limit:
        yield f"{new.container} requests more than it may use"
    asked = original.request if original.request is not None else original.limit
    least = LEAST_MILLI if asked is None else max(Fraction(LEAST_MILLI), asked * LEAST_SHARE)
    if new.limit is not None and new.limit < least and new.limit != now.limit:
        yield f"{new.container} is left less than {float(least):g} thousandths of a core"


def _most_milli(pod: Pod, new: Cpus) -> int | None:
    """The most that a pod may use by its limits; None where nothing bounds it."""
    limits = [each.limit for each in changed(cpus_of(pod.spec), new)]
    sidecars = [each for each in pod.spec.init_containers or () if each.restart_policy == "Always"]
    sides = cpus_of(type(pod.spec)(containers=tuple(sidecars)))
    limits += [each.limit for each in sides] if len(sides) == len(sidecars) else [None]
    return None if None in limits else sum(each or 0 for each in limits)
