"""The most that a domain can draw while a wave runs.

Any subset of a wave's steps may have been carried out; a pod on its way is at its source, nowhere, or at its target,
never at both. Draw never falls with use, so "nowhere" draws no more than "at its source", and the worst is found
among the subsets of steps. First a bound: every step that could raise the domain's draw does so at its worst. Only
where that bound breaks the budget, the subsets are tried, and of them only the steps whose effect is in doubt.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from powerplane.solver.check.ledger import Ledger
from powerplane.solver.check.replay import Step, Wave

MOST_SUBSETS = 2**14
Change = tuple[int, int, int, int]
"""Source, target, micro-cores and accelerator milliwatts of a step: steps alike are interchangeable."""
State = dict[int, tuple[int, int]]
"""By node: micro-cores in use and accelerator milliwatts."""


@dataclass(frozen=True, slots=True)
class Span:
    """What a step adds at its target and takes away at its source, in milliwatts: least and most of each."""

    least_rise: Fraction
    most_rise: Fraction
    least_fall: Fraction
    most_fall: Fraction


class Transit:
    """One wave, about to start.

    Parameters
    ----------
    ledger : Ledger
        As the wave finds it.
    row_mw : list of Fraction
        Draw of every row as the wave finds it.
    """

    def __init__(self, ledger: Ledger, wave: Wave, row_mw: list[Fraction]) -> None:
        self.ledger, self.cluster, self.loads = ledger, ledger.cluster, ledger.cluster.loads
        self.row_mw = row_mw
        self._known: dict[tuple[int, int, tuple[int, int]], Fraction] = {}
        steps = Counter((s.source, s.target, s.use_ucores, s.accelerator_mw) for s in wave.steps)
        self.slopes = self._slopes(wave.steps)
        self.spans = {change: (self._span(change), count) for change, count in steps.items()}
        self.coming: dict[int, list[Change]] = defaultdict(list)
        for change in self.spans:
            self.coming[self.loads.group[change[1]]].append(change)

    def bounds(self) -> dict[int, Fraction]:
        """By row that some step can raise: a draw that no subset exceeds."""
        peaks: dict[int, Fraction] = {}
        for change, (span, count) in self.spans.items():
            source, target = change[:2]
            for row in self.loads.above[self.loads.group[target]]:
                rise = self.loads.share(row, target) * span.most_rise - self.loads.share(row, source) * span.least_fall
                if rise > 0:
                    peaks[row] = peaks.get(row, self.row_mw[row]) + count * rise
        return peaks

    def peak(self, row: int) -> Fraction:
        """Draw of a row in the worst subset; of parts with too many subsets, a bound."""
        settled, doubtful = self._settle(row)
        base = self._carried_out(row, settled)
        peak = self.row_mw[row]
        for nodes, changes in _parts(base, doubtful):
            peak += self._worst(row, {node: base[node] for node in nodes}, changes)
            peak -= sum(self.loads.share(row, node) * self.ledger.draw_mw[node] for node in nodes)
        return peak

    def _slopes(self, steps: tuple[Step, ...]) -> dict[int, tuple[Fraction, Fraction]]:
        low: dict[int, int] = {}
        high: dict[int, int] = {}
        for step in steps:
            for node in (step.source, step.target):
                low.setdefault(node, self.ledger.use_ucores[node])
                high.setdefault(node, self.ledger.use_ucores[node])
            low[step.source] -= step.use_ucores
            high[step.target] += step.use_ucores
        return {node: self.cluster.slopes(node, low[node], high[node]) for node in low}

    def _span(self, change: Change) -> Span:
        source, target, use, accelerator = change
        flattest, steepest = self.slopes[target]
        least, most = self.slopes[source]
        rises = (accelerator + use * flattest, accelerator + use * steepest)
        return Span(*rises, accelerator + use * least, accelerator + use * most)

    def _settle(self, row: int) -> tuple[dict[Change, int], dict[Change, int]]:
        """Part the steps: those that are worst when carried out, whatever the others do, and those in doubt.

        Steps that end outside the domain are worst undone, and left out.
        """
        settled, doubtful = {}, {}
        for change in (c for group in self.loads.rows[row].shares for c in self.coming.get(group, ())):
            span, count = self.spans[change]
            there, here = (self.loads.share(row, change[end]) for end in (1, 0))
            if there * span.least_rise >= here * span.most_fall:
                settled[change] = count
            elif there * span.most_rise > here * span.least_fall:
                doubtful[change] = count
        return settled, doubtful

    def _carried_out(self, row: int, settled: dict[Change, int]) -> State:
        """State of the row's nodes that the wave touches, with the settled steps done."""
        group, shares = self.loads.group, self.loads.rows[row].shares
        nodes = {node for node in self.slopes if group[node] in shares}
        state = {node: (self.ledger.use_ucores[node], self.ledger.accelerator_mw[node]) for node in nodes}
        for change, count in settled.items():
            _move(state, change, count)
        return state

    def _worst(self, row: int, base: State, changes: dict[Change, int]) -> Fraction:
        """Draw of a few nodes in the worst subset of their steps, weighted with the row's shares."""
        start = sum((self._weigh(row, node, held) for node, held in base.items()), Fraction(0))
        if prod(count + 1 for count in changes.values()) <= MOST_SUBSETS:
            return self._try_all(row, dict(base), start, list(changes.items()))
        for change, count in changes.items():
            span = self.spans[change][0]
            there, here = (self.loads.share(row, change[end]) for end in (1, 0))
            start += count * (there * span.most_rise - here * span.least_fall)
        return start

    def _try_all(self, row: int, state: State, draw: Fraction, changes: list[tuple[Change, int]]) -> Fraction:
        """Try the first change as often as it may be carried out, and each time all the others; the state is restored.

        Only the two ends of a change are weighed anew.
        """
        if not changes:
            return draw
        (change, most), others = changes[0], changes[1:]
        ends = [node for node in change[:2] if node in state]
        kept = {node: state[node] for node in ends}
        rest = draw - sum(self._weigh(row, node, state[node]) for node in ends)
        worst = self._try_all(row, state, draw, others)
        for _ in range(most):
            _move(state, change, 1)
            moved = rest + sum(self._weigh(row, node, state[node]) for node in ends)
            worst = max(worst, self._try_all(row, state, moved, others))
        state |= kept
        return worst

    def _weigh(self, row: int, node: int, held: tuple[int, int]) -> Fraction:
        """Share of a node's draw, with so much in use there, that a row carries; remembered."""
        key = row, node, held
        if key not in self._known:
            self._known[key] = self.loads.share(row, node) * self.cluster.draw_mw(node, *held)
        return self._known[key]


def _parts(nodes: State, changes: dict[Change, int]) -> Iterator[tuple[set[int], dict[Change, int]]]:
    """Part nodes and steps so that no step joins two parts: the worst of the whole is the sum of the worsts."""
    neighbours = defaultdict(set)
    for source, target, *_ in changes:
        neighbours[source].add(target)
        neighbours[target].add(source)
    unseen = set(nodes)
    while unseen:
        part, climb = set(), [unseen.pop()]
        while climb:
            node = climb.pop()
            part.add(node)
            climb += neighbours[node] - part
        unseen -= part
        yield part, {change: count for change, count in changes.items() if change[0] in part}


def _move(state: State, change: Change, count: int) -> None:
    """Carry a change out ``count`` times; an end that is not in the state lies outside the domain."""
    source, target, use, accelerator = change
    for node, sign in ((source, -count), (target, count)):
        if node in state:
            held_use, held_accelerator = state[node]
            state[node] = held_use + sign * use, held_accelerator + sign * accelerator
