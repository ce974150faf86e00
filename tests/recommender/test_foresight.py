"""What histories foretell: breaches to come are told with their time, and only of domains as they are now."""

import numpy as np
import pytest
from tests.cli.forecast_history import LAST_S, NODES, record, seasonal, times
from tests.models.api_objects import node

from powerplane.adapters.site import make_site
from powerplane.adapters.telemetry.following import Opened
from powerplane.adapters.telemetry.recorded import RecordedSource
from powerplane.models.build import NodePower, PowerAssignment
from powerplane.models.curves import PowerCurve
from powerplane.models.telemetry.domains import DomainReading
from powerplane.models.timestamps import parse_seconds
from powerplane.models.topology import PowerDomain, PowerTopology
from powerplane.recommender.foreseeing import Prospect
from powerplane.recommender.foresight import YOUNG_S, Foresight

LINE = PowerCurve("line", (0, 1), (100_000, 300_000))


@pytest.fixture
def source(tmp_path):
    at_s = times(14)
    path = record(tmp_path / "history", {name: seasonal(name, at_s) for name in NODES}, at_s)
    recorded = RecordedSource(path)
    return Opened(recorded, recorded.moments, str(path))


def site_with(rack1_mw: int):
    nodes = [node(name) for name in NODES]
    topology = PowerTopology(
        (
            PowerDomain("rack-1", "rack", rack1_mw, nodes=("n1", "n2")),
            PowerDomain("rack-2", "rack", 600_000, nodes=("n3", "n4")),
        )
    )
    return make_site(nodes, topology, PowerAssignment({each: NodePower(LINE) for each in NODES}))


class Clock:
    now_s = LAST_S

    def __call__(self) -> float:
        return self.now_s


def foresight(source, site, clock=None) -> Foresight:
    return Foresight(source, lambda: site, lead_s=1800.0, alarm_at=0.3, failed=lambda: None, now=clock or Clock())


def draw_now(site) -> int:
    return int(sum(seasonal(name, times(14))[-1] for name in ("n1", "n2")) * 1000)


def test_a_budget_that_the_morning_rise_will_break_is_foretold_with_its_time(source):
    site = site_with(draw_now(None) + 3_000)
    looked = foresight(source, site)
    looked.once()
    found = looked.prospects()
    assert found["rack-1"].probability > 0.9
    assert found["rack-1"].forecast.probability >= 0.3
    assert LAST_S < parse_seconds(found["rack-1"].forecast.breach_at) <= LAST_S + 3600
    assert found["rack-2"].probability < 0.05
    assert found["rack-2"].forecast is None


def test_what_was_foretold_long_ago_counts_no_more_nor_does_what_is_of_a_time_to_come(source):
    clock = Clock()
    looked = foresight(source, site_with(300_000), clock)
    looked.once()
    assert looked.prospects()
    clock.now_s = LAST_S + YOUNG_S + 1
    assert not looked.prospects()
    clock.now_s = LAST_S - 60
    assert not looked.prospects()


def test_without_a_site_and_without_an_answer_nothing_is_foretold(tmp_path, source):
    unknown = Foresight(source, lambda: None, lead_s=180.0, alarm_at=0.3, failed=lambda: None)
    unknown.once()
    assert not unknown.prospects()
    at_s = times(1)
    strangers = RecordedSource(record(tmp_path / "other", {"x1": np.full(len(at_s), 100.0)}, at_s))
    looked = foresight(Opened(strangers, strangers.moments, "other"), site_with(300_000))
    looked.once()
    assert not looked.prospects()


def test_hours_of_history_foretell_nothing(tmp_path):
    at_s = times(0.9)
    path = record(tmp_path / "short", {name: seasonal(name, at_s) for name in NODES}, at_s)
    recorded = RecordedSource(path)
    looked = foresight(Opened(recorded, recorded.moments, str(path)), site_with(draw_now(None) + 3_000))
    looked.once()
    assert looked.prospects() == {}


def reading(draw_mw: int, budget_mw: int) -> DomainReading:
    return DomainReading("r1", "rack", budget_mw, None, draw_mw, 0, "", draw_mw, 2, 2, 0, 0, (), 1.0)


def test_a_prospect_speaks_of_a_domain_only_while_its_budget_and_draw_are_what_they_were():
    prospect = Prospect(0.9, 1_010_000, now_mw=950_000, budget_mw=1_000_000)
    assert prospect.holds_for(reading(960_000, 1_000_000))
    assert not prospect.holds_for(reading(960_000, 1_100_000))
    assert not prospect.holds_for(reading(800_000, 1_000_000))
