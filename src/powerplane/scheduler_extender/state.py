"""What the extender knows, and how it answers: the books, the steering, and the rules between them.

Everything here runs on the server's event loop, one call after the other, so nothing is locked. Nothing here waits,
reads a file or asks the API server.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from powerplane.adapters.node_rates import Draw
from powerplane.models.power_tree import Ints, PowerTree, compile_tree
from powerplane.scheduler_extender.answers import FilterAnswer, PreemptAnswer
from powerplane.scheduler_extender.choosing import choose, scores
from powerplane.scheduler_extender.facts import PodFact, demand_of, owner_of, refusal_of, version_of
from powerplane.scheduler_extender.ledger import Hold, Ledger
from powerplane.scheduler_extender.preempting import preempt
from powerplane.scheduler_extender.reasons import BEHIND, BROKEN_TREE, ELSEWHERE, UNKNOWN, Refusals, row_reasons
from powerplane.scheduler_extender.rendering import ScoreSheet
from powerplane.scheduler_extender.rules import HoldRules, Tallies
from powerplane.scheduler_extender.steering import Move, Steering
from powerplane.scheduler_extender.trust import Trust
from powerplane.scheduler_extender.waking import Waking
from powerplane.scheduler_extender.wire import BindArgs, FilterArgs, PreemptArgs, WaitingPod

Clock = Callable[[], float]
BindCall = Callable[[BindArgs], Awaitable[str]]


class ExtenderState:
    """Answers the scheduler from memory.

    Parameters
    ----------
    clock : callable
        Monotonic seconds.
    rules : HoldRules, optional
    bind : callable, optional
        Binds a pod off the event loop and returns "" or the error; without it the verb is refused.
    leads : callable
        Whether this replica may answer at this instant.

    Attributes
    ----------
    asked_s : float or None
        When the scheduler last asked where a pod may go, by the clock.
    """

    def __init__(
        self,
        clock: Clock,
        rules: HoldRules | None = None,
        bind: BindCall | None = None,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self.clock = clock
        self.rules = rules or HoldRules()
        self.ledger = Ledger(compile_tree(None, ()))
        self.steering = Steering()
        self.tallies = Tallies()
        self.asked_s: float | None = None
        self.pending: dict[str, PodFact] = {}
        self.unready = "the watches are not in step with the API server yet"
        self.tree_holds = True
        self._bind = bind
        self._leads = leads
        self._tried: dict[str, Ints] = {}
        self._sent_back: set[str] = set()
        self._turn = 0
        self.waking = Waking(self.rules.refused_for_s)
        self._trust = Trust(self.rules.trust)
        self._plan_until_s: dict[str, float] = {}
        self._use_words(self.ledger.tree)

    # -- what the watches bring

    def use_tree(self, tree: PowerTree, *, holds: bool = True) -> None:
        """Take another tree; ``holds`` is false where the cluster's domains make none and nothing may be let in."""
        other_nodes = tree.index is not self.ledger.tree.index
        self.ledger.use(tree)
        self.waking.use(len(tree))
        self.tree_holds = holds
        self._use_words(tree)
        if other_nodes:
            self._tried = {}
            self._hold_what_was_not()

    def _hold_what_was_not(self) -> None:
        """Hold for moves and nominated pods whose nodes were not known before."""
        for move in self.steering.unfollowed():
            if move.key not in self.ledger.holds:
                self._hold_move(move, self._plan_until_s.get(move.plan, 0.0))
        for pod in self.pending.values():
            if pod.nominated and pod.uid not in self.ledger.holds:
                self._hold_nominated(pod)

    def _use_words(self, tree: PowerTree) -> None:
        self._words = row_reasons(tree)
        self._sheet = ScoreSheet(tuple(node.name for node in tree.nodes))
        self._columns_of: tuple[bytes, Ints] = (b"", np.zeros(0, dtype=np.int64))

    def see_pod(self, pod: PodFact) -> None:
        """Take note of a pod as the watch shows it."""
        if pod.finished:
            self.lose_pod(pod.uid)
        elif pod.node:
            self.pending.pop(pod.uid, None)
            self._tried.pop(pod.uid, None)
            self._sent_back.discard(pod.uid)
            self.waking.forget(pod.uid)
            self._confirm(pod)
        else:
            self.pending[pod.uid] = pod
            self._see_waiting(pod)

    def _see_waiting(self, pod: PodFact) -> None:
        hold = self.ledger.holds.get(pod.uid)
        if pod.leaving:
            self._let_go(pod.uid)
        elif hold is None:
            self._hold_nominated(pod)
        elif pod.version > hold.version:
            # A status of an earlier attempt stands there through this one, so only what is new in it says anything.
            failed = pod.refusal not in ("", hold.refusal)
            column = self.ledger.tree.index.get(pod.nominated) if pod.nominated != hold.nominated else None
            if failed:
                self._let_go(pod.uid)
                self._hold_nominated(pod)
            elif column is not None and column in hold.nodes:
                self._hold_nominated(pod)

    def _hold_nominated(self, pod: PodFact) -> None:
        """Hold a pod's watts where it is nominated: by preemption, or because its volumes are bound first."""
        column = self.ledger.tree.index.get(pod.nominated)
        if column is not None:
            mw = int(self.ledger.demand_mw(pod.demand)[column])
            hold = _on_one(pod.uid, pod.namespace, column, mw, self._until_s(), version=pod.version)
            self.ledger.hold(replace(hold, refusal=pod.refusal, nominated=pod.nominated))

    def lose_pod(self, uid: str) -> None:
        """Take note that a pod is gone."""
        self.pending.pop(uid, None)
        self._tried.pop(uid, None)
        self._sent_back.discard(uid)
        self.waking.forget(uid)
        self.ledger.remove(uid)
        self._let_go(uid)

    def _confirm(self, pod: PodFact) -> None:
        if self.ledger.node_of(pod.uid) is None and pod.uid not in self.ledger.holds:
            self.tallies.foreign_binds += 1
        move = self.steering.close(pod.uid)
        if move is not None:
            self.ledger.release(move.key)
            self.tallies.steered += int(move.target == pod.node)
            self.tallies.steered_astray += int(move.target != pod.node)
        self.ledger.place(pod)

    def see_plan(self, name: str, moves: Iterable[Move], until_s: float) -> None:
        """Take a plan's moves, held until ``until_s`` on the clock, in place of what it had."""
        new, gone = self.steering.take(name, moves)
        for move in gone:
            self.ledger.release(move.key)
        self._plan_until_s[name] = until_s
        for move in new:
            self._hold_move(move, until_s)

    def lose_plan(self, name: str) -> None:
        """Take note that a plan is gone."""
        self.see_plan(name, (), 0.0)
        del self._plan_until_s[name]

    def _hold_move(self, move: Move, until_s: float) -> None:
        column = self.ledger.tree.index.get(move.target)
        if column is not None and move.mw and int(self.ledger.room_mw[column]) >= move.mw:
            self.ledger.hold(replace(_on_one(move.key, move.namespace, column, move.mw, until_s), planned=True))

    # -- time

    def lapse(self, seen_until_s: float) -> int:
        """Let go of what is over; returns how many holds.

        Parameters
        ----------
        seen_until_s : float
            Until when the watch of pods is known to have told everything: a hold that was over only later stays, since
            its pod may be bound and not seen.
        """
        now = self.clock()
        for name in [name for name, until in self._plan_until_s.items() if until <= now]:
            self.lose_plan(name)
        self.waking.age(now)
        over = [key for key, hold in self.ledger.holds.items() if hold.until_s <= min(now, seen_until_s)]
        for key in over:
            hold = self.ledger.holds[key]
            if not hold.planned:
                self._trust.lapsed(hold.namespace, now)
            self._let_go(key)
        self.tallies.lapsed += len(over)
        return len(over)

    def _let_go(self, uid: str) -> None:
        """Give up a pod's hold; a move that it followed is open again, and held again."""
        self.ledger.release(uid)
        move = self.steering.leave(uid)
        if move is not None:
            self._hold_move(move, self._plan_until_s.get(move.plan, 0.0))

    # -- the scheduler's questions

    def ready(self) -> tuple[bool, str]:
        """Whether there is enough to answer from."""
        if not self.unready and not self._leads():
            return False, "the Lease has run out"
        return not self.unready, self.unready

    def filter(self, args: FilterArgs) -> FilterAnswer:
        """Say where the pod may go, and hold its watts there."""
        self.asked_s = self.clock()
        if not self.tree_holds:
            return FilterAnswer(error=BROKEN_TREE)
        pod = args.pod
        demand = demand_of(pod.spec, pod.metadata.annotations)
        self._let_go(pod.metadata.uid)
        demand_mw = self.ledger.demand_mw(demand)
        if not demand_mw.any():
            return FilterAnswer()
        namespace = pod.metadata.namespace
        if not self._trust.allows(namespace, self.ledger.holds_of(namespace), self.clock()):
            self.tallies.crowded += 1
            return FilterAnswer(error=f"too many pods of namespace {namespace} passed and were never bound")
        columns = self._columns(args)
        steered = self._steer(args, columns, demand_mw)
        if steered is not None:
            return steered
        owner = owner_of(pod.metadata.owner_references)
        unseen = pod.metadata.uid not in self.pending
        if unseen and self.steering.awaits_news(namespace, pod.metadata.name, owner, self.ledger.pod):
            return FilterAnswer(error=BEHIND)
        known = columns[columns >= 0]
        fitting = known[self.ledger.room_mw[known] >= demand_mw[known]]
        if not len(fitting):
            return self._refuse(pod, args, columns, demand, demand_mw)
        self._turn += 1
        offer = choose(self.ledger, self._untried(pod.metadata.uid, fitting), demand_mw, self._turn)
        self._offer(pod, offer.nodes, offer.mw)
        self._tried[pod.metadata.uid] = offer.nodes
        if len(offer.nodes) == len(columns):
            return FilterAnswer()
        names = self.ledger.tree.nodes
        return FilterAnswer(names=tuple([names[column].name for column in offer.nodes.tolist()]))

    def _untried(self, uid: str, fitting: Ints) -> Ints:
        """Nodes that a pod was not offered the last time, when it did not get there; all where there are no others."""
        tried = self._tried.get(uid)
        if tried is None:
            return fitting
        others = fitting[~np.isin(fitting, tried)]
        return others if len(others) else fitting

    def _offer(self, pod: WaitingPod, nodes: Ints, mw: Ints) -> None:
        meta = pod.metadata
        claims = any(volume.persistent_volume_claim or volume.ephemeral for volume in pod.spec.volumes or ())
        until_s = self._until_s(self.rules.volume_lapse_s if claims else None)
        version, status = version_of(meta.resource_version), pod.status
        refusal, nominated = refusal_of(status.conditions), status.nominated_node_name
        self.ledger.hold(Hold(meta.uid, meta.namespace, nodes, mw, until_s, version, refusal, nominated))
        self.waking.forget(meta.uid)

    def _until_s(self, lapse_s: float | None = None) -> float:
        return self.clock() + (self.rules.lapse_s if lapse_s is None else lapse_s)

    def _steer(self, args: FilterArgs, columns: Ints, demand_mw: Ints) -> FilterAnswer | None:
        """Offer the target alone to a pod that follows a planned move; None for every other pod."""
        if not len(self.steering):
            return None
        meta = args.pod.metadata
        move = self.steering.move_for(meta.namespace, meta.name, owner_of(meta.owner_references), self.ledger.pod)
        column = self.ledger.tree.index.get(move.target) if move else None
        if move is None or column is None:
            return None
        if column not in columns:
            return self._send_back_once(meta.uid, columns)
        held = self.ledger.release(move.key)
        if int(self.ledger.room_mw[column]) < int(demand_mw[column]):
            if held is not None:
                self.ledger.hold(held)
            return None
        self.steering.follow(meta.uid, move)
        target = np.array([column], dtype=np.int64)
        self._offer(args.pod, target, demand_mw[target])
        return FilterAnswer(names=(move.target,))

    def _send_back_once(self, uid: str, columns: Ints) -> FilterAnswer | None:
        """Send a steered pod back that is asked about for one node other than its target, the first time.

        The scheduler asks so when it has a hint, from an identical pod or a nomination; sent back it asks about all
        nodes, the target among them. Where there is no other node indeed, the pod passes the next time.
        """
        if len(columns) > 1 or uid in self._sent_back:
            return None
        self._sent_back.add(uid)
        return FilterAnswer(error=ELSEWHERE)

    def _refuse(self, pod: WaitingPod, args: FilterArgs, columns: Ints, demand: Draw, demand_mw: Ints) -> FilterAnswer:
        self.waking.refuse(pod.metadata.uid, demand, self.ledger.room_mw, self.clock())
        refusals = Refusals(self.ledger, demand_mw, self._words)
        known = columns >= 0
        told = iter(refusals.by_node(columns[known]))
        curable = iter(refusals.curable(columns[known], pod.spec.priority or 0).tolist())
        failed: dict[str, str] = {}
        unresolvable: dict[str, str] = {}
        for name, is_known in zip(args.node_names, known.tolist(), strict=True):
            if is_known and next(curable):
                failed[name] = next(told)
            else:
                unresolvable[name] = next(told) if is_known else UNKNOWN
        return FilterAnswer(names=(), failed=failed, unresolvable=unresolvable)

    def prioritize(self, args: FilterArgs) -> bytes:
        """Score the nodes, 0 to 10."""
        demand_mw = self.ledger.demand_mw(demand_of(args.pod.spec, args.pod.metadata.annotations))
        columns = self._columns(args)
        known = columns[columns >= 0]
        return self._sheet.render(columns, scores(self.ledger, known, demand_mw[known]), args.node_names)

    def preempt(self, args: PreemptArgs) -> PreemptAnswer:
        """Say which proposals make room."""
        self._let_go(args.pod.metadata.uid)
        demand_mw = self.ledger.demand_mw(demand_of(args.pod.spec, args.pod.metadata.annotations))
        worst = int(demand_mw.max(initial=0))
        return preempt(self.ledger, worst, args.pod.spec.priority or 0, args.victims)

    def _columns(self, args: FilterArgs) -> Ints:
        """Column of each name that is asked about, −1 where it is unknown; prioritize asks about the same again."""
        raw, columns = self._columns_of
        if raw and raw == args.raw_names:
            return columns
        index, names = self.ledger.tree.index, args.node_names
        try:
            found = np.array(list(map(index.__getitem__, names)), dtype=np.int64)  # twice as fast as asking with get
        except KeyError:
            found = np.array([index.get(name, -1) for name in names], dtype=np.int64)
        self._columns_of = (args.raw_names, found)
        return found

    async def bind(self, args: BindArgs) -> str:
        """Bind the pod, once its watts are held on that very node."""
        if self._bind is None:
            return (
                "powerplane was started without the right to bind: leave bindVerb out of the scheduler's configuration"
            )
        column = self.ledger.tree.index.get(args.node)
        if column is not None and (trouble := self._pin(args, column)):
            return trouble
        return await self._bind(args)

    def _pin(self, args: BindArgs, column: int) -> str:
        """Hold a pod's watts on its node alone; says why that cannot be."""
        hold, pod = self.ledger.holds.get(args.pod_uid), self.pending.get(args.pod_uid)
        if hold is not None and column in hold.nodes:
            mw = int(hold.mw[hold.nodes == column][0])
        elif pod is not None:
            mw = int(self.ledger.demand_mw(pod.demand)[column])
            if int(self.ledger.room_mw[column]) < mw:
                return f"too little power left on {args.node}"
        else:
            return "the pod is not known to powerplane yet"
        version = hold.version if hold else 0
        self.ledger.hold(_on_one(args.pod_uid, args.pod_namespace, column, mw, self._until_s(), version=version))
        return ""

    # -- what is told

    def bound_mw(self, tree: PowerTree) -> Ints:
        """What bound pods draw on each node of a tree by the books, shape (N,)."""
        own = self.ledger.tree.index
        used = self.ledger.used_mw
        if tree.index is own:
            return used.copy()
        return np.array([used[own[node.name]] if node.name in own else 0 for node in tree.nodes], dtype=np.int64)

    def headroom(self) -> Mapping[str, tuple[str, int, int]]:
        """By domain: kind, budget and what is left of it in its worst situation, in milliwatts."""
        tree, free = self.ledger.tree, self.ledger.row_free
        found: dict[str, tuple[str, int, int]] = {}
        for row, domain in enumerate(tree.row_domain):
            left = int(free[row]) // tree.scale
            if domain not in found or left < found[domain][2]:
                found[domain] = (tree.row_kind[row], int(tree.row_budget_mw[row]), left)
        return found


def _on_one(key: str, namespace: str, column: int, mw: int, until_s: float, *, version: int = 0) -> Hold:
    """A hold on one node."""
    return Hold(key, namespace, np.array([column], dtype=np.int64), np.array([mw], dtype=np.int64), until_s, version)
