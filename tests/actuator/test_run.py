"""The whole actuator, before it knows its cluster."""

import time

import pytest
from prometheus_client import CollectorRegistry
from tests.adapters.api_server import kubeconfig
from tests.adapters.test_lease import LeaseServer

from powerplane.actuator.run import EVICTIONS_ANNOTATION, Actuator, Settings
from powerplane.adapters.cluster_access import open_cluster


@pytest.fixture
def server():
    made = LeaseServer()
    yield made
    made.close()


def test_an_actuator_that_leads_before_its_watches_have_caught_up_leaves_the_evictions_that_the_one_before_told(
    tmp_path, server
):
    server.lease["metadata"]["annotations"] = {EVICTIONS_ANNOTATION: "5:42"}
    access = open_cluster(kubeconfig(tmp_path / "config", server.address))
    actuator = Actuator(access, Settings(identity="me"), CollectorRegistry())
    actuator.start()
    try:
        until_s = time.monotonic() + 10
        while server.requests.count("PUT") < 3 and time.monotonic() < until_s:
            time.sleep(0.05)
        assert actuator.trouble()
        assert server.holder.startswith("me")
        assert server.requests.count("PUT") >= 3
        assert server.lease["metadata"]["annotations"] == {EVICTIONS_ANNOTATION: "5:42"}
    finally:
        actuator.stop()
    assert server.lease["metadata"]["annotations"] == {EVICTIONS_ANNOTATION: "5:42"}
