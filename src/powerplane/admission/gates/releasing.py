"""Who is let go now: the releaser's memory and its one decision, a pure function of what was seen and of the clock.

Every pod that was let go is charged until it is bound or gone (``headroom``). The rules are told, with formulas, in
docs/explanation/gates.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import numpy as np

from powerplane.adapters.node_rates import Draw
from powerplane.admission.gates.cap_rooms import CapRooms, LetGo
from powerplane.admission.gates.facts import PodFact
from powerplane.admission.gates.granting import all_roomy, choose, set_aside
from powerplane.admission.gates.headroom import Asked, Headroom
from powerplane.admission.gates.queue import FairQueue
from powerplane.admission.gates.release_facts import KEPT, Grant, Outcome, Release, Round, Seen, Terms
from powerplane.admission.gates.reserving import Reserves
from powerplane.models.power_tree import Ints


@dataclass(slots=True)
class _Tally:
    """What a round adds up to, as it goes."""

    releases: list[Release] = field(default_factory=list)
    waiting: int = 0
    set_aside: int = 0
    never: int = 0
    oldest_s: float = 0.0


class Releaser:
    """Decides who is let go; knows what it has decided before.

    Parameters
    ----------
    terms : Terms
    """

    def __init__(self, terms: Terms | None = None) -> None:
        self.terms = terms or Terms()
        self.grants: dict[str, Grant] = {}
        self._looked_s = -inf
        self._waits_since_s: dict[str, float] = {}
        self._on_way_since_s: dict[str, float] = {}
        self._places: dict[str, str] = {}
        self._not_before_s: dict[str, float] = {}
        self._unruled_since_s: dict[str, float] = {}
        self._surge_places: dict[str, tuple[str, ...]] = {}
        self._let_go = LetGo()

    def note(self, release: Release, outcome: Outcome, clock_s: float) -> None:
        """Take in what became of a write: done, not as it was seen any more (stale), refused, or unknown."""
        grant = self.grants.get(release.pod.uid)
        if grant is None or grant.release != release:
            return
        if outcome == "refused":
            del self.grants[release.pod.uid]
            self._not_before_s[release.pod.uid] = clock_s + self.terms.retry_s
        else:
            self.grants[release.pod.uid] = replace(grant, state=outcome, at_s=clock_s)

    def named(self) -> frozenset[str]:
        """Nodes of releases that the watch does not show yet: they count even where they are gone."""
        return frozenset(name for grant in self.grants.values() for name in grant.release.nodes)

    def decide(self, seen: Seen) -> Round:
        """Return who is let go now."""
        self._remember(seen)
        headroom = seen.ground.headroom(seen.moment, seen.extra_mw)
        held = self._charge_granted(seen, headroom)
        let_go = (*seen.moment.on_their_way, *(grant.release.pod for grant in self.grants.values()))
        rooms = self._let_go.rooms(seen.caps, let_go, seen.now_s)
        tally = _Tally(releases=self._again(seen, headroom))
        queue = FairQueue(self._queued(seen, headroom, tally), held, seen.weights)
        self._serve(seen, headroom, queue, tally, rooms)
        for release in tally.releases:
            self.grants[release.pod.uid] = Grant(release, seen.clock_s)
        return Round(
            tuple(tally.releases),
            tally.waiting,
            tally.set_aside,
            tally.never,
            tally.oldest_s,
            len(self._on_way_since_s),
            max((seen.clock_s - since_s for since_s in self._on_way_since_s.values()), default=0.0),
            sum(each.pods for each in seen.surges),
        )

    # -- what was decided before

    def _remember(self, seen: Seen) -> None:
        """Forget who is gone, and grants that did not come about."""
        waiting = {pod.uid: pod for pod in seen.moment.waiting}
        # Behind somebody else's gate it cannot be bound yet.
        leaving = {pod.uid for pod in seen.moment.on_their_way if not pod.other_gates}
        for uid, grant in list(self.grants.items()):
            pod = waiting.get(uid)
            if pod is None or self._failed(grant, pod, seen.clock_s):
                del self.grants[uid]
        memories: list[dict[str, Any]] = [
            self._waits_since_s,
            self._places,
            self._not_before_s,
            self._unruled_since_s,
        ]
        for each in memories:
            for uid in [uid for uid in each if uid not in waiting]:
                del each[uid]
        for uid in [uid for uid in self._on_way_since_s if uid not in leaving]:
            del self._on_way_since_s[uid]
        for uid in leaving:
            self._on_way_since_s.setdefault(uid, seen.clock_s)
        # One that the last look did not show has come since, whatever the time of day says: a clock that is set wrong
        # must not make all that come overdue at once.
        gap_s = seen.clock_s - self._looked_s
        for uid, pod in waiting.items():
            if uid not in self._waits_since_s:
                self._waits_since_s[uid] = seen.clock_s - min(max(seen.now_s - pod.created_s, 0.0), gap_s)
        self._looked_s = seen.clock_s

    def _failed(self, grant: Grant, pod: PodFact, clock_s: float) -> bool:
        """Whether a grant is over though its pod still waits: somebody else changed the pod first."""
        if grant.state not in ("stale", "unknown"):
            return False
        return pod.version != grant.release.pod.version or clock_s - grant.at_s > self.terms.stale_s

    def _again(self, seen: Seen, headroom: Headroom) -> list[Release]:
        """Writes that nobody knows the end of: the same once more, which changes nothing if it was done.

        Not where a budget was lowered meanwhile: there it is asked anew, once it is sure that it was not done.
        """
        return [
            grant.release
            for grant in self.grants.values()
            if grant.state == "unknown"
            and seen.clock_s - grant.at_s >= self.terms.retry_s
            and (grant.release.reason != "headroom" or self._still_fits(seen, headroom, grant.release))
        ]

    def _still_fits(self, seen: Seen, headroom: Headroom, release: Release) -> bool:
        """Whether nothing is overdrawn where a pod was sent; it is charged there already."""
        return bool((headroom.room_mw[self._columns(seen, release)] >= 0).all())

    def _charge_granted(self, seen: Seen, headroom: Headroom) -> dict[str, int]:
        """Charge whoever was let go and is not bound; return what each namespace holds."""
        held = dict(seen.moment.namespace_mw)
        for pod in seen.moment.on_their_way:
            if self._counts(pod, seen.clock_s):
                asked = seen.ground.reach(pod)
                headroom.charge(np.flatnonzero(asked.allowed), asked)
            _add(held, pod.namespace, _least_mw(pod.draw))
        for grant in self.grants.values():
            release = grant.release
            headroom.charge(self._columns(seen, release), seen.ground.asked(release.pod))
            _add(held, release.pod.namespace, _least_mw(release.pod.draw))
        return held

    def _counts(self, pod: PodFact, clock_s: float) -> bool:
        since_s = self._on_way_since_s.get(pod.uid)
        if since_s is None:
            return False
        return pod.granted in KEPT or clock_s - since_s <= self.terms.overdue_hold_s

    def _columns(self, seen: Seen, release: Release) -> Ints:
        if not release.nodes:
            return np.flatnonzero(seen.ground.reach(release.pod).allowed)
        index = seen.ground.tree.index
        return np.array([index[name] for name in release.nodes if name in index], dtype=np.int64)

    # -- who is next

    def _queued(self, seen: Seen, headroom: Headroom, tally: _Tally) -> Iterator[PodFact]:
        """Pods that may be granted something; those that nothing may hold any longer are let go on the way."""
        for pod in sorted(seen.moment.waiting, key=lambda each: (each.created_s, each.uid)):
            if pod.uid in self.grants or self._not_before_s.get(pod.uid, 0.0) > seen.clock_s:
                continue
            most_s = self._most_s(pod, seen)
            if most_s is None:
                tally.releases.append(Release(pod, "no_policy"))
            elif self.waited_s(pod, seen) >= most_s:
                # Nobody knows when another gate goes: nothing is kept for so long.
                granted = None if pod.other_gates else self._granted(seen, headroom, pod)
                tally.releases.append(granted or Release(pod, "overdue"))
            elif pod.other_gates or not (seen.ground.holds or seen.caps.alone(pod)):
                self._keep(pod, seen, tally)
            else:
                yield pod

    def _most_s(self, pod: PodFact, seen: Seen) -> float | None:
        """How long a pod may be held; None where no policy has asked it to wait for a while."""
        most_s = seen.most_s(pod)
        if most_s is not None:
            self._unruled_since_s.pop(pod.uid, None)
            return most_s
        since_s = self._unruled_since_s.setdefault(pod.uid, seen.clock_s)
        return None if seen.clock_s - since_s >= self.terms.unruled_s else inf

    def waits(self, seen: Seen) -> Iterator[tuple[PodFact, float]]:
        """Pods that wait for watts and nothing else, and for how many seconds each."""
        for pod in seen.moment.waiting:
            if pod.uid not in self.grants and not pod.other_gates:
                yield pod, self.waited_s(pod, seen)

    def waited_s(self, pod: PodFact, seen: Seen) -> float:
        """How long a pod has waited, by a clock that only goes on."""
        return seen.clock_s - self._waits_since_s.get(pod.uid, seen.clock_s)

    def unbound(self, seen: Seen) -> Iterator[tuple[PodFact, float]]:
        """Pods that were sent somewhere and that no node took yet, and for how many seconds each."""
        for pod in seen.moment.on_their_way:
            since_s = self._on_way_since_s.get(pod.uid)
            if since_s is not None and pod.granted in KEPT:
                yield pod, seen.clock_s - since_s

    def _serve(self, seen: Seen, headroom: Headroom, queue: FairQueue[PodFact], tally: _Tally, rooms: CapRooms) -> None:
        """Go through the queue once. Headroom only shrinks on the way: what fitted nowhere is not asked again."""
        full: set[tuple[str, Draw, tuple[int, ...]]] = set()
        places, most = self._surge_places, self.terms.most_set_aside
        reserves = Reserves(seen.ground, headroom, seen.surges if seen.ground.holds else (), places, most)
        for pod in queue:
            reserves.open(pod.priority)
            if not rooms.fits(pod):
                self._keep(pod, seen, tally)
                continue
            own = reserves.holds(pod.owner)
            kind = (pod.wish.key if pod.wish else "", pod.draw, pod.requests)
            if own:
                release = self._by_surge(seen, headroom, reserves, pod)
            else:
                release = None if kind in full else self._granted(seen, headroom, pod)
            if release is not None:
                tally.releases.append(release)
                rooms.charge(pod)
                queue.granted(pod.namespace, _least_mw(pod.draw))
                continue
            self._keep(pod, seen, tally)
            if own:
                continue
            full.add(kind)
            if self.waited_s(pod, seen) >= self.terms.patience_s and tally.set_aside < self.terms.most_set_aside:
                self._set_aside(seen, headroom, pod, tally)
        self._surge_places = reserves.places()

    def _by_surge(self, seen: Seen, headroom: Headroom, reserves: Reserves, pod: PodFact) -> Release | None:
        """Find a place for a pod with what is held back for its roll-out; that stays where it fits nowhere.

        Where it is sent elsewhere, its place is free: others that found no room at this look have it at the next.
        """
        reserves.lend(pod.owner)
        release = self._granted(seen, headroom, pod)
        reserves.back(pod.owner, taken=release is not None)
        return release

    def _granted(self, seen: Seen, headroom: Headroom, pod: PodFact) -> Release | None:
        """Find a place, and charge it."""
        if seen.caps.alone(pod):
            # Budgets are held for it elsewhere.
            return Release(pod, "headroom")
        if not seen.ground.holds:
            return None
        anywhere = seen.ground.reach(pod)
        asked = seen.ground.asked(pod)
        nameable = seen.ground.nameable(asked)
        # A place that a plan wants comes first; it is no right to wait for.
        nodes = choose(headroom, seen.ground.among(nameable, pod.planned))
        if not len(nodes) and all_roomy(headroom, anywhere):
            headroom.charge(np.flatnonzero(anywhere.allowed), anywhere)
            return Release(pod, "headroom")
        if not len(nodes):
            nodes = choose(headroom, nameable)
        if not len(nodes):
            return None
        headroom.charge(nodes, asked)
        ground = seen.ground
        columns = sorted(nodes.tolist())
        names = tuple(ground.tree.nodes[column].name for column in columns)
        return Release(pod, "headroom", names, tuple(ground.hostnames[column] for column in columns))

    def _set_aside(self, seen: Seen, headroom: Headroom, pod: PodFact, tally: _Tally) -> None:
        asked: Asked = seen.ground.nameable(seen.ground.asked(pod))
        before = seen.ground.tree.index.get(self._places.get(pod.uid, ""), -1)
        node = set_aside(headroom, asked, before)
        if node < 0:
            tally.never += 1
            return
        self._places[pod.uid] = seen.ground.tree.nodes[node].name
        headroom.charge(np.array([node], dtype=np.int64), asked)
        tally.set_aside += 1

    def _keep(self, pod: PodFact, seen: Seen, tally: _Tally) -> None:
        tally.waiting += 1
        tally.oldest_s = max(tally.oldest_s, self.waited_s(pod, seen))


def _least_mw(draw: Draw) -> int:
    """What a namespace is charged with for a pod: what it states."""
    return draw.stated_mw or 0


def _add(held: dict[str, int], namespace: str, mw: int) -> None:
    held[namespace] = held.get(namespace, 0) + mw
