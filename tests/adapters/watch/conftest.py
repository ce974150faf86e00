"""A server of pods, and a reflector that follows it."""

import random

import pytest
from tests.adapters.api_server import kubeconfig
from tests.adapters.watch.following import PODS, QUICK, Cache
from tests.adapters.watch_server import WatchServer

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.watch import Reflector


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    server = WatchServer()
    for number in range(7):
        server.put(f"p{number}", f"n{number}")
    yield server
    server.close()


@pytest.fixture
def cache():
    return Cache()


@pytest.fixture
def follow(server, cache, tmp_path):
    """Starts a reflector of the server's pods into the cache, and stops it at the end."""
    started = []

    def follow(patience=QUICK, *, synced=True, watched=PODS, sink=None):
        access = open_cluster(kubeconfig(tmp_path / "config", server.address))
        reflector = Reflector(access, watched, sink or cache.take, patience, chance=random.Random(1))
        reflector.start()
        started.append(reflector)
        assert not synced or reflector.wait_synced(5)
        return reflector

    yield follow
    for reflector in started:
        reflector.stop()
