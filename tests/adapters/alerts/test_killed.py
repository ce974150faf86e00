"""Sender and receiver killed in the middle, again and again: nothing is lost, and nothing is told for ever."""

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.adapters.alerts.receiver import received
from tests.adapters.alerts.sender import SECRET
from tests.rig import processes

from powerplane.adapters.alerts.webhook import sign

HERE = Path(__file__).parent
ROUNDS = 8


def start_receiver(port, folder, trouble):
    command = [sys.executable, str(HERE / "receiver.py"), str(port), str(folder / "received"), str(trouble)]
    return processes.spawn(command, folder / "receiver.log", outlive=False)


def start_sender(port, folder, seed):
    where = [f"http://127.0.0.1:{port}/hook", *(str(folder / name) for name in ("outbox", "truth", "stop"))]
    command = [sys.executable, str(HERE / "sender.py"), *where, str(seed), "webhook"]
    return processes.spawn(command, folder / "sender.log", outlive=False)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.slow
def test_whatever_is_killed_every_notice_arrives_and_none_is_repeated_for_ever(tmp_path):
    (port,) = processes.free_ports(1)
    chance = random.Random(7)
    receiver, sender = start_receiver(port, tmp_path, 0.3), start_sender(port, tmp_path, 0)
    try:
        for number in range(ROUNDS):
            before = len(lines(tmp_path / "truth"))
            assert processes.wait_for(lambda n=before: len(lines(tmp_path / "truth")) > n, 30), log(tmp_path)
            time.sleep(chance.uniform(0.2, 0.6))
            if number % 2:
                kill(receiver)
                time.sleep(chance.uniform(0.0, 0.4))
                receiver = start_receiver(port, tmp_path, 0.3)
            else:
                kill(sender)
                sender = start_sender(port, tmp_path, number + 1)
        (tmp_path / "stop").touch()
        assert processes.wait_for(lambda: not processes.alive(sender), 60), log(tmp_path)
        at_the_end = len(received(tmp_path / "received"))
        time.sleep(0.5)
        told = received(tmp_path / "received")
        assert len(told) == at_the_end
    finally:
        for pid in (sender, receiver):
            processes.stop(pid)
    judge(lines(tmp_path / "truth"), told)


def judge(truth, told):
    committed = {each["id"]: each["what"] for each in truth}
    assert len(committed) == len(truth) > 20
    alerts = [alert for one in told for alert in json.loads(one["body"])["alerts"]]
    arrived = {alert["id"] for alert in alerts}
    assert committed.keys() <= arrived
    # A sender that died between the outbox and the list of truth has told more than that list knows.
    assert len(arrived - committed.keys()) <= ROUNDS
    # A message comes twice only if its answer was lost, which ends with the next that is not.
    doubles = Counter(json.loads(one["body"])["id"] for one in told)
    assert max(doubles.values()) < 20
    by_episode = {}
    for one in told:
        for alert in json.loads(one["body"])["alerts"]:
            first = by_episode.setdefault(alert["episode"], {})
            first.setdefault(alert["sequence"], json.loads(one["body"])["what"])
    for episode in by_episode.values():
        # In order, and to the end: what fired was resolved.
        assert list(episode) == sorted(episode)
        assert next(iter(episode.values())) == "fired"
        assert list(episode.values())[-1] == "resolved"
    for one in told:
        headers = {name.lower(): value for name, value in one["headers"].items()}
        expected = sign(SECRET, headers["webhook-id"], headers["webhook-timestamp"], one["body"].encode())
        assert headers["webhook-signature"] == expected


def kill(pid):

    os.kill(pid, signal.SIGKILL)
    assert processes.wait_for(lambda: not processes.alive(pid), 5)


def log(folder):
    return (folder / "sender.log").read_text()[-2000:]
