"""Lists of Kubernetes objects, as ``kubectl get -o json`` prints them.

A list is first cut into its items, unread, and each item is decoded when it is needed: so a list of 100,000 pods never
stands in memory as objects.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from powerplane.models.errors import InputError
from powerplane.models.objects import (
    Namespace,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    PodDisruptionBudget,
    PriorityClass,
    ReplicaSet,
)

T = TypeVar("T", bound=msgspec.Struct)


class ObjectList(msgspec.Struct, frozen=True, rename="camel"):
    """The envelope of a list; the items are objects of the Kubernetes API."""

    items: tuple[msgspec.Raw, ...]
    kind: str = "List"
    api_version: str = "v1"


# An item may leave its kind out, as items of a PodList do, but may not have another one.
class NodeItem(Node, frozen=True, tag_field="kind", tag="Node"):
    """An item of nodes.json."""


class PodItem(Pod, frozen=True, tag_field="kind", tag="Pod"):
    """An item of pods.json."""


class DisruptionBudgetItem(PodDisruptionBudget, frozen=True, tag_field="kind", tag="PodDisruptionBudget"):
    """An item of poddisruptionbudgets.json."""


class PriorityClassItem(PriorityClass, frozen=True, tag_field="kind", tag="PriorityClass"):
    """An item of priorityclasses.json."""


class ReplicaSetItem(ReplicaSet, frozen=True, tag_field="kind", tag="ReplicaSet"):
    """An item of replicasets.json."""


class NamespaceItem(Namespace, frozen=True, tag_field="kind", tag="Namespace"):
    """An item of namespaces.json."""


class VolumeItem(PersistentVolume, frozen=True, tag_field="kind", tag="PersistentVolume"):
    """An item of persistentvolumes.json."""


class ClaimItem(PersistentVolumeClaim, frozen=True, tag_field="kind", tag="PersistentVolumeClaim"):
    """An item of persistentvolumeclaims.json."""


_ENVELOPE: msgspec.json.Decoder[ObjectList | tuple[msgspec.Raw, ...]] = msgspec.json.Decoder(
    ObjectList | tuple[msgspec.Raw, ...]
)
REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class LazyList(Generic[T]):
    """Items of a list, decoded anew at every walk.

    Parameters
    ----------
    source : str
        The file's name in messages.
    raws : tuple of msgspec.Raw
    item : type
    """

    source: str
    raws: tuple[msgspec.Raw, ...]
    item: type[T]

    def __len__(self) -> int:
        return len(self.raws)

    def __iter__(self) -> Iterator[T]:
        decode = msgspec.json.Decoder(self.item).decode
        for row, raw in enumerate(self.raws):
            try:
                yield decode(raw)
            except REFUSED as error:
                raise _item_error(error, self.source, row, raw) from error


def parse_list(data: bytes, item: type[T], source: str) -> LazyList[T]:
    """Cut a list into its items.

    Parameters
    ----------
    data : bytes
        A List (or PodList, NodeList, …), or a plain array of objects.
    item : type
        Struct of the items.
    source : str
        The file's name in messages.

    Raises
    ------
    InputError
        For what is no list, or not JSON (any more), with the position.
    """
    try:
        envelope = _ENVELOPE.decode(data)
    except REFUSED as error:
        raise _list_error(error, source, len(data)) from error
    if isinstance(envelope, tuple):
        return LazyList(source, envelope, item)
    kind = _kind(item)
    if envelope.kind not in ("List", f"{kind}List"):
        raise InputError(f"{source} holds a {envelope.kind!r}, not a list of {kind}s", _refetch(source))
    return LazyList(source, envelope.items, item)


def _kind(item: type[msgspec.Struct]) -> str:
    return str(item.__struct_config__.tag)


def _list_error(error: Exception, source: str, size: int) -> InputError:
    if "truncated" in str(error):
        return InputError(f"{source} ends in the middle of a value, at byte {size}", _refetch(source))
    return InputError(f"{source} is not a list of objects: {error}", _refetch(source))


def _item_error(error: Exception, source: str, row: int, raw: msgspec.Raw) -> InputError:
    name = _name(raw)
    which = f"{source}, item {row + 1}" + (f" ({name})" if name else "")
    return InputError(f"{which}: {error}", f"correct the item, or fetch the list again: {_refetch(source)}")


class _Named(msgspec.Struct):
    class Meta(msgspec.Struct):
        name: str = ""
        namespace: str = ""

    metadata: Meta


def _name(raw: msgspec.Raw) -> str:
    try:
        meta = msgspec.json.decode(raw, type=_Named).metadata
    except REFUSED:
        return ""
    return f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name


def _refetch(source: str) -> str:
    return f"kubectl get {source.removesuffix('.json')} -A -o json > {source}"
