"""A look at policies' own caps: what holds now, and what the pods of each draw together."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from powerplane.models.api.capping_policy import CappingPolicyObject
from powerplane.models.api.capping_status import SeenAverage
from powerplane.models.api.policies import PolicyKey, key_of
from powerplane.models.api.schedule import caps_at
from powerplane.models.errors import InputError
from powerplane.models.snapshot import Snapshot
from powerplane.recommender.attributing import PodWatts, pod_watts
from powerplane.recommender.books import Seen
from powerplane.recommender.cap_kept import begun, kept_of
from powerplane.recommender.cap_now import CapNow, DrawMean, cap_now, window_s
from powerplane.recommender.outside import Parts
from powerplane.recommender.own_caps_facts import CapStanding, Rows, in_rank, selected, standing_of
from powerplane.recommender.publishing import policy_title
from powerplane.recommender.seeing import Ground, Learned, snapshot_of

KEPT_S = 60.0
"""Between two times that what was seen is kept anew."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What one look showed.

    Parameters
    ----------
    seen : Seen
    ground : Ground
    snapshot : Snapshot
    watts : PodWatts
    rows : mapping
        Rows of the pods that each policy selects.
    at_s : float
        Unix seconds.
    """

    seen: Seen
    ground: Ground
    snapshot: Snapshot
    watts: PodWatts
    rows: Mapping[PolicyKey, Rows]
    at_s: float


@dataclass(slots=True)
class CapLooks:
    """Looks, and remembers what pods drew on average. Not for several threads at once.

    Parameters
    ----------
    parts : Parts
    standings : dict
        How each cap stood at the last look.
    """

    parts: Parts
    standings: dict[PolicyKey, CapStanding] = field(default_factory=dict)
    _means: dict[PolicyKey, dict[str, DrawMean]] = field(default_factory=dict)
    _kept: dict[PolicyKey, tuple[float, tuple[SeenAverage, ...]]] = field(default_factory=dict)

    def forget(self) -> None:
        """Forget everything: there is no policy that caps pods."""
        self.standings, self._means, self._kept = {}, {}, {}

    def blind(self, policies: Iterable[CappingPolicyObject], trouble: str) -> None:
        """Take in that nothing is measured."""
        now_s = self.parts.now()
        self.standings = {
            key_of(each): CapStanding(key_of(each), CapNow(None), at_s=now_s, untold=trouble)
            for each in in_rank(policies)
        }

    def look(self, policies: list[CappingPolicyObject], seen: Seen, ground: Ground, learned: Learned) -> Shown | None:
        """Look at pods, and say how every cap stands; None where nothing is measured."""
        look, now_s = self.parts.looker.whole(ground), self.parts.now()
        trouble = look.trouble
        if not trouble:
            try:
                snapshot = snapshot_of(seen, ground, look.round, now_s, learned)
            except InputError as error:
                trouble = error.problem
        if trouble:
            self.blind(policies, trouble)
            return None
        watts = pod_watts(snapshot, ground, look.round.nodes, learned)
        rows = {key_of(each): selected(each, snapshot) for each in policies}
        shown = Shown(seen, ground, snapshot, watts, rows, now_s)
        self._judge(policies, shown, now_s)
        return shown

    def _judge(self, policies: list[CappingPolicyObject], shown: Shown, now_s: float) -> None:
        self._means = {key: means for key, means in self._means.items() if key in shown.rows}
        self._kept = {key: kept for key, kept in self._kept.items() if key in shown.rows}
        self.standings = {}
        for policy in policies:
            key = key_of(policy)
            rows = shown.rows[key]
            cap = self._cap(policy, rows, shown.watts, now_s)
            standing = standing_of(key, rows, shown.watts, cap, now_s)
            self.standings[key] = replace(standing, averages=self._keep(key, now_s))

    def _cap(self, policy: CappingPolicyObject, rows: Rows, watts: PodWatts, now_s: float) -> CapNow:
        """The cap that holds now; the averages of all its caps are followed, whether they hold now or not."""
        spec = policy.spec
        every = (spec.cap, *(entry.cap for entry in spec.schedule))
        windows = {cap.window for cap in every if cap is not None and cap.percent_of_average is not None}
        means = self._means.setdefault(key_of(policy), {})
        for window in means.keys() - windows:
            del means[window]
        draw_mw, known = int(watts.mw[rows].sum()), bool(watts.known[rows].all())
        found: dict[str, float | None] = {}
        for window in sorted(windows):
            if window_s(window) <= 0:
                continue
            mean = means.get(window)
            if mean is None or not mean.goes_on(now_s):
                kept = policy.status.averages if policy.status is not None else ()
                mean = means[window] = begun(window, kept, now_s, policy_title(key_of(policy)), mean)
            if known:
                mean.add(now_s, draw_mw)
            found[window] = mean.mean_mw(_usual_mw(rows, watts))
        at = datetime.fromtimestamp(now_s, UTC)
        return cap_now(caps_at(spec, at), int(watts.peak_mw[rows].sum()), found)

    def _keep(self, key: PolicyKey, now_s: float) -> tuple[SeenAverage, ...]:
        """What is to be kept, made anew once a minute: a status is no place for what changes at each look."""
        means = self._means.get(key) or {}
        at_s, kept = self._kept.get(key, (-math.inf, ()))
        if not 0 <= now_s - at_s < KEPT_S or {each.window for each in kept} - means.keys():
            kept = kept_of(means)
            self._kept[key] = (now_s, kept)
        return kept


def _usual_mw(rows: Rows, watts: PodWatts) -> float | None:
    """What pods draw on average by what is remembered; those of which nothing is count by what they draw now."""
    usual, now = watts.usual_mw[rows], watts.mw[rows]
    told = np.isfinite(usual)
    return float(usual[told].sum() + now[~told].sum()) if told.any() else None
