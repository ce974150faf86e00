"""What the budgets of all domains leave together, by what their statuses say."""

from collections.abc import Iterable

from powerplane.models.api.power_domain import PowerDomainObject


def room_watts(domains: Iterable[PowerDomainObject]) -> int | None:
    """Return the watts that may come anywhere at the most; None where no status says what is left.

    room(d) = min(headroom(d), Σ room(children)), the room of a child with several parents parted among them; the sum
    is over domains without a parent. A domain whose headroom is not known, or that has nodes of its own, is not
    narrowed by its children. Where a lost feed would narrow it further, too much is said: who warns by it warns too
    seldom.
    """
    known = {each.metadata.name: each for each in domains}
    children: dict[str, list[str]] = {name: [] for name in known}
    for name, each in known.items():
        for parent in each.spec.parents:
            children.get(parent, []).append(name)
    room: dict[str, int | None] = {}
    for name in _from_below(known, children):
        room[name] = _own_room(known[name], [(known[each], room.get(each)) for each in children[name]])
    tops = [room[name] for name, each in known.items() if not any(parent in known for parent in each.spec.parents)]
    limited = [each for each in tops if each is not None]
    return sum(limited) if limited and len(limited) == len(tops) else None


def _own_room(domain: PowerDomainObject, below: list[tuple[PowerDomainObject, int | None]]) -> int | None:
    left = domain.status.headroom_watts if domain.status is not None else None
    own = None if left is None else max(0, left)
    direct = domain.spec.node_selector is not None or bool(domain.spec.node_names)
    if direct or not below or any(room is None for _, room in below):
        return own
    under = sum((room or 0) // max(1, len(child.spec.parents)) for child, room in below)
    return under if own is None else min(own, under)


def _from_below(known: dict[str, PowerDomainObject], children: dict[str, list[str]]) -> list[str]:
    """Names, children before parents; what lies in a ring is left to come in any order."""
    order: dict[str, None] = {}
    for start in known:
        stack = [(start, False)]
        seen: set[str] = set()
        while stack:
            name, done = stack.pop()
            if done:
                order.setdefault(name)
            elif name not in order and name not in seen:
                seen.add(name)
                stack.append((name, True))
                stack += [(child, False) for child in children[name]]
    return list(order)
