"""Names that the webhook and the controller of power claims agree on without asking each other.

A template's name says all that is in it: how many watts, and at which levels. So whoever sees a pod that names one can
make it, and a pod may name it before it exists.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

from powerplane.models.requests import POWER_CLAIM

Json = dict[str, Any]

DRIVER: Final = "power.powerplane.dev"
DEVICE_CLASS: Final = "power.powerplane.dev"
API_VERSION: Final = "resource.k8s.io/v1"
GROUP_PATH: Final = f"/apis/{API_VERSION}"
WATTS: Final = "watts"
"""The capacity that is consumed."""

DEVICE: Final = "budget"
"""The one device of each pool."""

POD_CLAIM: Final = POWER_CLAIM
"""Under ``spec.resourceClaims`` of a pod; no other claim of a pod may have it."""

LABELS: Final = {"app.kubernetes.io/part-of": "powerplane"}
MOST_LEVELS: Final = 16
LONGEST: Final = 253
_NAME = re.compile(r"powerplane-([1-9][0-9]{0,8})w((?:\.[a-z0-9]([-a-z0-9]*[a-z0-9])?){1,16})")
_PARTS = ((2, 20), (5, 10), (10, 4))
"""Below twice, five and ten times a power of ten, the part of it that the grid steps by."""


class Template(NamedTuple):
    """What a claim template asks for: as many watts at each of its levels."""

    watts: int
    levels: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name."""
        return f"powerplane-{self.watts}w." + ".".join(self.levels)


def rounded_watts(watts: int) -> int:
    """Round up to a grid of 2 to 5 %, so that templates are few: 70 numbers for each power of ten.

    Parameters
    ----------
    watts : int
        At least 1.
    """
    unit = int("1".ljust(len(str(watts)), "0"))
    part = next(part for below, part in _PARTS if watts < below * unit)
    step = max(1, unit // part)
    return -(-watts // step) * step


def template_of(name: str) -> Template | None:
    """Read a template's name; None for any other."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    levels = tuple(found[2].split(".")[1:])
    whole = len(levels) <= MOST_LEVELS and len(set(levels)) == len(levels) and all(len(each) <= 63 for each in levels)
    return Template(int(found[1]), levels) if whole else None


def template_body(template: Template, namespace: str) -> Json:
    """Return the ResourceClaimTemplate."""
    requests = [_request(level, template.watts) for level in template.levels]
    return {
        "apiVersion": API_VERSION,
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": template.name, "namespace": namespace, "labels": LABELS},
        "spec": {"metadata": {"labels": LABELS}, "spec": {"devices": {"requests": requests}}},
    }


def _request(level: str, watts: int) -> Json:
    return {
        "name": level,
        "exactly": {
            "deviceClassName": DEVICE_CLASS,
            "allocationMode": "ExactCount",
            "count": 1,
            "selectors": [{"cel": {"expression": f'device.attributes["{DRIVER}"].level == "{level}"'}}],
            "capacity": {"requests": {WATTS: str(watts)}},
        },
    }


def pool_name(kind: str, domain: str, lost: str = "") -> str:
    """Return the pool of a domain, or of what it carries when a sibling feed is lost."""
    return _bounded("/".join((kind, domain, "lost", lost) if lost else (kind, domain)))


def slice_name(pool: str) -> str:
    """Return the name of a pool's one ResourceSlice; pools' names have slashes, which no object's may."""
    return _bounded(f"powerplane.{pool.replace('/', '.')}")


def _bounded(name: str) -> str:
    """The same, or its beginning and a digest where it is longer than a name may be."""
    return name if len(name) <= LONGEST else f"{name[:200].rstrip('-./')}-{sha256(name.encode()).hexdigest()[:16]}"


def level_names(kinds: Sequence[str]) -> tuple[str, ...]:
    """Return a name for each level: its kind, numbered from the second of a kind on."""
    seen: dict[str, int] = {}
    names = []
    for kind in kinds:
        seen[kind] = seen.get(kind, 0) + 1
        names.append(kind if seen[kind] == 1 else f"{kind[:59]}-{seen[kind]}")
    return tuple(names)
