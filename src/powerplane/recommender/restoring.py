"""When pods that are held down get back what they had.

Once there has been room for it for a while; at once where nobody lets them be held down any more, or where holding them
down was refused.

Nothing but the pods themselves is remembered: what each had, and how much of it it used, stands in its annotation.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from powerplane.models.api.placement_plan import MoveProgress, PlacementPlanObject, PlannedMove
from powerplane.models.cpu_limits import Before, ContainerCpu, Cpus, cpus_of
from powerplane.models.curves import milliwatts_at
from powerplane.models.draws import node_draws_mw, node_kinds, node_loads
from powerplane.models.incidence import compile_incidence
from powerplane.models.objects import Pod
from powerplane.models.plan import Plan
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import NO_BUDGET, Snapshot
from powerplane.recommender.allowing import Leave
from powerplane.recommender.proposing import Proposal
from powerplane.recommender.publishing import policy_title
from powerplane.recommender.throttle_candidates import held_down
from powerplane.recommender.throttle_plan import domain_draws, in_place
from powerplane.recommender.trees import NO_ROOTS, Trees

Integers = NDArray[np.int64]

QUIET_S = 60.0
"""For so long there must have been room."""

HEADROOM_PERCENT = 97
"""Of its budget that a domain may draw at the most with the pods as they were."""

MOST_AT_ONCE = 200
REFUSED = frozenset(("Failed", "RolledBack"))


@dataclass(frozen=True, slots=True)
class Held:
    """A pod that is held down.

    Parameters
    ----------
    row, node : int
        Of the snapshot.
    pod : Pod
    before : Before
    leave : Leave or None
        By whose leave it is; None where nobody gives it any more.
    """

    row: int
    node: int
    pod: Pod
    before: Before
    leave: Leave | None


@dataclass(slots=True)
class Restoring:
    """Follows how long there has been room. Not for several threads at once."""

    _room_s: dict[str, float] = field(default_factory=dict)

    def follow(
        self, snapshot: Snapshot, held: Iterable[Held], hot: Set[int], refused: Set[str], clock_s: float
    ) -> tuple[Held, ...]:
        """Take in a look, and return who gets back what it had.

        Parameters
        ----------
        snapshot : Snapshot
            With the budgets in force.
        held : iterable of Held
        hot : set of int
            Rows of nodes in whose trees a budget is broken, now or ahead.
        refused : set of str
            UIDs of pods that were to be held down and could not be.
        clock_s : float
            By a clock that only goes on.
        """
        every = sorted(held, key=lambda each: (-(each.pod.spec.priority or 0), each.pod.metadata.uid))
        freed = [each for each in every if each.leave is None or each.pod.metadata.uid in refused]
        kept = [each for each in every if each.leave is not None and each.pod.metadata.uid not in refused]
        fitting = _fitting(back(snapshot, freed), [each for each in kept if each.node not in hot])
        names = {each.pod.metadata.uid for each in fitting}
        self._room_s = {uid: at_s for uid, at_s in self._room_s.items() if uid in names}
        ready = [
            each for each in fitting if clock_s - self._room_s.setdefault(each.pod.metadata.uid, clock_s) >= QUIET_S
        ]
        return (*freed, *ready)[:MOST_AT_ONCE]


def held_in(
    snapshot: Snapshot, pods: Mapping[str, Pod], leaves: Sequence[Leave | None], trees: Trees, busy: Set[str]
) -> Iterator[Held]:
    """Return the pods that are held down, but for those in trees in which nothing is touched.

    Parameters
    ----------
    snapshot : Snapshot
    pods : mapping
        By UID.
    leaves : sequence of Leave or None
        By template: who lets its pods be held down.
    trees : Trees
    busy : set of str
        Roots of those trees.
    """
    table = snapshot.pods
    for row, uid in enumerate(table.uids):
        pod, node = pods.get(uid), int(table.node[row])
        if pod is None or node < 0 or (before := held_down(pod)) is None:
            continue
        if not trees.of_node.get(snapshot.node_names[node], NO_ROOTS) & busy:
            yield Held(row, node, pod, before, leaves[int(table.template[row])])


def refused_of(plans: Iterable[PlacementPlanObject]) -> frozenset[str]:
    """Return the UIDs of pods that plans wanted to hold down, and could not."""
    return frozenset(
        each.uid
        for plan in plans
        if plan.status is not None
        for move, each in _progress(plan)
        if move.lever == "throttle" and each.step in REFUSED and each.reason.startswith("Resize")
    )


def back(snapshot: Snapshot, held: Iterable[Held]) -> Snapshot:
    """Return the snapshot with pods using again what they used."""
    use = snapshot.pods.use_ucores.copy()
    for each in held:
        use[each.row] = max(int(use[each.row]), each.before.used * MILLI)
    return replace(snapshot, pods=replace(snapshot.pods, use_ucores=use))


def restored(snapshot: Snapshot, chosen: Sequence[Held]) -> Proposal:
    """Return what gives pods back what they had.

    Parameters
    ----------
    snapshot : Snapshot
    chosen : sequence of Held
    """
    after = back(snapshot, chosen)
    gain = node_draws_mw(after) - node_draws_mw(snapshot)
    moves = tuple(_move(snapshot, each, int(gain[each.node])) for each in chosen)
    plan = Plan(
        status="feasible",
        objective="restore",
        cost=0.0,
        bound=0.0,
        gap=0.0,
        seed=0,
        seconds=0.0,
        snapshot=snapshot.digest,
        domains=domain_draws(snapshot, after),
    )
    freed = sum(each.leave is None for each in chosen)
    why = f"there is room for what {len(chosen) - freed} pods drew before they were held down"
    if freed:
        why = f"{why}; nobody lets {freed} be held down any more" if freed < len(chosen) else _nobody(freed)
    leaves = {each.pod.metadata.uid: each.leave for each in chosen if each.leave is not None}
    return Proposal("plan", plan, why, leaves, moves)


def given_back(now: ContainerCpu, before: ContainerCpu, node_milli: int) -> ContainerCpu:
    """What a container gets back: where it had no limit, which none may have taken away, all cores of its node."""
    limit = before.limit if before.limit is not None or now.limit is None else max(node_milli, now.limit)
    return ContainerCpu(now.container, before.request, limit)


def _nobody(count: int) -> str:
    return f"nobody lets {count} pods be held down any more"


def _move(snapshot: Snapshot, held: Held, node_gain_mw: int) -> PlannedMove:
    now: Cpus = cpus_of(held.pod.spec)
    by_name = {each.container: each for each in held.before.cpus}
    node_milli = int(snapshot.allocatable[held.node, snapshot.resources.index("cpu")])
    given = tuple(given_back(each, by_name[each.container], node_milli) for each in now if each.container in by_name)
    return in_place(
        held.pod,
        snapshot.node_names[held.node],
        "restore",
        (now, given),
        watts=max(0, node_gain_mw) // MILLI,
        used=held.before.used,
        policy=policy_title(held.leave.policy) if held.leave is not None else "",
    )


def _fitting(snapshot: Snapshot, held: Sequence[Held]) -> list[Held]:
    """Those for which there is room beside all before them."""
    incidence = compile_incidence(snapshot.topology, snapshot.node_names)
    most, node_most = _share(incidence.budget_mw), _share(snapshot.node_budget_mw)
    kinds = node_kinds(snapshot)
    kind_of = {int(node): kind for kind in kinds for node in kind.nodes}
    (use, _), draws = node_loads(snapshot), node_draws_mw(snapshot)
    carried, columns = incidence.weights @ draws, incidence.weights.tocsc()
    found: list[Held] = []
    for each in held:
        kind, more = kind_of[each.node], _more(snapshot, each)
        uses = np.array([use[each.node], use[each.node] + more], dtype=np.int64)
        now_mw, then_mw = milliwatts_at(kind.knots_ucores, kind.knots_mw, uses).tolist()
        column = slice(int(columns.indptr[each.node]), int(columns.indptr[each.node + 1]))
        rows, added = columns.indices[column], columns.data[column] * (then_mw - now_mw)
        node_fits = draws[each.node] + then_mw - now_mw <= node_most[each.node]
        if node_fits and (-(-(carried[rows] + added) // incidence.scale) <= most[rows]).all():
            use[each.node] += more
            draws[each.node] += then_mw - now_mw
            carried[rows] += added
            found.append(each)
    return found


def _more(snapshot: Snapshot, held: Held) -> int:
    """Micro-cores that a pod uses more with what it had."""
    return max(0, held.before.used * MILLI - int(snapshot.pods.use_ucores[held.row]))


def _share(budget_mw: Integers) -> Integers:
    """What may be drawn of budgets with pods as they were."""
    bounded = np.minimum(budget_mw, NO_BUDGET // HEADROOM_PERCENT)
    return np.where(budget_mw == NO_BUDGET, budget_mw, bounded * HEADROOM_PERCENT // 100)


def _progress(plan: PlacementPlanObject) -> Iterator[tuple[PlannedMove, MoveProgress]]:
    moves = {move.uid: move for move in plan.spec.moves}
    for each in plan.status.moves if plan.status is not None else ():
        if each.uid in moves:
            yield moves[each.uid], each
