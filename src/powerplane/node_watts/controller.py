"""Watts shifted between nodes so that at no instant more could be bound than the budgets allow.

A state machine without a clock or a cluster: it is shown moments and answers with writes. Everything rests on one
number a node, its *ceiling*: the most that the scheduler could bind there by any number that it may have seen. A node
is raised only as far as every row above it holds with all ceilings. A ceiling falls only once the scheduler cannot
act by the higher number any more.

A node that gives is closed first, by a taint of ours: once nothing can be bound there, its pods are counted again,
the number is lowered to no less than they request, and the node is opened. A kubelet that restarts meanwhile finds
every bound pod within the number that the node lists.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from powerplane.node_watts.memory import Memory
from powerplane.node_watts.patience import Patience
from powerplane.node_watts.seen import Decisions, Excess, Kind, Mask, Outcome, Seen, Write
from powerplane.solver.partition import Division, Ground, divide
from powerplane.solver.partition_exact import ExactPlacer
from powerplane.solver.partition_fill import Change
from powerplane.solver.partition_rows import Ints

MOST_CLOSED = 10
"""Nodes that may be closed at one time, or a tenth of all; more only while a budget is broken."""


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """How the controller moves watts.

    Parameters
    ----------
    settle_s : float
        Lag of the scheduler and of our own watches together, at most.
    write_timeout_s : float
        After this a write whose answer never came can no longer take effect.
    close_first : bool
        Whether nodes are closed before their number falls. Without it a pod that is bound in the moment of a
        shrink may be refused by its kubelet.
    most_writes : int
        Writes on their way at one time.
    round_s : float
        After this a round of moves that does not come to its end is planned anew.
    level_s : float
        Time between two rounds in which nodes give back what others can use better.
    change : Change
    exact_s : float
        Wall seconds for a mixed-integer program where greedy leaves waiting pods out; 0 for never.
    """

    settle_s: float = 2.0
    write_timeout_s: float = 5.0
    close_first: bool = True
    most_writes: int = 200
    round_s: float = 20.0
    level_s: float = 60.0
    change: Change = field(default_factory=Change)
    exact_s: float = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """Targets that are being carried out."""

    names: tuple[str, ...]
    target: Ints
    serving: Mask
    unserved: int
    started_s: float


class Controller:
    """Decides what to write; one object for each time that leadership is won.

    Parameters
    ----------
    settings : ControllerSettings
    since_s : float
        When leadership was won: until a predecessor's last write can no longer take effect, nothing grows.
    """

    def __init__(self, settings: ControllerSettings, since_s: float) -> None:
        self._settings = settings
        self._since_s = since_s
        self._memory = Memory(settings.settle_s, settings.write_timeout_s + settings.settle_s)
        self._patience = Patience()
        self._round: Round | None = None
        self._levelled_s = since_s
        self._answered: tuple[object, ...] | None = None

    def decide(self, seen: Seen, now_s: float) -> Decisions:
        """Look at a moment and answer with writes.

        Parameters
        ----------
        seen : Seen
        now_s : float
            A clock that never goes back.
        """
        self._memory.see(seen, now_s)
        ceiling = self._memory.ceiling(seen)
        current = self._plan(seen, ceiling, now_s)
        want = np.maximum(current.target, seen.keep)
        moves = _Moves(self._settings, self._memory, seen, want, now_s)
        settled_s = self._since_s + self._settings.settle_s
        patient = now_s >= settled_s + self._settings.write_timeout_s
        raises = moves.raises(ceiling, current.serving, settled=now_s >= settled_s, beyond=patient)
        writes = [*raises, *moves.lowers(ceiling)]
        del writes[max(0, self._settings.most_writes - moves.on_their_way) :]
        for write in writes:
            self._memory.send(write)
        return Decisions(tuple(writes), moves.on_their_way, current.unserved, _excess(seen))

    def note(self, write: Write, outcome: Outcome, now_s: float) -> None:
        """Take in what became of a write: done, refused for sure, or unknown."""
        self._memory.note(write, outcome, now_s)

    def _plan(self, seen: Seen, ceiling: Ints, now_s: float) -> Round:
        """Return the round in progress, or a new one where it has ended or no longer holds."""
        current = self._round
        if current is not None and current.names == seen.names and not self._over(current, seen, ceiling, now_s):
            return current
        level = now_s >= self._levelled_s + self._settings.level_s
        if level:
            self._levelled_s = now_s
        allowed = seen.allowed & ~(seen.closed | seen.absent) & self._patience.willing(seen, now_s)
        division = Division(
            Ground(seen.rows, seen.keep, seen.cap, seen.free, allowed),
            seen.demands,
            seen.listed,
            seen.ability,
            replace(self._settings.change, level=level),
            self._exact(seen),
        )
        shares = divide(division)
        self._patience.watch(seen, shares, now_s)
        serving = shares.needed > seen.keep
        self._round = Round(seen.names, shares.target, serving, shares.placement.unplaced, now_s)
        return self._round

    def _exact(self, seen: Seen) -> ExactPlacer | None:
        """Return the exact step where it has not looked at the same question before."""
        question = (
            tuple((each.key, each.count) for each in seen.demands),
            seen.keep.tobytes(),
            seen.rows.limit.tobytes(),
        )
        if not self._settings.exact_s or question == self._answered:
            return None
        self._answered = question
        return ExactPlacer(self._settings.exact_s, seed=0)

    def _over(self, current: Round, seen: Seen, ceiling: Ints, now_s: float) -> bool:
        keep = seen.keep
        if now_s >= current.started_s + self._settings.round_s:
            return True
        if (current.target > np.maximum(seen.cap, keep)).any():
            return True
        want = np.maximum(current.target, keep)
        if (seen.rows.load(want) > np.maximum(seen.rows.limit, seen.rows.load(keep))).any():
            return True
        # While some node still gives, others may be waiting for its watts.
        moving = (want < ceiling) | ((want > seen.listed) & (seen.listed < ceiling))
        return not (moving & ~seen.absent).any()


class _Moves:
    """The writes of one moment, at most one a node."""

    def __init__(self, settings: ControllerSettings, memory: Memory, seen: Seen, want: Ints, now_s: float) -> None:
        self._settings = settings
        self._memory = memory
        self._seen = seen
        self._want = want
        self._now_s = now_s
        sent = np.array([memory.busy(name) for name in seen.names], dtype=np.bool_)
        self.on_their_way = int(sent.sum())
        self._busy = sent | seen.absent

    def raises(self, ceiling: Ints, serving: Mask, *, settled: bool, beyond: bool) -> list[Write]:
        """Raise nodes to what they should list, as far as every row holds with all ceilings.

        Parameters
        ----------
        ceiling : int64 array, shape (N,)
        serving : bool array, shape (N,)
            Nodes for which pods wait; they come right after those that list less than their pods request.
        settled : bool
            Whether everything shows that was done before this controller began.
        beyond : bool
            Whether ceilings may grow at all.
        """
        seen = self._seen
        # A zeroed node lists again what the scheduler may still believe, for the pods that it binds by that.
        zeroed = seen.untrue & (seen.listed == 0)
        want = np.where(zeroed, np.maximum(self._want, np.minimum(ceiling, seen.cap)), self._want)
        # One that registered anew may have pods that do not show yet; none of them fails while it lists nothing.
        fell = np.array([self._memory.fell(name) for name in seen.names], dtype=np.bool_)
        early = seen.bare & (fell | np.bool_(not settled))
        short = np.flatnonzero(~self._busy & ~early & ((want > seen.listed) | seen.untrue))
        urgent = (seen.listed < seen.bound) | seen.untrue
        order = np.lexsort((-want[short], ~serving[short], ~urgent[short]))
        slack = seen.rows.slack(ceiling)
        giving = bool((want < ceiling).any())
        writes: list[Write] = []
        for i in short[order].tolist():
            rise = max(0, int(want[i] - ceiling[i]))
            room = seen.rows.room_of(slack, i)
            if rise > room and giving and not urgent[i]:
                # What others give will make one write of it.
                continue
            # Under a broken row not even what the scheduler may still believe is listed again.
            most = int(ceiling[i]) + min(rise, room if beyond else 0) if room >= 0 else 0
            value = max(int(seen.keep[i]), int(seen.listed[i]), min(int(want[i]), most))
            if value > seen.listed[i] or seen.untrue[i]:
                seen.rows.take(slack, i, max(0, value - int(ceiling[i])))
                writes.append(self._write(i, "watts", value))
            if len(writes) >= self._settings.most_writes:
                break
        return writes

    def lowers(self, ceiling: Ints) -> list[Write]:
        """Close nodes that are to give, lower those that have been closed long enough, open those that are done."""
        seen = self._seen
        gives = ~self._busy & (seen.listed > self._want) & ~seen.untrue
        broken = bool((seen.rows.slack(ceiling) < 0).any())
        closable = len(seen.names) if broken else max(MOST_CLOSED, len(seen.names) // 10) - int(seen.closed.sum())
        lowered: list[Write] = []
        closed: list[Write] = []
        opened: list[Write] = []
        for i in np.flatnonzero(gives | (~self._busy & seen.closed)).tolist():
            if not gives[i]:
                opened.append(self._write(i, "open"))
            elif not self._settings.close_first or self._memory.shut(self._memory.of(seen.names[i]), self._now_s):
                lowered.append(self._write(i, "watts", int(self._want[i])))
            elif not seen.closed[i] and len(closed) < closable:
                closed.append(self._write(i, "close"))
        return [*lowered, *opened, *closed]

    def _write(self, i: int, kind: Kind, watts: int = 0) -> Write:
        self._busy[i] = True
        return Write(self._seen.names[i], self._seen.versions[i], kind, watts)


def _excess(seen: Seen) -> tuple[Excess, ...]:
    """Rows that what is bound breaks already."""
    over = -seen.rows.slack(seen.bound)
    return tuple(
        Excess(*seen.row_names[row], -(-int(over[row]) // seen.row_scale)) for row in np.flatnonzero(over > 0).tolist()
    )
