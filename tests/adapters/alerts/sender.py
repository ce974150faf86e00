"""A sender in a process of its own: makes alerts fire and resolve as fast as it can, until a file says to stop.

``python sender.py URL OUTBOX TRUTH STOP SEED WHICH``. Every notice that the outbox has taken is a line of TRUTH. Once
STOP is there, everything is let resolve; it ends when nothing waits any more. WHICH is the sink.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

from powerplane.adapters.alerts.alertmanager import Alertmanager
from powerplane.adapters.alerts.delivering import Delivery, DeliveryTerms
from powerplane.adapters.alerts.outbox import Outbox
from powerplane.adapters.alerts.posting import Poster, Target
from powerplane.adapters.alerts.secret import Secret
from powerplane.adapters.alerts.slack import Slack
from powerplane.adapters.alerts.webhook import Webhook
from powerplane.models.alerts.alert import AlertKey, Finding
from powerplane.models.alerts.grouping import bundled
from powerplane.models.alerts.tracking import Terms, resume, step

KEYS = [AlertKey("DomainOverBudget", f"rack-{i}", "/watch") for i in range(4)]
TERMS = Terms(fire_after_s=0.05, resolve_after_s=0.05)
SECRET = b"a key of more than twenty-four bytes"
HOLD_S = 3.0


def main() -> None:
    url, outbox_file, truth, stop, seed, which = sys.argv[1:]
    poster = Poster(Target(Secret(url), frozenset(("127.0.0.1",)), timeout_s=1.0))
    sinks = {
        "webhook": lambda: Webhook(poster, [SECRET]),
        "slack": lambda: Slack(poster),
        "alertmanager": lambda: Alertmanager(poster, hold_s=HOLD_S),
    }
    sink = sinks[which]()
    outbox = Outbox(Path(outbox_file), [sink.name])
    patience = DeliveryTerms(first_pause_s=0.02, longest_pause_s=0.2, renew_s=0.3)
    delivery = Delivery(sink, outbox, patience, chance=random.Random(seed))
    delivery.start()
    run(outbox, delivery, Path(truth), Path(stop), random.Random(seed))
    delivery.stop()
    outbox.close()


def run(outbox: Outbox, delivery: Delivery, truth: Path, stop: Path, chance: random.Random) -> None:
    tracks = resume(outbox.episodes())
    over = dict.fromkeys(KEYS, False)
    while True:
        ending = stop.exists()
        for key in KEYS:
            if chance.random() < 0.1:
                over[key] = not over[key]
        found = {
            key: Finding(key, "over" if over[key] and not ending else "under", "warning", 1_200_000, 1_000_000)
            for key in KEYS
        }
        now_s = time.time()
        after = step(tracks, found, now_s, TERMS)
        outbox.commit(after.tracks, bundled(after.notices), now_s)
        tracks = after.tracks
        note(truth, [{"id": each.id, "what": each.what, "episode": each.episode} for each in after.notices])
        delivery.wake()
        if ending and not tracks and not outbox.pending(delivery.name):
            return
        time.sleep(0.01)


def note(truth: Path, lines: list[dict]) -> None:
    if lines:
        with truth.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())


if __name__ == "__main__":
    main()
