from powerplane.cli.report.time_panels import time_panels
from powerplane.models.breakers import Breaker
from powerplane.models.frames import DrawFrame
from powerplane.models.topology import PowerDomain, PowerTopology

BREAKER = Breaker(10**6, ((1.5, 30.0),))
FEEDS = tuple(PowerDomain(f"feed-{x}", "feed", 10**6, breaker=BREAKER) for x in "ab")
RACKS = (
    PowerDomain("shared", "rack", 10**6, ("feed-a", "feed-b"), ("n1",), BREAKER, "shared"),
    PowerDomain("single", "rack", 10**6, ("feed-a",), ("n2",), BREAKER),
)
TOPOLOGY = PowerTopology((*FEEDS, *RACKS))


def run(**dark_from: float) -> tuple[DrawFrame, ...]:
    """Ten frames a domain, at half of its budget while it is lit."""
    dark = {name.replace("_", "-"): at for name, at in dark_from.items()}
    return tuple(
        DrawFrame(float(t), name, 500.0 if t < dark.get(name, 99) else 0.0, 1000.0, t >= dark.get(name, 99))
        for t in range(10)
        for name in ("feed-a", "feed-b", "shared", "single")
    )


def outcomes(*runs: tuple[DrawFrame, ...]) -> dict[str, str]:
    rows, _ = time_panels(runs, TOPOLOGY)
    return {name: panels[0].outcome for name, panels in rows}


def crosses(*runs: tuple[DrawFrame, ...]) -> list[str]:
    rows, _ = time_panels(runs, TOPOLOGY)
    return [name for name, panels in rows if any("cross" in panel.drawing for panel in panels)]


def test_only_the_breaker_that_tripped_is_marked_and_what_hangs_below_names_it() -> None:
    shown = run(feed_a=3, single=3)
    assert crosses(shown) == ["feed-a"]
    assert outcomes(shown)["single"] == "dark from 3.0 s, with feed-a"
    assert outcomes(shown)["shared"] == "held throughout"


def test_a_rack_on_two_feeds_goes_dark_with_the_one_that_was_lost_last() -> None:
    shown = run(feed_a=2, single=2, feed_b=5, shared=5)
    assert outcomes(shown)["shared"] == "dark from 5.0 s, with feed-b"


def test_a_rack_that_trips_while_one_of_its_feeds_lives_tripped_itself() -> None:
    shown = run(feed_a=2, single=2, shared=6)
    assert outcomes(shown)["shared"] == "dark from 6.0 s"
    assert set(crosses(shown)) == {"feed-a", "shared"}


def test_what_tripped_itself_in_either_run_comes_first() -> None:
    rows, left_out = time_panels((run(), run(single=4)), TOPOLOGY)
    assert rows[0][0] == "single"
    assert left_out == 0


def labels(drawing: str) -> list[str]:
    return [part.split(">")[1].split("<")[0] for part in drawing.split('class="y"')[1:]]


def test_both_runs_are_drawn_on_the_same_axes() -> None:
    rows, _ = time_panels((run(), run(single=4)), TOPOLOGY)
    assert all(labels(left.drawing) == labels(right.drawing) != [] for _, (left, right) in rows)


def test_frames_of_a_domain_outside_the_topology_are_drawn_all_the_same() -> None:
    stray = (DrawFrame(0.0, "elsewhere", 5.0, 4.0, True), DrawFrame(1.0, "elsewhere", 0.0, 4.0, True))
    assert outcomes(stray) == {"elsewhere": "dark from 0.00 s"}


def test_a_domain_without_a_breaker_goes_dark_but_does_not_trip() -> None:
    row = PowerDomain("row", "row", 10**6, (), ("n1",))
    frames = (DrawFrame(0.0, "row", 5.0, 9.0, False), DrawFrame(1.0, "row", 0.0, 9.0, True))
    (((_, (panel,)),), _) = time_panels((frames,), PowerTopology((row,)))
    assert panel.outcome == "dark from 1.0 s"
    assert "cross" not in panel.drawing
