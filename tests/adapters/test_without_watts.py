"""Pods without watts are told of by namespace, and in the log now and then."""

import logging

from prometheus_client import CollectorRegistry

from powerplane.adapters.without_watts import WithoutWattsLog, pods_without_watts

LOG = logging.getLogger("without-watts")


def lines(caplog, *seen, pause_s=30.0):
    told = WithoutWattsLog(LOG, pause_s)
    with caplog.at_level(logging.INFO, LOG.name):
        for now_s, counts in seen:
            told.saw(counts, now_s)
    return [record.getMessage() for record in caplog.records]


def test_namespaces_are_told_apart_and_those_that_have_none_are_left_out():
    class Books:
        def collect(self):
            yield pods_without_watts({"web": 3, "batch": 0, "default": 1})

    registry = CollectorRegistry()
    registry.register(Books())
    (family,) = registry.collect()
    found = {sample.labels["namespace"]: sample.value for sample in family.samples}
    assert (family.name, found) == ("powerplane_pods_without_watts", {"web": 3.0, "default": 1.0})


def test_the_log_names_the_namespaces_with_the_most_first(caplog):
    counts = {f"n{i}": i for i in range(1, 8)}
    (line,) = lines(caplog, (0.0, counts))
    assert line.startswith("28 pods run without a request of watts")
    assert line.endswith(": n7 7, n6 6, n5 5, n4 4, n3 3, 2 more namespaces")


def test_a_change_is_told_once_and_not_sooner_than_the_pause(caplog):
    one, two = {"web": 1}, {"web": 2}
    found = lines(caplog, (0.0, one), (1.0, one), (2.0, two), (29.0, two), (30.0, two), (31.0, two), (70.0, {}))
    assert [line.partition(" ")[0] for line in found] == ["1", "2", "no"]


def test_where_there_never_was_one_nothing_is_said(caplog):
    assert lines(caplog, (0.0, {}), (100.0, {"web": 0})) == []
