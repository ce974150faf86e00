"""Where the pods that still wait for a node may go: the scheduler's filters, asked of a whole snapshot.

Plans are about bound pods. To ask the same rules about waiting ones, they are put into a lobby: one more node, without
labels, in no zone and on no power. There they count for nobody, but have a class like every other pod.
"""

from dataclasses import replace

import numpy as np

from powerplane.models.objects import Node, ObjectMeta
from powerplane.models.snapshot import NO_BUDGET, Snapshot
from powerplane.solver.feasible import accepted, targets
from powerplane.solver.formulate import formulate
from powerplane.solver.state import Mask, found_state
from powerplane.solver.tables import Ints, compile_tables

LOBBY = "(waiting)"
"""No node can have this name."""


class Newcomers:
    """Answers for each waiting pod of a snapshot, as if it were the next to be bound.

    Parameters
    ----------
    snapshot : Snapshot
        Waiting pods count neither against what nodes offer nor for each other's rules.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        formulation = formulate(_with_lobby(snapshot))
        self._snapshot = snapshot
        self._class = formulation.classes.of_pod
        self._state = found_state(compile_tables(formulation.problem))
        self._nodes: Ints = np.arange(len(snapshot.nodes))
        self._held = _held_claims(snapshot)

    def accepted(self, pod: int) -> Mask:
        """Nodes on which Kubernetes would accept a pod, whatever it draws.

        Parameters
        ----------
        pod : int
            Row of the snapshot's pods, one that waits.

        Returns
        -------
        bool array, shape (N,)
        """
        mask = accepted(self._state, self._class_of(pod), self._nodes)
        return mask & (not self._claims_are_held(pod))

    def powered(self, pod: int) -> Mask:
        """Nodes that would accept a pod, and stay within every budget with it; as ``accepted``."""
        mask, _, _ = targets(self._state, self._class_of(pod), self._nodes)
        return mask & (not self._claims_are_held(pod))

    def _class_of(self, pod: int) -> int:
        if self._snapshot.pods.node[pod] >= 0:
            raise ValueError(f"pod {self._snapshot.pods.names[pod]} is bound already")
        return int(self._class[pod])

    def _claims_are_held(self, pod: int) -> bool:
        """Ensures that no other pod uses a claim that one pod at a time may use."""
        template = self._snapshot.templates[self._snapshot.pods.template[pod]]
        return any((template.namespace, claim) in self._held for claim in template.exclusive_claims)


def _with_lobby(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with its waiting pods in the lobby, and nothing that keeps a pod where it is."""
    lobby = len(snapshot.nodes)
    pods = snapshot.pods
    return replace(
        snapshot,
        nodes=(*snapshot.nodes, Node(metadata=ObjectMeta(name=LOBBY))),
        # As large as the first node, so that it is no kind of node of its own.
        allocatable=np.vstack([snapshot.allocatable, snapshot.allocatable[:1]]),
        node_curve=(*snapshot.node_curve, snapshot.node_curve[0]),
        node_budget_mw=np.append(snapshot.node_budget_mw, NO_BUDGET),
        templates=tuple(replace(template, unmovable="") for template in snapshot.templates),
        pods=replace(pods, node=np.where(pods.node < 0, lobby, pods.node).astype(np.int32)),
        disruption_budgets=(),
    )


def _held_claims(snapshot: Snapshot) -> set[tuple[str, str]]:
    """Namespaces and names of the exclusive claims that bound pods use."""
    bound = np.unique(snapshot.pods.template[snapshot.pods.node >= 0]).tolist()
    templates = (snapshot.templates[row] for row in bound)
    return {(template.namespace, claim) for template in templates for claim in template.exclusive_claims}
