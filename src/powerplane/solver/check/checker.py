"""The check of a plan against its snapshot."""

from powerplane.models.plan import Plan
from powerplane.models.snapshot import Snapshot
from powerplane.solver.check.arrivals import Arrivals
from powerplane.solver.check.ends import Ends, check_statements
from powerplane.solver.check.evictions import Evictions
from powerplane.solver.check.ledger import Cluster, Ledger
from powerplane.solver.check.replay import read_waves
from powerplane.solver.check.report import CheckReport
from powerplane.solver.check.waves import check_wave


def check(snapshot: Snapshot, plan: Plan) -> CheckReport:
    """Check a plan at every point of every wave, at its end, and in what it states.

    Parameters
    ----------
    snapshot : Snapshot
        The one that the plan was made from.
    plan : Plan

    Returns
    -------
    CheckReport
        All violations; none means that the plan may be carried out and shown.

    Raises
    ------
    InputError
        When the plan was made from another snapshot.
    """
    waves, violations = read_waves(snapshot, plan)
    cluster = Cluster(snapshot)
    before = Ledger(cluster, snapshot.pods.node.tolist())
    now = Ledger(cluster, snapshot.pods.node.tolist())
    evictions, arrivals = Evictions(snapshot), Arrivals(cluster)
    for wave in waves:
        violations += check_wave(before, now, wave)
        violations += evictions.check(wave)
        violations += arrivals.check(now, wave)
        now.carry_out(wave)
    ends = Ends(before, Ledger(cluster, now.places))
    violations += ends.check()
    violations += check_statements(ends, plan)
    moves = sum(len(wave.steps) for wave in waves)
    return CheckReport(tuple(violations), ends.readings(), moves, ends.overload_mw)
