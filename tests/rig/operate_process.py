"""`powerplane operate` by a clock and with a patience that tests set: ``python -m tests.rig.operate_process ODDS …``.

ODDS is a folder. ``offset`` in it says by how many seconds its time of day is wrong, now; ``terms.json`` which of the
actuator's terms are others. What counts how long things take is left as it is: no machine's does that anything to.
"""

import json
import sys
import time
from datetime import datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path

TRUE = time.time


def main() -> None:
    """Operate, as the rest of the command line says."""
    odds = Path(sys.argv.pop(1))

    def offset_s() -> float:
        return float((odds / "offset").read_text())

    # Before anybody takes it for a default.
    time.time = lambda: TRUE() + offset_s()

    from powerplane.actuator.terms import Terms  # noqa: PLC0415  # only now may it be imported
    from powerplane.adapters import lease  # noqa: PLC0415
    from powerplane.cli import operate  # noqa: PLC0415
    from powerplane.cli.main import main as run  # noqa: PLC0415

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(seconds=offset_s())

    lease.datetime = Shifted
    terms = Terms(**json.loads((odds / "terms.json").read_text()))
    operate.ActuatorSettings = partial(operate.ActuatorSettings, terms=terms)
    sys.argv.insert(1, "operate")
    run()


if __name__ == "__main__":
    main()
