"""Pods that are held down in place and given back what they had: what is done, in which order, and what never is."""

import msgspec
import pytest
from tests.actuator.model_cluster import ModelCluster
from tests.actuator.replica import BOOKS, Replica
from tests.actuator.test_moves import settle

from powerplane.actuator.acts import Remember, Resize
from powerplane.actuator.allowing import Leaves
from powerplane.actuator.engine import Outcome
from powerplane.actuator.evicting import Answer
from powerplane.actuator.facts import Measurement, Move, PodFact
from powerplane.actuator.limits import Limits
from powerplane.models.cpu_limits import Before, ContainerCpu
from powerplane.models.marks import THROTTLED_ANNOTATION


class Resizing(ModelCluster):
    """With an API server that resizes pods, and kubelets that do it when they are let."""

    def __init__(self, nodes=4):
        super().__init__(nodes)
        self.kubelets = True
        self.reports = True
        self.refusal = ""
        self.condition = ""
        self.done = []

    def act(self, act):
        if not isinstance(act, Remember | Resize):
            return super().act(act)
        if self.stop or self.pause:
            self.judge.wrongs.append(f"{act.uid} was touched while it may not be")
        pod = self.pods.get(act.uid)
        if pod is None or pod["metadata"]["resourceVersion"] != act.version:
            return Outcome("stale")
        self.done.append((type(act).__name__, act.uid))
        return self.remember(act, pod) if isinstance(act, Remember) else self.resize(act, pod)

    def remember(self, act, pod):
        pod["metadata"].setdefault("annotations", {}).pop(THROTTLED_ANNOTATION, None)
        if act.text:
            pod["metadata"]["annotations"][THROTTLED_ANNOTATION] = act.text
        self.put(pod)
        return Outcome("done")

    def resize(self, act, pod):
        if self.refusal:
            return Outcome("refused", self.refusal, Answer("never", "ResizeRefused", self.refusal))
        if THROTTLED_ANNOTATION not in pod["metadata"].get("annotations", {}):
            self.judge.wrongs.append(f"{act.uid} was resized, and nothing says what it had")
        (cpu,) = act.cpus
        pod["spec"]["containers"][0]["resources"] = {
            "requests": {"cpu": f"{cpu.request}m"},
            "limits": {"cpu": f"{cpu.limit}m"},
        }
        self.put(pod)
        return Outcome("done")

    def run(self):
        super().run()
        for pod in list(self.pods.values()):
            resources = pod["spec"]["containers"][0]["resources"]
            status = pod["status"]
            if not self.reports or not pod["spec"].get("nodeName"):
                continue
            if self.condition:
                told = [{"type": "PodResizePending", "status": "True", "reason": self.condition}]
                if told[0] not in status.get("conditions", []):
                    pod["status"] = status | {"conditions": [*status.get("conditions", []), *told]}
                    self.put(pod)
            known = status.get("containerStatuses")
            if (self.kubelets or known is None) and (known or [{}])[0].get("resources") != resources:
                pod["status"] = pod["status"] | {"containerStatuses": [{"name": "main", "resources": resources}]}
                self.put(pod)

    def cpu(self, pod):
        resources = self.pods[pod["metadata"]["uid"]]["spec"]["containers"][0]["resources"]
        return resources["requests"]["cpu"], resources.get("limits", {}).get("cpu")

    def note(self, pod):
        return self.pods[pod["metadata"]["uid"]]["metadata"].get("annotations", {}).get(THROTTLED_ANNOTATION, "")


def throttle(cluster, pod, limit=600, wave=1, **more):
    cpu = {"container": "main", "requestBeforeMilli": 1000, "requestMilli": limit, "limitMilli": limit}
    resources = [cpu | more]
    return cluster.move(pod, "n0", wave, "throttle") | {"resources": resources, "usedMilli": 1000}


def restore(cluster, pod, limit=8000, **more):
    now = {"container": "main", "requestBeforeMilli": 600, "limitBeforeMilli": 600}
    given = {"requestMilli": 1000, "limitMilli": limit}
    return cluster.move(pod, "n0", 1, "restore") | {"resources": [now | given | more]}


def throttled(replicas=2, kind=throttle, before=None, **spec):
    """A plan that holds down every pod of a workload on one node."""
    cluster = Resizing()
    cluster.add_owner("web", "ReplicaSet", replicas, ["n0"])
    cluster.run()
    for pod in list(cluster.pods.values()):
        if before:
            before(cluster, pod)
    cluster.publish("p", [kind(cluster, pod) for pod in cluster.pods.values()], **spec)
    return cluster, list(cluster.pods.values())


def held_down(cluster, pod):
    """A pod as a throttle leaves it."""
    resources = {"requests": {"cpu": "600m"}, "limits": {"cpu": "600m"}}
    pod["spec"]["containers"][0]["resources"] = resources
    pod["metadata"]["annotations"] = {THROTTLED_ANNOTATION: Before((ContainerCpu("main", 1000),), 1000).told()}
    cluster.put(pod)
    cluster.run()


def ended(cluster, replica=None, turns=60):
    settle(cluster, replica or Replica(cluster, 1), turns)
    assert not cluster.judge.wrongs
    assert not cluster.judge.evicted
    moves = {(each["step"], each.get("reason", "")) for each in cluster.status("p").get("moves", [])}
    return cluster.status("p")["phase"], moves


def test_pods_are_held_down_in_place_and_say_what_they_had():
    cluster, pods = throttled()
    assert ended(cluster) == ("Done", {("Done", "")})
    for pod in pods:
        assert cluster.cpu(pod) == ("600m", "600m")
        assert msgspec.json.decode(cluster.note(pod)) == {
            "cpu": [{"container": "main", "requestMilli": 1000}],
            "usedMilli": 1000,
        }
        uid = pod["metadata"]["uid"]
        assert [what for what, of in cluster.done if of == uid] == ["Remember", "Resize"]


def test_what_they_had_is_given_back_and_the_note_goes():
    cluster, pods = throttled(kind=restore, before=held_down)
    assert ended(cluster) == ("Done", {("Done", "")})
    for pod in pods:
        assert cluster.cpu(pod) == ("1000m", "8000m")
        assert cluster.note(pod) == ""


def test_an_actuator_that_is_killed_between_any_two_acts_does_each_once():
    cluster, pods = throttled()
    token = 1
    for _ in range(60):
        replica = Replica(cluster, token)
        replica.deliver()
        replica.look()
        replica.deliver()
        replica.look()
        if replica.line:
            replica.step()
        cluster.run()
        cluster.now_s += 1
        token += 1
    assert ended(cluster, Replica(cluster, token))[0] == "Done"
    assert sorted(cluster.done) == sorted(
        (what, pod["metadata"]["uid"]) for pod in pods for what in ("Remember", "Resize")
    )


def test_a_lost_answer_makes_nothing_be_done_twice():
    cluster, pods = throttled(replicas=1)
    replica = Replica(cluster, 1)
    for lost in (1, 2, 1, 2, 1, 2):
        replica.deliver()
        replica.look()
        replica.lost = lost
        replica.drain()
        cluster.run()
        cluster.now_s += 2
    assert ended(cluster, replica)[0] == "Done"
    assert cluster.cpu(pods[0]) == ("600m", "600m")
    assert [what for what, _ in cluster.done].count("Resize") == 1


def test_what_the_api_server_refuses_is_rolled_back_with_its_words():
    cluster, pods = throttled(replicas=1)
    cluster.refusal = "Pod QOS Class may not change as a result of resizing"
    assert ended(cluster) == ("Failed", {("RolledBack", "ResizeRefused")})
    assert cluster.status("p")["moves"][0]["message"] == cluster.refusal
    assert cluster.cpu(pods[0]) == ("1", None)


def test_what_a_kubelet_cannot_do_is_told():
    cluster, _ = throttled(replicas=1)
    cluster.kubelets, cluster.condition = False, "Infeasible"
    assert ended(cluster) == ("Failed", {("Failed", "ResizeInfeasible")})


def test_a_kubelet_that_takes_its_time_is_waited_for():
    cluster, _ = throttled(replicas=1)
    cluster.kubelets = False
    replica = Replica(cluster, 1)
    settle(cluster, replica, 30)
    assert cluster.step_of("p", next(iter(cluster.pods))) == "Resizing"
    cluster.kubelets = True
    assert ended(cluster, replica) == ("Done", {("Done", "")})


def test_a_kubelet_that_puts_it_off_is_believed_after_a_while_and_that_is_told():
    cluster, _ = throttled(replicas=1)
    cluster.kubelets, cluster.condition = False, "Deferred"
    assert ended(cluster, turns=90) == ("Done", {("Done", "")})
    assert "Deferred" in cluster.status("p")["moves"][0]["message"]


def test_where_nobody_reports_what_containers_have_the_spec_is_believed_after_a_moment():
    cluster, _ = throttled(replicas=1)
    cluster.reports = False
    for pod in cluster.pods.values():
        pod["status"].pop("containerStatuses")
        cluster.put(pod)
    assert ended(cluster, turns=20) == ("Done", {("Done", "")})
    assert "does not report" in cluster.status("p")["moves"][0]["message"]


def test_after_a_stop_nothing_is_touched():
    cluster, pods = throttled()
    cluster.stop = "a test"
    assert ended(cluster)[0] == "Stopped"
    assert cluster.done == []
    assert cluster.cpu(pods[0]) == ("1", None)


def test_while_a_lease_is_stale_nothing_is_touched():
    cluster, _ = throttled()
    cluster.pause = "no webhook"
    replica = Replica(cluster, 1)
    settle(cluster, replica, 20)
    assert cluster.done == []
    cluster.pause = ""
    assert ended(cluster, replica) == ("Done", {("Done", "")})


def test_limits_count_pods_that_are_held_down_as_they_count_moves():
    cluster, _ = throttled(replicas=6)
    replica = Replica(cluster, 1, BOOKS, Limits(per_node=2))
    cluster.kubelets = False
    settle(cluster, replica, 10)
    steps = [cluster.step_of("p", uid) for uid in cluster.pods]
    assert steps.count("Resizing") == 2
    cluster.kubelets = True
    assert ended(cluster, replica) == ("Done", {("Done", "")})


def test_the_hours_budget_counts_them_too():
    cluster, _ = throttled(replicas=3)
    replica = Replica(cluster, 1)
    before = replica.hour.left(cluster.now_s)
    ended(cluster, replica)
    assert before - replica.hour.left(cluster.now_s) == 3


def resized_since(cluster, pod):
    pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "900m"
    cluster.put(pod)


def shielded(cluster, pod):
    pod["metadata"]["annotations"] = {"powerplane.dev/do-not-disrupt": "true"}
    cluster.put(pod)


@pytest.mark.parametrize(
    ("kind", "before", "reason"),
    [
        (throttle, resized_since, "NotAsPlanned"),
        (throttle, shielded, "DoNotDisrupt"),
        (lambda c, p: throttle(c, p, limit=499), None, "NotAsPlanned"),
        (lambda c, p: throttle(c, p, limit=1500), None, "NotAsPlanned"),
        (lambda c, p: throttle(c, p) | {"resources": []}, None, "NotAsPlanned"),
        (restore, None, "NotAsPlanned"),
        (lambda c, p: restore(c, p, requestMilli=1001), held_down, "NotAsPlanned"),
        (lambda c, p: restore(c, p, limit=500), held_down, "NotAsPlanned"),
    ],
)
def test_what_is_not_as_planned_or_goes_too_far_is_left_alone(kind, before, reason):
    cluster, _ = throttled(replicas=1, kind=kind, before=before)
    assert ended(cluster) == ("Failed", {("Skipped", reason)})
    assert cluster.done == []


def test_a_pod_that_is_gone_is_passed_over():
    cluster, pods = throttled(replicas=1)
    cluster.owners.clear()
    cluster.drop(pods[0]["metadata"]["uid"])
    assert ended(cluster) == ("Done", {("Skipped", "PodGone")})


def test_nobody_is_given_back_what_there_is_no_room_for_any_more():
    domains = [{"name": "r1", "budgetWatts": 500, "beforeWatts": 480, "afterWatts": 490}]
    give_back = lambda c, p: restore(c, p) | {"policy": "ClusterPowerCappingPolicy all"}  # noqa: E731  # one use
    cluster, _ = throttled(replicas=1, kind=give_back, before=held_down, domains=domains)
    measured = {"r1": Measurement(510.0, cluster.now_s, 500.0)}
    assert ended(cluster, Replica(cluster, 1, measured=measured)) == ("Done", {("Skipped", "NoHeadroom")})
    cluster, _ = throttled(replicas=1, kind=restore, before=held_down, domains=domains)
    assert ended(cluster, Replica(cluster, 1, measured=measured)) == ("Done", {("Done", "")})


def test_to_give_back_needs_nobodys_leave_and_to_take_does():
    pod = PodFact("u", "default", "p")
    forbids = Leaves((), {}).forbids
    move = Move("default", "p", "u", "n", "n", lever="throttle")
    assert forbids(move, pod) == "NoPolicy"
    assert forbids(Move("default", "p", "u", "n", "n", lever="restore"), pod) == ""
    own = PodFact("u", "powerplane-system", "p")
    assert forbids(Move("powerplane-system", "p", "u", "n", "n", lever="restore"), own) == "OurOwn"


def test_a_plan_of_throttles_and_moves_moves_once_the_pods_are_held_down():
    cluster = Resizing()
    cluster.add_owner("web", "ReplicaSet", 2, ["n0"])
    cluster.run()
    first, second = cluster.pods.values()
    cluster.publish("p", [throttle(cluster, first), cluster.move(second, "n2", wave=2)])
    replica = Replica(cluster, 1)
    seen = []
    for _ in range(60):
        settle(cluster, replica, 1)
        seen.append(tuple(cluster.step_of("p", pod["metadata"]["uid"]) for pod in (first, second)))
    assert cluster.status("p")["phase"] == "Done"
    assert not cluster.judge.wrongs
    assert all(step == "Waiting" for held, step in seen if held != "Done")
