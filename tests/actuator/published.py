"""A plan over the model of a cluster, and turning until something is so."""

from tests.actuator.model_cluster import ModelCluster
from tests.actuator.test_moves import left, settle

from powerplane.actuator.terms import ConfirmTerms, Terms
from powerplane.models.marks import HOLD_FOR_ANNOTATION

MEASURED = Terms(confirm=ConfirmTerms(settle_s=1.0, wait_s=30.0))


def published(to="n2", replicas=2, waves=(0, 0), kind="ReplicaSet", unavailable=99, **spec):
    cluster = ModelCluster()
    owner = cluster.add_owner("web", kind, replicas, ["n0"], unavailable=unavailable)
    pods = list(cluster.pods.values())
    moves = [cluster.move(pod, to, wave=wave) for pod, wave in zip(pods, waves, strict=False)]
    cluster.publish("p", moves, **spec)
    return cluster, owner, pods


def reasons(cluster, name="p"):
    return {(each["step"], each.get("reason", "")) for each in cluster.status(name)["moves"]}


def ended(cluster, replica, turns=80, seconds=5.0):
    settle(cluster, replica, turns, seconds)
    assert not left(cluster), (left(cluster), cluster.status("p"))
    assert not cluster.judge.wrongs
    return cluster.status("p")["phase"], reasons(cluster)


def holds(cluster):
    return [pod for pod in cluster.pods.values() if HOLD_FOR_ANNOTATION in pod["metadata"].get("annotations", {})]


def until(cluster, replica, step, turns=30):
    """Turn the world and the actuator by single acts, until a move is at a step."""
    for _ in range(turns * 10):
        replica.deliver()
        replica.look()
        if any(each["step"] == step for each in cluster.status("p").get("moves", [])):
            return
        if replica.line:
            replica.step()
        else:
            cluster.control()
            cluster.schedule()
            cluster.now_s += 0.5
    raise AssertionError(f"no move came to {step}")


def until_evicted(cluster, replica):
    """Turn until somebody was evicted, and no further."""
    for _ in range(100):
        if cluster.judge.evicted:
            return
        until(cluster, replica, "Evicting")
        replica.look()
        if replica.line:
            replica.step()
    raise AssertionError("nobody was evicted")
