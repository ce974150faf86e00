"""What the extender tells about itself."""

from prometheus_client.parser import text_string_to_metric_families

from powerplane.scheduler_extender.metrics import DomainReading, ExtenderMetrics, StateReading


def read(metrics: ExtenderMetrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def test_times_and_answers_are_told_by_verb():
    metrics = ExtenderMetrics()
    metrics.answered("filter", "ok", 0.00015)
    metrics.answered("filter", "no_node", 0.02)
    metrics.refused("bind", "malformed")
    samples = read(metrics)
    name = "powerplane_extender_request_duration_seconds"
    assert samples[f"{name}_bucket", (("le", "0.0001"), ("verb", "filter"))] == 0
    assert samples[f"{name}_bucket", (("le", "0.0002"), ("verb", "filter"))] == 1
    assert samples[f"{name}_count", (("verb", "filter"),)] == 2
    answers = "powerplane_extender_answers_total"
    assert samples[answers, (("result", "no_node"), ("verb", "filter"))] == 1
    assert samples[answers, (("result", "malformed"), ("verb", "bind"))] == 1


def test_the_state_is_read_when_it_is_asked_and_not_before():
    readings: list[StateReading] = []

    def state() -> StateReading:
        domain = DomainReading('rack "7"\n', "rack", 12_000, 450.5)
        readings.append(StateReading((domain,), 3, 225, {"nodes": 1.5}))
        return readings[-1]

    metrics = ExtenderMetrics(state)
    assert not readings
    samples = read(metrics)
    assert len(readings) == 1
    labels = (("domain", 'rack "7"\n'), ("kind", "rack"))
    assert samples["powerplane_extender_domain_budget_watts", labels] == 12_000
    assert samples["powerplane_extender_domain_headroom_watts", labels] == 450.5
    assert samples["powerplane_extender_reservations", ()] == 3
    assert samples["powerplane_extender_reserved_watts", ()] == 225
    assert samples["powerplane_extender_watch_age_seconds", (("resource", "nodes"),)] == 1.5


def test_a_certificate_that_could_not_be_taken_shows_until_one_could():
    metrics = ExtenderMetrics()
    metrics.reloaded(ok=False)
    assert read(metrics)["powerplane_extender_tls_stale", ()] == 1
    metrics.reloaded(ok=True)
    samples = read(metrics)
    assert samples["powerplane_extender_tls_stale", ()] == 0
    assert samples["powerplane_extender_tls_reloads_total", (("result", "refused"),)] == 1


def test_two_extenders_in_one_process_keep_their_own_figures():
    first, second = ExtenderMetrics(), ExtenderMetrics()
    first.stranger()
    assert read(first)["powerplane_extender_clients_refused_total", ()] == 1
    assert read(second)["powerplane_extender_clients_refused_total", ()] == 0


def test_what_happened_is_counted_by_event_watch_and_write():
    reading = StateReading(
        silent_pods=4,
        without_watts={"web": 3},
        nodes_outside=2,
        refused_pods=1,
        events={"lapsed": 3},
        watch_events={("pods", "relists"): 5},
        writes={("merge_patch", "ok"): 6},
    )
    page = ExtenderMetrics(lambda: reading).render().decode()
    for line in (
        "powerplane_extender_silent_pods 4.0",
        'powerplane_pods_without_watts{namespace="web"} 3.0',
        "powerplane_extender_nodes_outside 2.0",
        "powerplane_extender_refused_pods 1.0",
        'powerplane_extender_events_total{event="lapsed"} 3.0',
        'powerplane_extender_watch_events_total{event="relists",resource="pods"} 5.0',
        'powerplane_extender_writes_total{outcome="ok",verb="merge_patch"} 6.0',
    ):
        assert line in page, line
