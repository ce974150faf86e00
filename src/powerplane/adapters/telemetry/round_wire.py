"""What passes between a program and the process that reads watts for it: a line of JSON each way, a round."""

import msgspec


class Opening(msgspec.Struct, frozen=True):
    """The first line to the process: what it reads. By a pipe, since command lines are seen by everybody."""

    url: str
    timeout_s: float
    headers: dict[str, str] = {}
    ca_file: str | None = None
    node_labels: tuple[str, ...] = ()


class Ask(msgspec.Struct, frozen=True):
    """Every further line to it: read once.

    Parameters
    ----------
    nodes : dict of (float, float), or None
        Idle and peak watts of every node by name, infinite where the peak is not known; None: the same as before.
    """

    nodes: dict[str, tuple[float, float]] | None = None


class Told(msgspec.Struct, frozen=True):
    """The answer to each: what was read.

    Parameters
    ----------
    nodes : dict of (float, float)
        Watts and the sample's age in seconds, of nodes with a sample that can be believed.
    found : dict of int
        Bad series by source and verdict, such as "ipmi: frozen".
    error : str
        Why no source answered; "" where one did.
    """

    nodes: dict[str, tuple[float, float]] = {}
    found: dict[str, int] = {}
    error: str = ""
