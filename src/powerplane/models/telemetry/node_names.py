"""Which node a name means: a node's own name, an address, a host name, or ``instance`` with its port.

A name that could mean two nodes means none: watts on the wrong node are worse than watts on no node.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from powerplane.models.objects import Node
from powerplane.models.telemetry.readings import SourceReading

HOSTNAME = "kubernetes.io/hostname"
UNKNOWN, AMBIGUOUS = "unknown node", "ambiguous node"


def aliases_of(node: Node) -> tuple[str, ...]:
    """Names beside its own under which exporters may know a node: its addresses and host names."""
    label = (node.metadata.labels or {}).get(HOSTNAME, "")
    addresses = (address.address for address in node.status.addresses or ())
    return tuple(dict.fromkeys(name for name in (label, *addresses) if name and name != node.metadata.name))


def told_aliases(readings: Iterable[SourceReading]) -> dict[str, tuple[str, ...]]:
    """Names that Prometheus itself tells of nodes: kube-state-metrics' addresses, node_exporter's host names.

    Returns
    -------
    dict of str to tuple of str
        By node as the metric calls it; the instance's name where that is a host name that node_exporter tells.
    """
    found: dict[str, list[str]] = {}
    for reading in readings:
        for block in reading.blocks:
            for entity, kept in zip(block.entities, block.kept, strict=False):
                if block.meaning.metric == "kube_node_info" and kept[0]:
                    found.setdefault(entity.node, []).append(kept[0])
                elif block.meaning.metric == "node_uname_info" and kept[0]:
                    found.setdefault(kept[0], []).append(entity.node)
    return {name: tuple(dict.fromkeys(aliases)) for name, aliases in found.items()}


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Leave one of those names that mean one node where nothing but names is known: ``n1``, ``n1:9100``, ``n1.lan``.

    Exporters of one node that stand behind different ports or forms of its name would otherwise count as nodes each.
    """
    given: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        *_, host = _forms(name.strip().lower())
        given.setdefault(host, []).append(name)
    longer = Counter(_short(host) for host in given if _short(host) != host)
    return tuple(
        own[0] if len(own) == 1 else host for host, own in given.items() if _short(host) != host or longer[host] != 1
    )


class NodeNames:
    """Matches names to nodes.

    Parameters
    ----------
    nodes : mapping of str to sequence of str
        Each node's name and its aliases; see ``aliases_of`` and ``told_aliases``.
    """

    def __init__(self, nodes: Mapping[str, Sequence[str]]) -> None:
        self._own = {name.lower(): name for name in nodes}
        self._exact: dict[str, set[str]] = {}
        self._short: dict[str, set[str]] = {}
        for name, aliases in nodes.items():
            for alias in (name, *aliases):
                host = _plain(alias.strip().lower())
                self._exact.setdefault(host, set()).add(name)
                self._short.setdefault(_short(host), set()).add(name)
        self.refused: Counter[str] = Counter()
        """Names that mean no node, by reason: ``UNKNOWN``, ``AMBIGUOUS``; each name once."""
        self._known: dict[str, str] = {}

    def match(self, text: str) -> str:
        """Name of the node that is meant; "" where none is, or where it could be two."""
        known = self._known.get(text)
        if known is None:
            found = self._candidates(text)
            known = self._known[text] = next(iter(found)) if len(found) == 1 else ""
            if not known:
                self.refused[AMBIGUOUS if found else UNKNOWN] += 1
        return known

    def is_ambiguous(self, text: str) -> bool:
        """Whether a name could mean several nodes."""
        return len(self._candidates(text)) > 1

    def _candidates(self, text: str) -> set[str]:
        """Nodes by the first form of the name that any node has; a node's own name is nobody else's."""
        forms = tuple(_forms(text.strip().lower()))
        for form in forms:
            if form in self._own:
                return {self._own[form]}
            if form in self._exact:
                return self._exact[form]
        # A domain may be left out on either side; two domains that differ are two hosts.
        host = forms[-1]
        short = _short(host)
        return (self._short.get(host) if short == host else self._exact.get(short)) or set()


def _forms(text: str) -> Iterator[str]:
    """Yield the name as it stands, and without scheme, port, brackets and the dot at a domain's end."""
    yield text
    host = text.rpartition("://")[2].partition("/")[0]
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    host = _plain(host.rstrip("."))
    if host and host != text:
        yield host


def _plain(host: str) -> str:
    """Return an IPv6 address in its one short form, without the interface that it is reached by; others as they are."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    return str(address.ipv4_mapped or address)


def _short(host: str) -> str:
    """Return a host's name without its domain; an address as it is."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.partition(".")[0]
    return host
