"""Whether two label selectors can choose the same object."""

from collections import defaultdict
from collections.abc import Iterable

from powerplane.models.matching import canonical
from powerplane.models.objects import LabelSelector, Requirement


def can_overlap(one: LabelSelector, other: LabelSelector) -> bool:
    """Return whether some set of labels meets both selectors.

    The keys of labels are free of each other, so both are met at the same time exactly when for every key alone some
    value, or the lack of the label, meets all that both ask of it. There are always more values than any NotIn lists.
    """
    by_key: dict[str, list[Requirement]] = defaultdict(list)
    for selector in (one, other):
        for requirement in canonical(selector) or ():
            by_key[requirement.key].append(requirement)
    return all(_some_value(asked) for asked in by_key.values())


def _some_value(asked: Iterable[Requirement]) -> bool:
    may_lack = may_have = True
    allowed: set[str] | None = None
    barred: set[str] = set()
    for requirement in asked:
        values = set(requirement.values or ())
        match requirement.operator:
            case "In":
                may_lack = False
                allowed = values if allowed is None else allowed & values
            case "NotIn":
                barred |= values
            case "Exists":
                may_lack = False
            case "DoesNotExist":
                may_have = False
            case _:
                return False
    return may_lack or (may_have and (allowed is None or bool(allowed - barred)))
