"""What should be done for policies that only recommend: a plan as if they were in force, which nobody publishes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from powerplane.models.api.capping_policy import Mode
from powerplane.models.api.capping_status import Recommendation
from powerplane.models.api.policies import PolicyKey, key_of
from powerplane.models.errors import InputError
from powerplane.models.telemetry.domains import read_domains
from powerplane.models.telemetry.node_readings import NodeReadings
from powerplane.recommender.allowing import MOVING, Allowing
from powerplane.recommender.books import Seen
from powerplane.recommender.hysteresis import Calm, Hysteresis
from powerplane.recommender.ledger import HORIZON_S, Entry
from powerplane.recommender.proposing import Proposal, cuts_mw
from powerplane.recommender.publishing import policy_title, rfc3339
from powerplane.recommender.seeing import Ground, GroundKeeper
from powerplane.recommender.violations import Found, Violation, find_violations, node_violations

COUNTING: tuple[Mode, ...] = ("Initial", "Enforce", "Recommend")
MOVED: tuple[Mode, ...] = ("Enforce", "Recommend")
LONGEST_SUMMARY = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """What is to be solved as if.

    Parameters
    ----------
    ground : Ground
        With the budgets as they would be in force.
    found : Found
    wanted : tuple of Violation
    allowing : Allowing
    """

    ground: Ground
    found: Found
    wanted: tuple[Violation, ...]
    allowing: Allowing


@dataclass(slots=True)
class Recommending:
    """Looks at what would be in force. Not for several threads at once.

    Parameters
    ----------
    calm : Calm
    power_file : Path or None
    """

    calm: Calm
    power_file: Path | None = None
    _grounds: GroundKeeper = field(init=False)
    _hysteresis: Hysteresis = field(init=False)

    def __post_init__(self) -> None:
        self._grounds = GroundKeeper(self.power_file, COUNTING)
        self._hysteresis = Hysteresis(self.calm)

    def case(self, seen: Seen, nodes: NodeReadings, now_s: float, lead_s: float) -> Case | None:
        """Return what is to be solved; None where no policy recommends, or none of its budgets would be broken.

        Parameters
        ----------
        seen : Seen
        nodes : NodeReadings
            Of the same nodes.
        now_s, lead_s : float
        """
        if not any(each.spec.mode == "Recommend" and set(each.spec.levers) & set(MOVING) for each in seen.policies):
            return None
        try:
            ground = self._grounds.ground(seen, now_s)
        except InputError:
            return None
        if ground.site.book.nodes != nodes.nodes:
            return None
        found = find_violations(read_domains(ground.site.book, nodes), {}, 1.1, lead_s)
        of_nodes = node_violations(nodes, ground.site.node_budget_mw)
        wanted = self._hysteresis.follow((*found.violations, *of_nodes))
        return Case(ground, found, wanted, Allowing(seen.policies, MOVED)) if wanted else None


def recommendations(proposal: Proposal, seen: Seen, now_s: float) -> Mapping[PolicyKey, Recommendation]:
    """Return what a plan would do for each policy that only recommends.

    Parameters
    ----------
    proposal : Proposal
    seen : Seen
    now_s : float
        Unix seconds.
    """
    if proposal.plan is None or proposal.outcome != "plan":
        return {}
    modes = {key_of(each): each.spec.mode for each in seen.policies}
    moves: dict[PolicyKey, list[float]] = {}
    for move in proposal.plan.moves:
        policy = proposal.leaves[move.uid].policy
        if modes.get(policy) == "Recommend":
            moves.setdefault(policy, []).append(move.watts)
    return {
        key: Recommendation(rfc3339(now_s), len(watts), round(sum(watts)), proposal.why[:LONGEST_SUMMARY])
        for key, watts in moves.items()
    }


def entry_of(proposal: Proposal, policies: Mapping[PolicyKey, object], now_s: float) -> Entry | None:
    """Return a plan that is withheld, for the ledger; None where there is none.

    Parameters
    ----------
    proposal : Proposal
    policies : mapping
        Whose mode, or whose want of worth, withholds it; all that would have let pods be moved where there are none.
    now_s : float
        Unix seconds.
    """
    plan = proposal.plan
    if plan is None or not plan.moves:
        return None
    cut = cuts_mw(plan)
    where = max(cut, key=lambda name: cut[name], default="")
    keys = policies or {leave.policy for leave in proposal.leaves.values()}
    titles = tuple(sorted(policy_title(key) for key in keys))
    return Entry(f"withheld {where}", "withheld", titles, cut, len(plan.moves), now_s, now_s + HORIZON_S)
