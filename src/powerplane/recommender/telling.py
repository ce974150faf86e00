"""Events that say why a plan was made or not, each thing once in a while however often it is so."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from powerplane.adapters.cluster_events import ClusterEvent
from powerplane.models.api.kinds import API_VERSION, ApiKind

CONTROLLER = "powerplane.dev/recommender"
AGAIN_S = 600.0
"""After so long the same is told again."""

MOST_KNOWN = 4096


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about.

    Parameters
    ----------
    kind : ApiKind
    name : str
    namespace, uid : str
    """

    kind: ApiKind
    name: str
    namespace: str = ""
    uid: str = ""


@dataclass(slots=True)
class Teller:
    """Tells events. Not for several threads at once.

    Parameters
    ----------
    send : callable
        Takes each event that is due; never waits.
    """

    send: Callable[[ClusterEvent], None]
    _told_s: dict[tuple[Subject, str, str], float] = field(default_factory=dict)

    def tell(self, subject: Subject, reason: str, note: str, now_s: float, *, warning: bool = False) -> bool:
        """Tell something, unless the same reason was given of the same subject a while ago; return whether it was told.

        Parameters
        ----------
        subject : Subject
        reason : str
            In one word, such as ``PlanPublished``.
        note : str
            In words; figures in it make it nothing else.
        now_s : float
            Unix seconds.
        warning : bool
        """
        key = (subject, reason, "".join(each for each in note if not each.isdigit()))
        last_s = self._told_s.get(key)
        if last_s is not None and 0 <= now_s - last_s < AGAIN_S:
            return False
        if len(self._told_s) >= MOST_KNOWN or now_s - next(iter(self._told_s.values()), now_s) > AGAIN_S:
            self._told_s = {known: at for known, at in self._told_s.items() if now_s - at < AGAIN_S}
        # Behind all others: the first is the oldest.
        self._told_s.pop(key, None)
        self._told_s[key] = now_s
        digest = hashlib.sha256(f"{subject}\n{reason}\n{note}\n{now_s}".encode()).hexdigest()[:16]
        regarding = {
            "apiVersion": API_VERSION,
            "kind": subject.kind.name,
            "namespace": subject.namespace,
            "name": subject.name,
            "uid": subject.uid,
        }
        self.send(
            ClusterEvent(subject.name, digest, regarding, CONTROLLER, "Plan", reason, note, warning=warning, at_s=now_s)
        )
        return True
