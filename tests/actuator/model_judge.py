"""What the model of the cluster must never see, held against each act as it is carried out."""

from collections import Counter
from dataclasses import dataclass, field

ENDED_STEPS = ("Done", "RolledBack", "Failed", "Skipped")


@dataclass
class Judge:
    """What must never happen, as it happened."""

    wrongs: list[str] = field(default_factory=list)
    evicted: Counter[str] = field(default_factory=Counter)

    def eviction(self, cluster, pod, *, held=False):
        """Judge an eviction at the moment in which it is carried out."""
        uid, wrongs = pod["metadata"]["uid"], self.wrongs
        if cluster.stop:
            wrongs.append(f"{uid} was evicted after the stop")
        if cluster.pause:
            wrongs.append(f"{uid} was evicted without fresh Leases")
        moves = [
            (name, move)
            # That a plan is gone may not have been told yet.
            for name, plan in (cluster.gone_plans | cluster.plans).items()
            for move in plan["spec"]["moves"]
            if move["uid"] == uid and plan["status"].get("phase") == "Running"
        ]
        if not moves:
            wrongs.append(f"{uid} was evicted, and no plan says so")
        asking = [(name, move) for name, move in moves if cluster.step_of(name, uid) == "Evicting"]
        if moves and not asking:
            wrongs.append(f"{uid} was evicted before its status said so")
        # The plan that is there is who asks, where one does.
        for name, move in [each for each in asking if each[0] in cluster.plans] or asking:
            if move["lever"] == "migrate" and not held and not cluster.is_held(uid, move["to"]):
                wrongs.append(f"{uid} was evicted without a place on {move['to']}")
            others = (cluster.gone_plans | cluster.plans)[name]["spec"]["moves"]
            if any(o["wave"] < move["wave"] and cluster.step_of(name, o["uid"]) not in ENDED_STEPS for o in others):
                wrongs.append(f"{uid} was evicted before its wave")
        self.evicted[uid] += 1
        if self.evicted[uid] > 1:
            wrongs.append(f"{uid} was evicted twice")

    def write(self, name, before, after):
        """Judge a write of a plan's status."""
        if after["token"] < before.get("token", 0):
            self.wrongs.append(f"{name} was written with token {after['token']} after {before['token']}")
        ended = {m["uid"]: m["step"] for m in before.get("moves", []) if m["step"] in ENDED_STEPS}
        now = {m["uid"]: m["step"] for m in after["moves"]}
        changed = {uid: (step, now.get(uid)) for uid, step in ended.items() if now.get(uid) != step}
        if changed:
            self.wrongs.append(f"moves of {name} that had ended went on: {changed}")
        if before.get("phase") in ("Done", "Failed", "Expired", "Stopped"):
            self.wrongs.append(f"{name} was over and was written")
