"""Operators that are not started as anybody would: under another's name, by a wrong clock, with little patience."""

import json
import os
import signal
from pathlib import Path

from tests.rig.operator import Operated, Operator

ENTRY = "tests.rig.operate_process"


class OddOperator(Operator):
    """`powerplane operate` with odds; see ``operate_process``.

    Parameters
    ----------
    parts : Operated
        What it joins; it is ended with the other operators.
    name : str
        Of its account and its log.
    flags : str
        As for any operator.
    identity : str
        What it calls itself; its name where nothing is said.
    terms : float
        Fields of the actuator's ``Terms``.
    """

    def __init__(self, parts: Operated, name: str, *flags: str, identity: str = "", **terms: float) -> None:
        rig = parts.cluster.rig
        super().__init__(rig, name, parts.prometheus.url, *parts.flags, *flags)
        self.odds: Path = rig.folder / f"odds-{name}"
        self.odds.mkdir(exist_ok=True)
        (self.odds / "terms.json").write_text(json.dumps(terms))
        self.set_clock(0.0)
        program, _, _, _, *rest = self._command
        own = [f"--identity={identity}" if identity and each.startswith("--identity=") else each for each in rest]
        self._command = [program, "-m", ENTRY, str(self.odds), *own]
        parts.operators.append(self)

    def set_clock(self, offset_s: float) -> None:
        """Let its time of day be wrong by so much from now on."""
        fresh = self.odds / "offset.new"
        fresh.write_text(str(offset_s))
        fresh.rename(self.odds / "offset")

    def freeze(self) -> None:
        """Let nothing of it go on, as on a machine that is suspended."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)
