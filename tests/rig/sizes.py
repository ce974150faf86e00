"""How large a cluster is that is operated, and how long things may take there."""

import os
from dataclasses import dataclass

SIZE_VARIABLE = "POWERPLANE_RIG_SIZE"


@dataclass(frozen=True, slots=True)
class Size:
    """How large a cluster is.

    Parameters
    ----------
    racks, per_rack : int
        Nodes.
    workloads, replicas : int
        Of seven in ten workloads the owner is a Deployment, of two a StatefulSet, of one a Job.
    few : int
        Moves at once at the most where a plan is to have a middle.
    patience : float
        How many times as long as on the smallest cluster something may take: its rack loses as many times the watts.
    scrape_s : int
        Between two scrapes. Each second would be a million samples of pods in the window that is looked at.
    plan_s : float
        For so long a plan is carried out where nothing fails.
    caught_up_s : float
        Until an operator that was just started has seen all pods, on a busy machine.
    """

    racks: int = 6
    per_rack: int = 5
    workloads: int = 30
    replicas: int = 10
    few: int = 3
    patience: float = 1.0
    scrape_s: int = 1
    plan_s: float = 10.0
    caught_up_s: float = 0.0

    @property
    def pods(self) -> int:
        """All pods."""
        return self.workloads * self.replicas

    @property
    def nodes(self) -> int:
        """All nodes."""
        return self.racks * self.per_rack

    @property
    def old_s(self) -> float:
        """After this no sample that was scraped is believed any more: it is three scrapes old."""
        return 3.0 * self.scrape_s


SMALL = Size()
LARGE = Size(
    racks=25,
    per_rack=20,
    workloads=250,
    replicas=20,
    few=12,
    patience=2.0,
    scrape_s=5,
    plan_s=20.0,
    caught_up_s=10.0,
)
BY_NAME = {"small": SMALL, "large": LARGE}


def chosen_size() -> Size:
    """The size that the environment names, ``small`` where it names none.

    Raises
    ------
    ValueError
        For a name that stands for no size.
    """
    name = os.environ.get(SIZE_VARIABLE) or "small"
    if name not in BY_NAME:
        raise ValueError(f"{SIZE_VARIABLE}={name} is none of {', '.join(BY_NAME)}")
    return BY_NAME[name]
