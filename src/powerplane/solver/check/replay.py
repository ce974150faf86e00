"""The plan read against the snapshot: that it belongs to it, and its moves wave by wave."""

from collections import defaultdict
from dataclasses import dataclass

from powerplane.models.errors import InputError
from powerplane.models.plan import Move, Plan
from powerplane.models.snapshot import Snapshot
from powerplane.solver.check.report import Violation

PLAN_AGAIN = "make a new plan from this snapshot with `powerplane plan`, or check it against the one it was made from"


@dataclass(frozen=True, slots=True)
class Step:
    """A move in rows of the snapshot, with what the pod uses."""

    pod: int
    template: int
    source: int
    target: int
    use_ucores: int
    accelerator_mw: int


@dataclass(frozen=True, slots=True)
class Wave:
    """Steps that may run at the same time."""

    number: int
    steps: tuple[Step, ...]


def read_waves(snapshot: Snapshot, plan: Plan) -> tuple[list[Wave], list[Violation]]:
    """Read the moves wave by wave.

    Raises
    ------
    InputError
        When the plan was made from another snapshot: names the first digest, pod, UID or place that differs.
    """
    if plan.snapshot and plan.snapshot != snapshot.digest:
        raise InputError(f"the plan is of snapshot {plan.snapshot!r}, not of {snapshot.digest!r}", PLAN_AGAIN)
    by_wave: dict[int, list[Move]] = defaultdict(list)
    for move in plan.moves:
        by_wave[move.wave].append(move)
    reader = _Reader(snapshot)
    waves = [reader.read(number, by_wave[number]) for number in sorted(by_wave)]
    return waves, [*_gaps(by_wave), *reader.violations]


def _gaps(by_wave: dict[int, list[Move]]) -> list[Violation]:
    numbers = sorted(by_wave)
    for expected, number in enumerate(numbers, start=1):
        if number != expected:
            return [Violation("wave-gap", f"wave {number}", number, f"waves count from 1; {expected} was expected")]
    return []


class _Reader:
    """Follows every pod from wave to wave."""

    def __init__(self, snapshot: Snapshot) -> None:
        pods = snapshot.pods
        self.snapshot = snapshot
        self.names = snapshot.node_names
        self.nodes = {name: row for row, name in enumerate(self.names)}
        self.pods = {key: row for row, key in enumerate(zip(pods.namespaces, pods.names, strict=True))}
        self.places: dict[int, int] = {}
        self.violations: list[Violation] = []

    def read(self, number: int, moves: list[Move]) -> Wave:
        steps: dict[int, Step] = {}
        for move in moves:
            subject = f"{move.namespace}/{move.pod}"
            pod = self._pod(move)
            if pod in steps:
                self.violations.append(Violation("twice-in-wave", subject, number, "moves twice in one wave"))
                continue
            step = self._step(move, pod)
            if step.source == step.target:
                self.violations.append(Violation("no-move", subject, number, f"stays on {move.target!r}"))
                continue
            steps[pod] = step
        self.places |= {step.pod: step.target for step in steps.values()}
        return Wave(number, tuple(steps.values()))

    def _pod(self, move: Move) -> int:
        subject = f"{move.namespace}/{move.pod}"
        pod = self.pods.get((move.namespace, move.pod), -1)
        if pod < 0:
            raise InputError(f"the plan moves pod {subject!r}, which the snapshot does not have", PLAN_AGAIN)
        uid = self.snapshot.pods.uids[pod]
        if move.uid != uid:
            raise InputError(f"pod {subject!r} has UID {uid!r} in the snapshot, {move.uid!r} in the plan", PLAN_AGAIN)
        return pod

    def _step(self, move: Move, pod: int) -> Step:
        pods = self.snapshot.pods
        source = self.places.get(pod, int(pods.node[pod]))
        subject = f"{move.namespace}/{move.pod}"
        at = self.names[source] if source >= 0 else "no node yet"
        if source < 0 or move.source != at:
            raise InputError(
                f"wave {move.wave} moves pod {subject!r} from {move.source!r}; it is on {at!r}", PLAN_AGAIN
            )
        if move.target not in self.nodes:
            raise InputError(f"the plan moves pod {subject!r} to {move.target!r}, which is no node", PLAN_AGAIN)
        use, accelerator = int(pods.use_ucores[pod]), int(pods.accelerator_mw[pod])
        return Step(pod, int(pods.template[pod]), source, self.nodes[move.target], use, accelerator)
