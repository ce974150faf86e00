import asyncio

import pytest
from tests.adapters.api_server import Api, kubeconfig
from tests.rig.processes import wait_for

from powerplane.adapters.cluster_access import open_cluster
from powerplane.scheduler_extender import run as module
from powerplane.scheduler_extender.run import ExtenderRun, RunSettings


@pytest.fixture
def access(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Api()
    found = open_cluster(kubeconfig(tmp_path / "config", server.address))
    yield found
    found.api.rest_client.close()
    server.close()


def test_a_failure_of_the_house_is_counted_and_does_not_end_it(access, monkeypatch):
    monkeypatch.setattr(module, "FAILURE_PAUSE_S", 0.01)
    run = ExtenderRun(access, RunSettings("test", lease=""))
    calls = []

    async def fail(loop):
        calls.append(loop)
        raise RuntimeError("an object that nobody foresaw")

    monkeypatch.setattr(run, "_keep_house", fail)

    async def main():
        task = asyncio.create_task(run.run())
        await asyncio.to_thread(wait_for, lambda: run.state.tallies.house_failures >= 3, 10)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert len(calls) >= 3
    assert run.state.ready() == (False, "this replica is stopping")


def test_a_cluster_without_our_definitions_is_told_what_to_install(access):
    run = ExtenderRun(access, RunSettings("test", lease=""))

    async def main():
        task = asyncio.create_task(run.run())
        await asyncio.to_thread(
            wait_for, lambda: "powerdomains" in run.state.ready()[1] and "404" in run.state.ready()[1], 10
        )
        told = run.state.ready()[1]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return told

    told = asyncio.run(main())
    assert "powerdomains" in told
    assert "powerplane crds" in told
