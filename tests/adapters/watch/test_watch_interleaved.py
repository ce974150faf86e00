"""Whatever a server does, and in whatever order, the sink ends with its state."""

import random
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.adapters.api_server import kubeconfig
from tests.adapters.watch.following import PODS, QUICK, Cache
from tests.adapters.watch_server import WatchServer

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.watch import Reflector

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 4), st.integers(0, 2)),
        st.tuples(st.just("remove"), st.integers(0, 4)),
        st.tuples(st.just("forget")),
        st.tuples(st.just("break")),
        st.tuples(
            st.just("expect"),
            st.sampled_from(
                ["error-410", "http-410", "http-500", "error-500", "cut", "one", "garbage", "double", "drip", "end"]
            ),
        ),
        st.tuples(st.just("list"), st.sampled_from(["http-410", "http-500", "garbage"])),
        st.tuples(st.just("wait")),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_happens_the_sink_ends_with_the_servers_state(tmp_path, steps):
    server, cache = WatchServer(), Cache()
    server.put("p0", "n0")
    access = open_cluster(kubeconfig(tmp_path / "config", server.address))
    reflector = Reflector(access, PODS, cache.take, QUICK, chance=random.Random(1))
    reflector.start()
    try:
        for word, *more in steps:
            match word:
                case "put":
                    server.put(f"p{more[0]}", f"n{more[1]}")
                case "remove":
                    server.remove(f"p{more[0]}")
                case "forget":
                    server.forget()
                case "break":
                    server.break_watches()
                case "expect":
                    server.expect(*more)
                case "list":
                    server.list_plan.extend(more)
                case _:
                    time.sleep(0.003)
        assert cache.becomes(server.state(), 10), f"{cache.pods} is not {server.state()}; {reflector.status}"
        assert reflector._thread.is_alive()
    finally:
        reflector.stop()
        server.close()
        access.api.rest_client.close()
