"""What may be done to the cluster, one request each; done twice, each leaves what it left the first time."""

from dataclasses import dataclass

from powerplane.models.cpu_limits import Cpus
from powerplane.models.surge import Detached


@dataclass(frozen=True, slots=True)
class Hold:
    """Make a placeholder that holds a place for a pod, and nominate it.

    Parameters
    ----------
    plan, plan_uid : str
        The plan that owns it.
    namespace, pod, uid : str
        The pod whose place it holds.
    node : str
        Where.
    attempt : int
    """

    plan: str
    plan_uid: str
    namespace: str
    pod: str
    uid: str
    node: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Nominate:
    """Nominate a pod that waits to a node."""

    namespace: str
    pod: str
    uid: str
    node: str


@dataclass(frozen=True, slots=True)
class Evict:
    """Ask the Eviction API to evict the pod of this UID, and no other of its name.

    Parameters
    ----------
    namespace, pod, uid : str
    hold : str
        The placeholder that must hold its place at that moment; "" for a pod that goes nowhere.
    node : str
        Where that place is.
    successor, successor_uid : str
        The pod that came in its place already, and must be ready at that moment; "" where none did.
    """

    namespace: str
    pod: str
    uid: str
    hold: str = ""
    node: str = ""
    successor: str = ""
    successor_uid: str = ""


@dataclass(frozen=True, slots=True)
class Detach:
    """Take a pod out of its ReplicaSet, so that this makes another.

    Parameters
    ----------
    namespace, pod, uid : str
    owner : str
        UID of the ReplicaSet.
    hold : str
        The placeholder that must hold a place for the other at that moment.
    node : str
        Where that place is.
    """

    namespace: str
    pod: str
    uid: str
    owner: str
    hold: str
    node: str


@dataclass(frozen=True, slots=True)
class Reattach:
    """Give a pod back to the ReplicaSet that it was taken out of."""

    namespace: str
    pod: str
    uid: str
    owner: Detached


@dataclass(frozen=True, slots=True)
class Release:
    """Delete a placeholder."""

    namespace: str
    pod: str
    uid: str


@dataclass(frozen=True, slots=True)
class Ungate:
    """Take our gate, seen at some place among a pod's gates, off the pod."""

    namespace: str
    pod: str
    uid: str
    gate: int


@dataclass(frozen=True, slots=True)
class Remember:
    """Note on a pod of this version what it had before it is held down; "" takes the note off."""

    namespace: str
    pod: str
    uid: str
    version: str
    text: str


@dataclass(frozen=True, slots=True)
class Resize:
    """Give containers of a pod of this version other CPU in place."""

    namespace: str
    pod: str
    uid: str
    version: str
    cpus: Cpus


Act = Hold | Nominate | Evict | Release | Ungate | Detach | Reattach | Remember | Resize


@dataclass(frozen=True, slots=True)
class Errand:
    """Acts in their order: one that fails leaves those after it undone, until the next look.

    Parameters
    ----------
    key : tuple of str
        Of a move (plan, UID), or of a pod that belongs to none: one errand of a key at a time.
    acts : tuple of Act
    token : int
        Of whoever decided it.
    """

    key: tuple[str, str]
    acts: tuple[Act, ...]
    token: int = 0
