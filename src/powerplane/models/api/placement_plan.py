"""PlacementPlan: the moves that one plan asks for, as an object of the cluster. Steering reads it."""

from typing import Annotated

import msgspec

from powerplane.models.api.conditions import Conditions
from powerplane.models.api.fields import ApiStruct, Moment, Name, bounded
from powerplane.models.objects import ObjectMeta

Uid = Annotated[str, bounded(maxLength=64)]


class PlannedMove(ApiStruct, frozen=True):
    """One pod's way from a node to another.

    Attributes
    ----------
    namespace, pod, uid
        The pod that leaves.
    owner_uid, owner_kind, owner_name
        Its controller: the pod that comes in its place has the same one.
    source
        Node that the pod leaves.
    to
        Node that its successor belongs on.
    watts
        Watts that it takes along.
    wave
        Moves of one wave may run at the same time.
    """

    namespace: Name
    pod: Name
    uid: Uid
    source: Name = msgspec.field(name="from")
    to: Name
    owner_uid: Uid = ""
    owner_kind: Annotated[str, bounded(maxLength=63)] = ""
    owner_name: Annotated[str, bounded(maxLength=253)] = ""
    watts: Annotated[int, bounded(minimum=0)] = 0
    wave: Annotated[int, bounded(minimum=0)] = 0


class PlacementPlanSpec(ApiStruct, frozen=True):
    """The moves, and until when they are meant.

    Attributes
    ----------
    expires_at
        From then on nothing of the plan may be started, and nothing is steered by it.
    moves
        The moves, in the order of their waves.
    """

    expires_at: Moment
    moves: Annotated[tuple[PlannedMove, ...], bounded(maxItems=3000)] = ()


class PlacementPlanStatus(ApiStruct, frozen=True):
    """How far a plan has come.

    Attributes
    ----------
    conditions
        What is said of the plan.
    observed_generation
        Generation of the spec that this status was made for.
    phase
        Pending, Running, Done, Failed or Expired.
    """

    conditions: Conditions = ()
    observed_generation: int = 0
    phase: Annotated[str, bounded(enum=["", "Pending", "Running", "Done", "Failed", "Expired"])] = ""


class PlacementPlanObject(ApiStruct, frozen=True):
    """Moves of pods that bring every domain under its budget; made by programs, not by people.

    Attributes
    ----------
    spec
        The moves.
    status
        How far they have come.
    """

    metadata: ObjectMeta
    spec: PlacementPlanSpec
    status: PlacementPlanStatus | None = None
