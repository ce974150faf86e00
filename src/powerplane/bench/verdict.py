"""Who won: a method against the best of its peers, seed by seed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from powerplane.bench.measurement import Measurement

OURS = "powerplane"

Rank = tuple[int, float, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Seeds won, tied and lost against the best peer of each."""

    wins: int
    ties: int
    losses: int

    def __str__(self) -> str:
        text = f"{self.wins} won, {self.ties} tied, {self.losses} lost"
        return f"**{text}**" if self.losses else text


def rank(run: Measurement) -> Rank:
    """What runs are compared by, lower is better: a placement at all, then overload, then the objective.

    Costs are compared to a thousandth, the unit that prices are counted in.
    """
    placed = run.status not in ("", "failed") and not run.unplaced and run.checked is not False
    cost = run.asleep_watts if run.objective == "energy" else run.cost
    return (0 if placed else 1, round(run.overload_watts, 3), round(cost, 3))


def judge(runs: Sequence[Measurement], ours: str = OURS) -> Verdict:
    """Compare one method's runs on a cell with the best other run of the same seed."""
    outcomes = [outcome for seed in sorted({run.seed for run in runs}) for outcome in _of_seed(runs, seed, ours)]
    return Verdict(outcomes.count("won"), outcomes.count("tied"), outcomes.count("lost"))


def _of_seed(runs: Iterable[Measurement], seed: int, ours: str) -> list[str]:
    same = [run for run in runs if run.seed == seed]
    mine = [rank(run) for run in same if run.method == ours]
    peers = [rank(run) for run in same if run.method != ours]
    if not mine or not peers:
        return []
    best = min(peers)
    return ["won" if mine[0] < best else "tied" if mine[0] == best else "lost"]
