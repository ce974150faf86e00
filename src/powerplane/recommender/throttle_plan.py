"""What a plan does in place beside its moves: pods are held down before any is moved, or for what moves leave over."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec
import numpy as np

from powerplane.models.api.placement_plan import PlannedCpu, PlannedMove
from powerplane.models.cpu_limits import Cpus
from powerplane.models.mobility import controller_of
from powerplane.models.objects import Pod
from powerplane.models.plan import DomainDraw, Move, Plan
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import NO_BUDGET, Snapshot
from powerplane.recommender.allowing import Leave
from powerplane.recommender.hysteresis import is_worth
from powerplane.recommender.narrowing import narrowed, overload_mw, worst_mw
from powerplane.recommender.proposing import Proposal, Task, propose, reason_for
from powerplane.recommender.publishing import policy_title
from powerplane.recommender.throttle_candidates import May, Throttling, held_down
from powerplane.recommender.throttle_check import faults_of
from powerplane.recommender.throttling import Candidate, Cut, choose, lowered
from powerplane.recommender.violations import whole_watts

HELD_DOWN = "it is held down in place"
"""Why a pod of this plan is not moved as well."""


def propose_with_throttles(task: Task, throttling: Throttling | None) -> Proposal:
    """Propose what policies allow: throttles and moves, each pod's levers in the order in which its policy names them.

    Parameters
    ----------
    task : Task
    throttling : Throttling or None
        None where nothing is held down.
    """
    if throttling is None:
        return propose(task)
    found = list(throttling.candidates(task.snapshot, task.trees, task.limits.busy))
    if not found:
        return propose(task)
    return _Mixed(task, throttling, found).proposed()


class _Mixed:
    """A plan of both in the making."""

    def __init__(self, task: Task, throttling: Throttling, found: Sequence[tuple[Candidate, May]]) -> None:
        self._task = task
        self._throttling = throttling
        self._found = found
        self._may = {candidate.uid: may for candidate, may in found}
        self._problem = narrowed(task.snapshot, task.allowing.of_templates(task.snapshot), task.trees, task.limits)
        self._before_mw = overload_mw(self._problem)

    def proposed(self) -> Proposal:
        first = choose(self._problem, [each for each, may in self._found if may.first])
        moves = self._moves(first)
        if moves is not None and moves.outcome != "plan" and not first and self._nothing_after():
            return moves
        kept = moves.plan.moves if moves is not None and moves.plan is not None and moves.outcome == "plan" else ()
        moved = _moved(lowered(self._problem, first), kept)
        gone = {move.uid for move in kept} | {cut.candidate.uid for cut in first}
        after = choose(moved, [each for each, may in self._found if not may.first and each.uid not in gone])
        cuts, final = (*first, *after), lowered(moved, after)
        if not cuts and moves is not None:
            return moves
        return self._judged(cuts, moves, tuple(_later(move, bool(first)) for move in kept), final)

    def _nothing_after(self) -> bool:
        return all(may.first for _, may in self._found)

    def _moves(self, first: Sequence[Cut]) -> Proposal | None:
        """What moves are to take off beside; None where nothing is left to."""
        task = self._task
        if first and not overload_mw(lowered(self._problem, first)):
            return None
        return propose(replace(task, snapshot=_pinned(lowered(task.snapshot, first), first)))

    def _judged(
        self, cuts: tuple[Cut, ...], moves: Proposal | None, kept: tuple[Move, ...], final: Snapshot
    ) -> Proposal:
        task, after_mw = self._task, overload_mw(final)
        count = len(cuts) + len(kept)
        leaves: dict[str, Leave] = dict(moves.leaves) if moves is not None and kept else {}
        leaves |= {cut.candidate.uid: self._may[cut.candidate.uid].leave for cut in cuts}
        plan = self._plan(moves, kept, final)
        told, gone_mw = reason_for(task.wanted), max(0, self._before_mw - after_mw)
        saves = f"{_count(cuts, kept)} take {whole_watts(gone_mw)} of {whole_watts(self._before_mw)} off"
        if faults := faults_of(self._problem, final, self._throttling.pods, cuts):
            return Proposal("failed", None, f"{told}; no plan: {faults[0]}", {})
        if not is_worth(self._before_mw, after_mw, count, task.calm):
            return Proposal("withheld", plan, f"{told}; {saves}, which is not worth them", leaves)
        left = f"; {whole_watts(after_mw)} stay above budgets" if after_mw else ""
        because = tuple(each.name for each in task.wanted)
        held = tuple(self._throttle(cut, because) for cut in cuts)
        return Proposal("plan", plan, f"{told}; {saves}{left}", leaves, held)

    def _plan(self, moves: Proposal | None, kept: tuple[Move, ...], final: Snapshot) -> Plan:
        domains, over_w = domain_draws(self._problem, final), overload_mw(final) / MILLI
        if moves is not None and moves.plan is not None:
            return msgspec.structs.replace(moves.plan, moves=kept, domains=domains, overload_watts=over_w)
        return Plan(
            status="unknown" if over_w else "feasible",
            objective="hold",
            cost=0.0,
            bound=0.0,
            gap=0.0,
            seed=self._task.seed,
            seconds=0.0,
            snapshot=self._problem.digest,
            overload_watts=over_w,
            domains=domains,
        )

    def _throttle(self, cut: Cut, because: tuple[str, ...]) -> PlannedMove:
        pod = self._throttling.pods[cut.candidate.uid]
        before = held_down(pod)
        node = self._problem.node_names[cut.candidate.node]
        return in_place(
            pod,
            node,
            "throttle",
            (cut.candidate.cpus, cut.cpus),
            watts=cut.watts_mw // MILLI,
            used=before.used if before is not None else -(-cut.candidate.use // MILLI),
            policy=policy_title(self._may[cut.candidate.uid].leave.policy),
            because=because[:MOST_BECAUSE],
        )


MOST_BECAUSE = 32


def in_place(
    pod: Pod,
    node: str,
    lever: str,
    cpus: tuple[Cpus, Cpus],
    *,
    watts: int,
    used: int = 0,
    policy: str = "",
    because: tuple[str, ...] = (),
) -> PlannedMove:
    """Return a pod's other CPU as a plan asks for it.

    Parameters
    ----------
    pod : Pod
    node : str
    lever : str
    cpus : (tuple of ContainerCpu, tuple of ContainerCpu)
        As all its containers are, and as some of them are to be.
    watts, used : int
    policy : str
    because : tuple of str
    """
    owner = controller_of(pod.metadata.owner_references)
    now = {each.container: each for each in cpus[0]}
    return PlannedMove(
        namespace=pod.metadata.namespace,
        pod=pod.metadata.name,
        uid=pod.metadata.uid,
        source=node,
        to=node,
        owner_uid=owner.uid if owner is not None else "",
        owner_kind=owner.kind if owner is not None else "",
        owner_name=owner.name if owner is not None else "",
        watts=watts,
        wave=1,
        lever=lever,
        because=because,
        policy=policy,
        priority=pod.spec.priority or 0,
        resources=tuple(
            PlannedCpu(
                container=each.container,
                request_before_milli=now[each.container].request,
                limit_before_milli=now[each.container].limit,
                request_milli=each.request,
                limit_milli=each.limit,
            )
            for each in cpus[1]
        ),
        used_milli=used,
    )


def domain_draws(before: Snapshot, after: Snapshot) -> tuple[DomainDraw, ...]:
    """What each domain draws in either snapshot, in its worst situation."""
    topology = before.topology
    return tuple(
        DomainDraw(
            name=domain.name,
            kind=domain.kind,
            budget_watts=None if domain.budget_mw == NO_BUDGET else domain.budget_mw / MILLI,
            before_watts=one / MILLI,
            after_watts=other / MILLI,
        )
        for domain, one, other in zip(topology.domains, worst_mw(before), worst_mw(after), strict=True)
    )


def _count(cuts: Sequence[Cut], moves: Sequence[Move]) -> str:
    held = f"{len(cuts)} pods held down"
    return f"{held} and {len(moves)} moves" if moves else held


def _later(move: Move, waits: bool) -> Move:
    """A move that was planned on top of throttles comes after them."""
    return msgspec.structs.replace(move, wave=move.wave + 1) if waits else move


def _moved(snapshot: Snapshot, moves: Iterable[Move]) -> Snapshot:
    """The snapshot once the moves are done."""
    row_of = {name: row for row, name in enumerate(snapshot.node_names)}
    target = {move.uid: row_of[move.target] for move in moves}
    node = snapshot.pods.node.copy()
    for row, uid in enumerate(snapshot.pods.uids):
        node[row] = target.get(uid, node[row])
    return replace(snapshot, pods=replace(snapshot.pods, node=node))


def _pinned(snapshot: Snapshot, cuts: Sequence[Cut]) -> Snapshot:
    """The snapshot with the pods that are held down kept where they are."""
    rows = np.array([cut.candidate.row for cut in cuts], dtype=np.int64)
    template, templates = snapshot.pods.template.copy(), list(snapshot.templates)
    number: dict[int, int] = {}
    for row in rows.tolist():
        old = int(template[row])
        if old not in number:
            number[old] = len(templates)
            templates.append(replace(templates[old], unmovable=templates[old].unmovable or HELD_DOWN))
        template[row] = number[old]
    return replace(snapshot, templates=tuple(templates), pods=replace(snapshot.pods, template=template))
