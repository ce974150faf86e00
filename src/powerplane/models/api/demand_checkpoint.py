"""DemandCheckpoint: what has been learned of one workload's demand, kept between runs. Programs write and read it."""

from typing import Annotated, Final

from powerplane.models.api.fields import ApiStruct, Moment, bounded
from powerplane.models.objects import ObjectMeta

LONGEST_WEIGHTS: Final = 4096
"""Characters; all the buckets that there are, each at its longest, take less."""

LONGEST_OWNER: Final = 600

Amount = Annotated[float, bounded(minimum=0)]
Samples = Annotated[int, bounded(minimum=0)]


class StoredHistogram(ApiStruct, frozen=True):
    """A decaying histogram of one quantity of one pod of the workload.

    Attributes
    ----------
    buckets
        Which buckets they are: what was written with others is not read.
    half_life_seconds
        Time in which a sample's weight halves.
    reference_seconds
        Unix seconds at which the weights are what they are written as.
    weights
        Bucket and weight of each bucket that has any, as 12:345, the fullest 10000; a space between two.
    total
        Weight of all buckets.
    mean, variance
        Of the samples themselves.
    first_seconds, last_seconds
        Unix seconds of the oldest and the newest sample.
    samples, refused
        How many samples there were, and how many were not believed.
    """

    buckets: Annotated[str, bounded(minLength=1, maxLength=128)]
    half_life_seconds: Amount
    reference_seconds: float
    weights: Annotated[str, bounded(maxLength=LONGEST_WEIGHTS)] = ""
    total: Amount = 0.0
    mean: Amount = 0.0
    variance: Amount = 0.0
    first_seconds: float = 0.0
    last_seconds: float = 0.0
    samples: Samples = 0
    refused: Samples = 0


class DemandCheckpointSpec(ApiStruct, frozen=True):
    """Whose demand it is, and the histograms.

    Attributes
    ----------
    owner
        The workload, as namespace/Kind/name.
    written_at
        When it was written.
    cores
        CPU of one pod, in cores.
    accelerator_watts
        Draw of one pod's accelerators, in watts.
    """

    owner: Annotated[str, bounded(minLength=5, maxLength=LONGEST_OWNER)]
    written_at: Moment
    cores: StoredHistogram | None = None
    accelerator_watts: StoredHistogram | None = None


class DemandCheckpointObject(ApiStruct, frozen=True):
    """What has been learned of one workload's demand; made by programs, not by people.

    Attributes
    ----------
    spec
        What was learned.
    """

    metadata: ObjectMeta
    spec: DemandCheckpointSpec
