"""What has to be written so that the cluster shows what is offered, and which templates are made and collected."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from powerplane.admission.claims.names import GROUP_PATH, Template, template_body
from powerplane.admission.claims.slices import SLICES_PATH, Offer, SeenSlice, offer_seen

Json = dict[str, Any]

Verb = Literal["create", "patch", "delete"]
Kind = Literal["slice", "template"]


@dataclass(frozen=True, slots=True)
class Write:
    """One write.

    Parameters
    ----------
    kind, verb : str
    path : str
    body : dict
        Empty where something is deleted.
    """

    kind: Kind
    verb: Verb
    path: str
    body: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Calm:
    """How small a rise may wait, so that a measurement that wavers does not write every slice at each scrape.

    Parameters
    ----------
    part : float
        Of what is offered: below this a rise waits.
    seconds : float
        How long it waits at the most.
    """

    part: float = 0.01
    seconds: float = 30.0


class SliceWrites:
    """Decides on slices: what falls is written at once, what rises a little waits a while.

    Parameters
    ----------
    calm : Calm
    """

    def __init__(self, calm: Calm | None = None) -> None:
        self._calm = calm or Calm()
        self._rising_s: dict[str, float] = {}

    def decide(self, offers: Mapping[str, Offer], seen: Mapping[str, SeenSlice], now_s: float) -> list[Write]:
        """Return what to write; deletions last.

        Parameters
        ----------
        offers : mapping of slice name to Offer
        seen : mapping of slice name to SeenSlice
            All slices of our driver.
        now_s : float
        """
        writes = []
        for name, offer in offers.items():
            there = seen.get(name)
            if there is None:
                writes.append(Write("slice", "create", SLICES_PATH, offer.body()))
            elif self._is_due(name, offer, offer_seen(there), now_s):
                writes.append(Write("slice", "patch", slice_path(name), offer.body(there)))
        gone = [name for name in seen if name not in offers]
        self._rising_s = {name: at for name, at in self._rising_s.items() if name in offers}
        return writes + [Write("slice", "delete", slice_path(name)) for name in gone]

    def _is_due(self, name: str, offer: Offer, there: Offer | None, now_s: float) -> bool:
        if there == offer:
            self._rising_s.pop(name, None)
            return False
        alike = there is not None and (there.pool, there.level, there.where) == (offer.pool, offer.level, offer.where)
        if there is None or not alike or offer.watts < there.watts:
            return True
        since_s = self._rising_s.setdefault(name, now_s)
        return offer.watts - there.watts >= self._calm.part * offer.watts or now_s - since_s >= self._calm.seconds


class TemplateWrites:
    """Decides on templates: one that a pod names is made at once, one that no pod has named for long is collected.

    Parameters
    ----------
    keep_s : float
        How long one is kept that no pod names.
    again_s : float
        Until one is made again that the watch does not show: it may be somebody else's, without our label.
    """

    def __init__(self, keep_s: float = 600.0, again_s: float = 30.0) -> None:
        self._keep_s = keep_s
        self._again_s = again_s
        self._used_s: dict[tuple[str, str], float] = {}
        self._made_s: dict[tuple[str, str], float] = {}

    def decide(
        self, wanted: Collection[tuple[str, Template]], seen: Collection[tuple[str, str]], now_s: float
    ) -> list[Write]:
        """Return what to write.

        Parameters
        ----------
        wanted : collection of (namespace, Template)
            That pods name.
        seen : collection of (namespace, name)
            That are there.
        now_s : float
        """
        writes = []
        for namespace, template in wanted:
            key = (namespace, template.name)
            self._used_s[key] = now_s
            if key not in seen and now_s - self._made_s.get(key, float("-inf")) >= self._again_s:
                self._made_s[key] = now_s
                writes.append(
                    Write("template", "create", templates_path(namespace), template_body(template, namespace))
                )
        for key in seen:
            self._made_s.pop(key, None)
            if now_s - self._used_s.setdefault(key, now_s) >= self._keep_s:
                writes.append(Write("template", "delete", f"{templates_path(key[0])}/{quote(key[1], safe='')}"))
        self._used_s = {key: at for key, at in self._used_s.items() if key in seen or at == now_s}
        return writes

    def forget(self, namespace: str, name: str) -> None:
        """Try again at once: the last write of a template was not done."""
        self._made_s.pop((namespace, name), None)


def slice_path(name: str) -> str:
    """Path of a slice."""
    return f"{SLICES_PATH}/{quote(name, safe='')}"


def templates_path(namespace: str) -> str:
    """Path of a namespace's templates."""
    return f"{GROUP_PATH}/namespaces/{quote(namespace, safe='')}/resourceclaimtemplates"
