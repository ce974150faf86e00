"""What pods and policies keep secret comes into nothing that is written, and no text of theirs steers a reader."""

import json
import logging
import pickle

import msgspec
import pytest
from prometheus_client import generate_latest
from tests.recommender.crowded import crowded
from tests.recommender.world import Cluster, Watching

CANARY = "s3cr3t-c4n4ry"
STEERING = "\x1b[2J\x1b]0;owned\x07\u202e\r\nERROR everything is fine <script>alert(1)</script> =1+1"


def secretive() -> Cluster:
    """Every pod, node, namespace and policy has a secret wherever one is likely to stand."""
    cluster = crowded()
    noted = {"kubectl.kubernetes.io/last-applied-configuration": f'{{"token":"{CANARY}"}}', "note": CANARY}
    for pod in cluster.pods.values():
        pod["metadata"]["annotations"] = dict(noted)
        container = pod["spec"]["containers"][0]
        container |= {
            "name": "main",
            "image": f"https://user:{CANARY}@images.example/web",
            "command": ["serve", f"--token={CANARY}"],
            "args": [CANARY],
            "env": [{"name": "TOKEN", "value": CANARY}],
        }
    for policy in cluster.policies:
        policy["metadata"]["annotations"] = dict(noted)
    cluster.namespaces["default"] = {"annotations": dict(noted)}
    return cluster


def written(watching: Watching, capsys: pytest.CaptureFixture[str], log: str) -> str:
    """All that came out of a recommender, as one text."""
    outside = watching.outside
    objects = [outside.published, outside.statuses, [msgspec.to_builtins(each) for each in outside.kept.values()]]
    events = [(event.reason, str(event)) for event in watching.events]
    metrics = generate_latest(watching.registry).decode()
    printed = capsys.readouterr()
    return "\n".join([json.dumps(objects, ensure_ascii=False), str(events), metrics, log, printed.out, printed.err])


def test_no_secret_of_a_pod_or_policy_comes_into_an_object_an_event_a_metric_a_log_or_the_snapshot(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    watching = Watching(secretive())
    watching.look()
    watching.carry_out()
    for _ in range(40):
        watching.look(5)
    assert watching.outside.published
    assert watching.outside.statuses
    (asked,) = watching.solver.asked
    snapshot = pickle.dumps(asked).decode(errors="replace")  # as it goes to the solver's process
    assert "web-0" in snapshot
    everything = written(watching, capsys, caplog.text) + snapshot
    assert CANARY not in everything


def test_no_text_of_a_policy_or_a_plan_steers_whoever_reads_what_is_said_of_it(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    cluster = crowded()
    cluster.namespaces["powerplane-system"] = {"annotations": {"powerplane.dev/stop": STEERING}}
    watching = Watching(cluster)
    for _ in range(3):
        watching.look(5)
    assert not watching.outside.published
    everything = written(watching, capsys, caplog.text)
    assert "Stopped" in everything
    bad = {letter for letter in everything if not letter.isprintable() and letter not in "\n\t"}
    assert not bad
