"""What one run of one method gave: the record that tables are made from."""

import msgspec


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """A run's figures; None where the method has no such figure.

    Attributes
    ----------
    status : str
        The solver's status; of a baseline "feasible" or "stuck"; "failed" when the process gave no result.
    cost, bound : float
        In ordinary moves (disruption) or watts (energy).
    overload_watts : float
        Watts above budgets at the end, added up by the bench's own ledger, not by the method.
    unplaced : int
        Pods that a baseline lost; its other figures then mean nothing.
    draw_watts, asleep_watts : float
        Draw of all nodes, and without those left empty.
    first_feasible_s : float or None
        Seconds of solving until the first plan that holds every budget.
    checked : bool or None
        The independent checker's verdict on the whole plan, wave by wave.
    rss_mib : float
        Peak memory of the whole process.
    note : str
        Why it failed, or the first violation.
    """

    method: str
    objective: str
    seed: int
    cell: str = ""
    status: str = ""
    pods: int = 0
    nodes: int = 0
    classes: int = 0
    found_overload_watts: float = 0.0
    moves: int = 0
    waves: int = 0
    cost: float = 0.0
    bound: float | None = None
    gap: float | None = None
    overload_watts: float = 0.0
    overload_bound_watts: float | None = None
    unplaced: int = 0
    draw_watts: float = 0.0
    asleep_watts: float = 0.0
    first_feasible_s: float | None = None
    solve_seconds: float = 0.0
    check_seconds: float = 0.0
    snapshot_seconds: float = 0.0
    formulate_seconds: float = 0.0
    snapshot_rss_mib: float = 0.0
    rss_mib: float = 0.0
    checked: bool | None = None
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether every budget holds and every pod has a node."""
        return self.status not in ("", "failed") and self.overload_watts == 0 and self.unplaced == 0

    @property
    def first_s(self) -> float | None:
        """Seconds to the first plan that holds; of a method that has only one plan, all of its seconds."""
        if self.first_feasible_s is not None or self.method == "powerplane":
            return self.first_feasible_s
        return self.solve_seconds if self.holds else None
