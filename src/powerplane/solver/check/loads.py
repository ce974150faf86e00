"""The power topology, walked from each node upwards: which share of its draw every domain carries.

A domain is looked at in every situation: all feeds alive, and each feed lost whose load a sibling takes over.
Parents of one kind share a domain's load equally, survivors take the rest; parents of different kinds each carry all
of it; what has no living parent of some kind left is dark.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from powerplane.models.topology import PowerDomain, PowerTopology


@dataclass(frozen=True, slots=True)
class Row:
    """A domain in one situation.

    Parameters
    ----------
    lost : str
        The feed that is lost; "" while all live.
    shares : dict
        By group of nodes: the share of their draw that the domain carries; no entry where it carries none.
    alike : tuple of str
        Situations with the same shares, ``lost`` among them.
    """

    domain: PowerDomain
    lost: str
    shares: dict[int, Fraction]
    alike: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loads:
    """All rows, and the nodes in groups that draw through the same domains.

    Parameters
    ----------
    rows : tuple of Row
        Of each domain the situation with all alive first; situations alike are left out.
    group : tuple of int
        By node.
    above : tuple of tuple of int
        By group: the rows that carry something of it.
    size : tuple of int
        By row: how many nodes it carries something of.
    """

    rows: tuple[Row, ...]
    group: tuple[int, ...]
    above: tuple[tuple[int, ...], ...]
    size: tuple[int, ...]

    def share(self, row: int, node: int) -> Fraction:
        """Share of a node's draw that a row carries."""
        return self.rows[row].shares.get(self.group[node], Fraction(0))

    def draws(self, node_mw: Sequence[Fraction]) -> list[Fraction]:
        """Draw of every row in milliwatts, from every node's."""
        by_group: list[list[Fraction]] = [[] for _ in self.above]
        for node, draw in enumerate(node_mw):
            by_group[self.group[node]].append(draw)
        sums = [total(draws) for draws in by_group]
        return [total([share * sums[group] for group, share in row.shares.items()]) for row in self.rows]


def total(parts: list[Fraction]) -> Fraction:
    """Add fractions exactly; those of one denominator first, which spares most of the work."""
    by_denominator: dict[int, int] = {}
    for part in parts:
        by_denominator[part.denominator] = by_denominator.get(part.denominator, 0) + part.numerator
    return sum((Fraction(above, below) for below, above in by_denominator.items()), Fraction(0))


def walk(topology: PowerTopology, node_names: tuple[str, ...]) -> Loads:
    """Walk up from every node, in every situation."""
    domains = {domain.name: domain for domain in topology.domains}
    entries: dict[str, list[str]] = {name: [] for name in node_names}
    for domain in topology.domains:
        for node in domain.nodes:
            entries[node].append(domain.name)
    numbers: dict[tuple[str, ...], int] = {}
    group = tuple(numbers.setdefault(tuple(entries[name]), len(numbers)) for name in node_names)
    rows = _rows(domains, list(numbers))
    above: list[list[int]] = [[] for _ in numbers]
    for number, row in enumerate(rows):
        for g in row.shares:
            above[g].append(number)
    sizes = Counter(group)
    return Loads(rows, group, tuple(map(tuple, above)), tuple(sum(sizes[g] for g in row.shares) for row in rows))


def _rows(domains: dict[str, PowerDomain], groups: list[tuple[str, ...]]) -> tuple[Row, ...]:
    situations = {lost: _shares(domains, groups, lost) for lost in ["", *_losable(domains)]}
    rows = []
    for name, domain in domains.items():
        alike: dict[frozenset[tuple[int, Fraction]], list[str]] = {}
        for lost, shares in situations.items():
            alike.setdefault(frozenset(shares[name].items()), []).append(lost)
        rows += [Row(domain, same[0], dict(shares), tuple(same)) for shares, same in alike.items()]
    return tuple(rows)


def _losable(domains: dict[str, PowerDomain]) -> list[str]:
    """Domains with a sibling of their kind above some child."""
    losable = set()
    for domain in domains.values():
        kinds = Counter(domains[parent].kind for parent in domain.parents)
        losable |= {parent for parent in domain.parents if kinds[domains[parent].kind] > 1}
    return [name for name in domains if name in losable]


def _shares(
    domains: dict[str, PowerDomain], groups: list[tuple[str, ...]], lost: str
) -> dict[str, dict[int, Fraction]]:
    dark: dict[str, bool] = {}
    shares: dict[str, dict[int, Fraction]] = {name: {} for name in domains}
    for number, entries in enumerate(groups):
        climb = [(name, Fraction(1)) for name in entries]
        while climb:
            name, share = climb.pop()
            if _is_dark(name, domains, lost, dark):
                continue
            shares[name][number] = shares[name].get(number, Fraction(0)) + share
            living = [parent for parent in domains[name].parents if not _is_dark(parent, domains, lost, dark)]
            kinds = Counter(domains[parent].kind for parent in living)
            climb += [(parent, share / kinds[domains[parent].kind]) for parent in living]
    return shares


def _is_dark(name: str, domains: dict[str, PowerDomain], lost: str, known: dict[str, bool]) -> bool:
    if name not in known:
        parents = domains[name].parents
        fed = {domains[parent].kind for parent in parents if not _is_dark(parent, domains, lost, known)}
        known[name] = name == lost or any(domains[parent].kind not in fed for parent in parents)
    return known[name]
