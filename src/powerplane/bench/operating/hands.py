"""The actuator's hands in a simulated cluster.

What controllers, scheduler and webhook do is done at once where Kubernetes takes moments: the successor of an evicted
pod exists as soon as the eviction is accepted, behind the gate of moves, and once it is let go it is bound to the node
that it is nominated to, where it fits. How long pods take to end and to become ready is the simulated cluster's.
"""

from dataclasses import dataclass

import msgspec
import numpy as np

from powerplane.actuator.acts import Act, Evict, Hold, Nominate, Release, Ungate
from powerplane.actuator.engine import Outcome, Wrote
from powerplane.actuator.evicting import read_answer
from powerplane.actuator.facts import Plan, PlanState
from powerplane.actuator.placeholders import MovingPod, placeholder_body
from powerplane.actuator.seen import SeenPod
from powerplane.bench.operating.plans import Shelf, Tally
from powerplane.bench.operating.watches import Sinks, Watches, send
from powerplane.models.marks import OWN_NAMESPACE
from powerplane.recommender.publishing import rfc3339
from powerplane.simulator.pods import NOWHERE, Phase
from powerplane.simulator.world import World

NO_BUDGET_LEFT = msgspec.json.encode({"message": "budget", "details": {"causes": [{"reason": "DisruptionBudget"}]}})
NOT_FOUND = Outcome("stale", "HTTP 404")
DONE = Outcome("done")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A placeholder: its object, and the template and node whose room it takes; ``NOWHERE`` before its nomination."""

    pod: SeenPod
    template: int
    node: int = NOWHERE


class SimulatedHands:
    """`Hands` in a simulated cluster.

    Parameters
    ----------
    world : World
    watches : Watches
    shelf : Shelf
    sinks : Sinks
    tally : Tally
    """

    def __init__(self, world: World, watches: Watches, shelf: Shelf, sinks: Sinks, tally: Tally) -> None:
        self._world, self._watches, self._shelf = world, watches, shelf
        self._sinks, self._tally = sinks, tally
        self._random = np.random.default_rng([world.spec.seed, 16])
        self._placeholders: dict[str, Placeholder] = {}

    def write(self, plan: Plan, state: PlanState) -> Wrote:
        """Write a plan's status."""
        return self._shelf.write(plan, state)

    def act(self, act: Act) -> Outcome:
        """Do one thing, and let it be seen."""
        match act:
            case Hold():
                outcome = self._hold(act)
            case Nominate():
                outcome = self._nominate(act)
            case Evict():
                outcome = self._evict(act)
            case Release():
                outcome = self._release(act)
            case Ungate():
                outcome = self._ungate(act)
            case _:
                outcome = Outcome("refused", "the simulated cluster neither resizes pods nor lets them come beforehand")
        self._watches.tell()
        return outcome

    def _hold(self, act: Hold) -> Outcome:
        row = self._watches.row(act.uid)
        if row == NOWHERE:
            return NOT_FOUND
        body = placeholder_body(act, msgspec.convert(msgspec.to_builtins(self._watches.pod(act.uid)), MovingPod))
        uid = f"{act.plan_uid}/{body['metadata']['name']}"
        if uid not in self._placeholders:
            body["metadata"] |= {"uid": uid, "creationTimestamp": rfc3339(self._watches.now_s)}
            made = msgspec.convert({**body, "status": {"phase": "Pending"}}, SeenPod)
            self._placeholders[uid] = Placeholder(made, int(self._world.pods.template[row]))
        return self._nominate(Nominate(OWN_NAMESPACE, body["metadata"]["name"], uid, act.node))

    def _nominate(self, act: Nominate) -> Outcome:
        node = self._world.row.get(act.node, NOWHERE)
        if act.uid in self._placeholders:
            self._nominate_placeholder(act.uid, act.node, node)
            return DONE
        row = self._watches.row(act.uid)
        if NOWHERE in (row, node) or self._world.pods.phase[row] != Phase.WAITING:
            return NOT_FOUND
        self._watches.nominate(act.uid, node)
        return DONE

    def _nominate_placeholder(self, uid: str, name: str, node: int) -> None:
        held, placer = self._placeholders[uid], self._world.owners.placer
        if held.node != NOWHERE:
            placer.release(held.template, held.node)
        status = msgspec.structs.replace(held.pod.status, nominated_node_name=name)
        pod: SeenPod = msgspec.structs.replace(held.pod, status=status)
        self._placeholders[uid] = Placeholder(pod, held.template, node)
        if node != NOWHERE:
            placer.take(held.template, node)
        send(self._sinks.pods, [("MODIFIED", pod)])

    def _evict(self, act: Evict) -> Outcome:
        """Evict as the Eviction API does: within disruption budgets, and the pod of this UID alone."""
        row, world = self._watches.row(act.uid), self._world
        if row == NOWHERE:
            return _answered(404)
        phase = world.pods.phase[row]
        if phase == Phase.LEAVING:
            return _answered(201)
        if phase != Phase.RUNNING:
            # The simulated cluster ends pods that serve, and no others: ask again when it does.
            return _answered(429)
        if not all(self._watches.allowed.of(row)):
            self._tally.refusals += 1
            return _answered(429, NO_BUDGET_LEFT)
        low, high = world.spec.pace.grace_s
        fresh = world.owners.evict(row, world.now_s, float(self._random.integers(low, high, endpoint=True)))
        world.pods.gated[fresh] = bool(act.hold)
        self._tally.evictions += 1
        return _answered(201)

    def _release(self, act: Release) -> Outcome:
        held = self._placeholders.pop(act.uid, None)
        if held is not None:
            if held.node != NOWHERE:
                self._world.owners.placer.release(held.template, held.node)
            send(self._sinks.pods, [("DELETED", held.pod)])
        return DONE

    def _ungate(self, act: Ungate) -> Outcome:
        row, world = self._watches.row(act.uid), self._world
        if row == NOWHERE or not world.pods.gated[row]:
            return Outcome("stale", "HTTP 422")
        node = self._watches.drop_nomination(act.uid)
        world.owners.let_go(row, node, world.now_s, world.ready)
        return DONE


def _answered(status: int, body: bytes = b"") -> Outcome:
    """What an answer of the Eviction API means."""
    answer = read_answer(status, body)
    return Outcome("done" if answer.verdict == "accepted" else "stale", answer.message, answer)
