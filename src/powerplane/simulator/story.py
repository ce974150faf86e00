"""The demo's story: one row of racks in a heat wave loses a feed; another row, cooler, has room."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from powerplane.models.breakers import Breaker
from powerplane.models.build import ClusterObjects, NodePower, PowerAssignment, build_snapshot
from powerplane.models.curves import PowerCurve
from powerplane.models.snapshot import Snapshot
from powerplane.models.topology import SHARED, PowerDomain, PowerTopology
from powerplane.models.usage import UsageRow
from powerplane.simulator.objects import (
    AGENT_MILLICORES,
    Names,
    NodeSize,
    Seat,
    make_agent,
    make_disruption_budgets,
    make_namespaces,
    make_node,
    make_pod,
    make_priority_classes,
    make_replica_set,
)
from powerplane.simulator.scenario import Climate, Scenario
from powerplane.simulator.weather import HeatWave
from powerplane.simulator.workloads import Seating, Service, make_services

RACKS, NODES_PER_RACK = 8, 12
RACKS_ON_ONE_FEED = 2
"""Racks at the end of the hot row that hang on feed B alone."""
HOT_ROW, COOL_ROW = "row-1", "row-2"
FEEDS = {HOT_ROW: ("feed-a", "feed-b"), COOL_ROW: ("feed-c", "feed-d")}
REQUESTED = {HOT_ROW: 0.78, COOL_ROW: 0.42}
"""Share of each row's cores that its pods request at the start."""
LOST_AT_S, ENDS_S = 300, 1500
HEAT = {HOT_ROW: HeatWave(24.0, 39.0, 30, 270), COOL_ROW: HeatWave(22.0, 26.0, 30, 270)}

SIZES = (
    NodeSize("1u-older", 32, (110, 160, 245, 350), 30),
    NodeSize("1u-web", 48, (140, 205, 330, 480), 36),
    NodeSize("2u-general", 64, (180, 275, 450, 640), 42),
    NodeSize("2u-dense", 96, (240, 350, 580, 800), 48),
)
"""Node types in the shape of published SPECpower_ssj2008 results (idle near 0.3 of peak, steeper at first), rounded;
no one machine's."""

KNOTS = (Fraction(0), Fraction(1, 10), Fraction(1, 2), Fraction(1))
KW = 1_000_000
FEED_RATING_MW = 44_500 * KW // 1000
FEED_BUDGET_SHARE = Fraction(97, 100)
"""Of the rating: breakers rated for continuous full load (UL 489), less 3 % for what meters err."""
FEED_CURVE = ((1.05, 1800.0), (1.15, 600.0), (1.3, 240.0), (1.6, 90.0), (2.0, 45.0), (5.0, 4.0))
"""An electronic trip's long-time delay; a breaker of its own, in the range that UL 489 leaves."""
RACK_BUDGET_MW, ROW_BUDGET_MW = 7 * KW, 48 * KW


def heat_wave_story(seed: int = 0) -> Scenario:
    """Build the story.

    Parameters
    ----------
    seed : int
        Chooses the services' sizes, the pods' places, and how demand swings.
    """
    random = np.random.default_rng([seed, 0])
    sizes = {name: SIZES[i % len(SIZES)] for i, name in enumerate(_all_nodes())}
    services = make_services(random)
    seats = tuple(seat for row in REQUESTED for seat in _seat(row, sizes, services, random))
    snapshot = _snapshot(sizes, seats, Names(random))
    return Scenario(
        snapshot=snapshot,
        climates=tuple(_climate(snapshot, row) for row in FEEDS),
        fan_mw=np.array([sizes[name].fan_watts * 1000 for name in snapshot.node_names], dtype=np.int64),
        lost_feed=FEEDS[HOT_ROW][0],
        lost_at_s=LOST_AT_S,
        ends_s=ENDS_S,
        seed=seed,
    )


def _rack_nodes(row: str, rack: int) -> tuple[str, ...]:
    return tuple(f"{row}-{rack:02d}-{node:02d}" for node in range(1, NODES_PER_RACK + 1))


def _row_nodes(row: str) -> tuple[str, ...]:
    return tuple(name for rack in range(1, RACKS + 1) for name in _rack_nodes(row, rack))


def _all_nodes() -> tuple[str, ...]:
    return tuple(name for row in FEEDS for name in _row_nodes(row))


def _seat(
    row: str, sizes: dict[str, NodeSize], services: tuple[Service, ...], random: np.random.Generator
) -> list[Seat]:
    names = _row_nodes(row)
    seating = Seating(np.array([sizes[name].cores for name in names]), tuple(sizes[name].name for name in names))
    return [Seat(services[i], names[node]) for i, node in seating.fill(services, REQUESTED[row], random)]


def _snapshot(sizes: dict[str, NodeSize], seats: tuple[Seat, ...], names: Names) -> Snapshot:
    pods = [(make_pod(seat, names), seat.service.use_millicores) for seat in seats]
    pods += [(make_agent(node, names), AGENT_MILLICORES) for node in sizes]
    services = sorted({seat.service for seat in seats}, key=lambda service: service.name)
    objects = ClusterObjects(
        nodes=tuple(make_node(name, size, names.uid()) for name, size in sizes.items()),
        pods=[pod for pod, _ in pods],
        pod_disruption_budgets=make_disruption_budgets(seats),
        priority_classes=make_priority_classes(),
        replica_sets=tuple(make_replica_set(service) for service in services),
        namespaces=make_namespaces(),
    )
    power = {size.name: _node_power(size) for size in SIZES}
    assignment = PowerAssignment({name: power[size.name] for name, size in sizes.items()})
    usage = [UsageRow(pod.metadata.namespace, pod.metadata.name, 1000 * use) for pod, use in pods]
    return build_snapshot(objects, _topology(), assignment, usage)


def _node_power(size: NodeSize) -> NodePower:
    curve = PowerCurve(size.name, KNOTS, tuple(1000 * watts for watts in size.watts))
    return NodePower(curve, budget_mw=1000 * (size.watts[-1] + size.fan_watts))


def _topology() -> PowerTopology:
    return PowerTopology(tuple(domain for row in FEEDS for domain in _row_domains(row)))


def _row_domains(row: str) -> Iterator[PowerDomain]:
    breaker = Breaker(FEED_RATING_MW, FEED_CURVE)
    for feed in FEEDS[row]:
        yield PowerDomain(feed, "feed", int(FEED_RATING_MW * FEED_BUDGET_SHARE), breaker=breaker)
    yield PowerDomain(row, "row", ROW_BUDGET_MW)
    for rack in range(1, RACKS + 1):
        alone = row == HOT_ROW and rack > RACKS - RACKS_ON_ONE_FEED
        feeds = FEEDS[row][1:] if alone else FEEDS[row]
        yield PowerDomain(
            f"{row}-rack-{rack}",
            "rack",
            RACK_BUDGET_MW,
            parents=(row, *feeds),
            nodes=_rack_nodes(row, rack),
            feed_load="" if alone else SHARED,
        )


def _climate(snapshot: Snapshot, row: str) -> Climate:
    mine = set(_row_nodes(row))
    return Climate(HEAT[row], FEEDS[row], tuple(i for i, name in enumerate(snapshot.node_names) if name in mine))
