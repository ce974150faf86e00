"""Whether an API server lets many claims share one device's capacity (KEP-5075): tried, and nothing stored.

Discovery tells only that there are ResourceSlices. A server without the feature drops the field that says that a device
may be shared, so a slice that has it is sent for a trial.
"""

from typing import Any, Final

import msgspec

from powerplane.adapters.cluster_http import Request
from powerplane.adapters.cluster_look import ClusterLook

PATH: Final = "/apis/resource.k8s.io/v1/resourceslices"
DRIVER: Final = "power.powerplane.dev"
GUARD: Final = "ValidatingAdmissionPolicy"
"""Names itself where it refuses, with 422 as well."""


TRIAL: Final[dict[str, Any]] = {
    "apiVersion": "resource.k8s.io/v1",
    "kind": "ResourceSlice",
    "metadata": {"name": "powerplane-trial"},
    "spec": {
        "driver": DRIVER,
        "pool": {"name": "powerplane-trial", "generation": 1, "resourceSliceCount": 1},
        "allNodes": True,
        "devices": [
            {
                "name": "budget",
                "allowMultipleAllocations": True,
                "capacity": {
                    "watts": {"value": "1000", "requestPolicy": {"default": "1", "validRange": {"min": "1"}}},
                },
            }
        ],
    },
}


class _Device(msgspec.Struct, frozen=True, rename="camel"):
    allow_multiple_allocations: bool | None = None


class _Spec(msgspec.Struct, frozen=True):
    devices: tuple[_Device, ...] = ()


class _Slice(msgspec.Struct, frozen=True):
    spec: _Spec = _Spec()


def shares_capacity(look: ClusterLook) -> bool | None:
    """Say whether claims may share a device; None where who asks may not try it, or there is no answer."""
    told = look.ask(Request("POST", PATH, [("dryRun", "All"), ("fieldValidation", "Ignore")], TRIAL))
    if told.absent:
        return False
    if told.status == 422 and GUARD not in told.trouble:
        return False
    if not told.ok:
        return None
    try:
        made = msgspec.json.decode(told.body, type=_Slice)
    except msgspec.MsgspecError:
        return None
    return any(device.allow_multiple_allocations for device in made.spec.devices)
