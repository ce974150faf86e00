import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.cli.report import words
from powerplane.models.plan import DomainDraw, Move, Plan, Unplaced


def draw(name: str, before: float, after: float, kind: str = "rack") -> DomainDraw:
    return DomainDraw(name=name, kind=kind, budget_watts=100.0, before_watts=before, after_watts=after)


def moves(count: int, waves: int) -> tuple[Move, ...]:
    return tuple(
        Move(namespace="n", pod=f"p{i}", uid="", source="a", target="b", watts=1, wave=i % waves) for i in range(count)
    )


def plan(**changes: object) -> Plan:
    base: dict[str, object] = {
        "status": "feasible",
        "objective": "disruption",
        "cost": 74.0,
        "bound": 73.7,
        "gap": 0.004,
    }
    return Plan(**(base | {"seed": 0, "seconds": 10.0, "snapshot": "s"} | changes))


FREED = (draw("r1", 120, 90), draw("r2", 101, 100), draw("row", 130, 99, "row"), draw("r3", 50, 80))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"moves": moves(74, 6), "domains": FREED},
            "74 moves in 6 waves bring 2 racks and 1 row back under budget; "
            "proven within 0.4 % of the least disruption.",
        ),
        (
            {"moves": moves(1, 1), "domains": FREED[:1], "status": "optimal", "gap": 0.0},
            "1 move in 1 wave brings 1 rack back under budget; proven to be the least disruption.",
        ),
        (
            {"status": "optimal", "domains": FREED[3:]},
            "Every budget holds as it is and nothing has to move; proven to be the least disruption.",
        ),
        (
            {"moves": moves(9, 3), "objective": "energy", "gap": None},
            "9 moves in 3 waves lower the draw and keep every budget; "
            "how far that is from the least draw is not proven.",
        ),
        (
            {"moves": moves(2, 1), "unplaced": (Unplaced(namespace="n", pod="p", reason="r"),)},
            "2 moves in 1 wave keep every budget, with 1 pod not placed; proven within 0.4 % of the least disruption.",
        ),
        (
            {"status": "infeasible", "overload_watts": 20.0, "domains": (draw("r1", 130, 120),), "moves": moves(2, 2)},
            "No placement holds every budget, and that is proven: "
            "the best one found leaves 20 W above budget in 1 rack after 2 moves in 2 waves.",
        ),
        (
            {"status": "unknown", "overload_watts": 1234.0, "domains": (draw("r1", 130, 120), draw("r2", 130, 120))},
            "In 10.0 s, neither a plan that holds every budget nor a proof that there is none was found: "
            "the best so far leaves 1.23 kW above budget in 2 racks with nothing moved.",
        ),
        (
            {"status": "optimal", "overload_watts": 30.0, "domains": (draw("r1", 130, 130),)},
            "The plan leaves 30 W above budget in 1 rack with nothing moved.",
        ),
    ],
    ids=["freed", "one", "nothing", "energy", "unplaced", "infeasible", "unknown", "contradiction"],
)
def test_the_sentence_says_what_the_plan_does_and_what_is_proven(changes: dict[str, object], sentence: str) -> None:
    assert words.verdict(plan(**changes)) == sentence


def test_every_status_has_words_of_its_own() -> None:
    assert len(set(words.STATUS_WORDS.values())) == 4


@given(st.floats(min_value=1e-7, max_value=1e4))
def test_the_gap_that_is_told_is_never_smaller_than_the_gap(gap: float) -> None:
    told = float(words.gap(gap).removesuffix(" %").replace(",", "")) / 100
    assert told >= gap * (1 - 1e-6)
    assert told <= gap * 1.11 + 0.001


@given(st.floats(min_value=-1e9, max_value=1e9))
def test_watts_are_told_within_half_a_per_cent(value: float) -> None:
    number, unit = words.watts(value).split()
    told = float(number.replace(",", "")) * {"W": 1, "kW": 1e3, "MW": 1e6}[unit]
    assert told == pytest.approx(value, rel=0.006, abs=0.051)


@given(st.floats(min_value=0, max_value=10))
def test_a_share_reads_100_only_when_it_is(value: float) -> None:
    told = float(words.share(value).removesuffix(" %"))
    assert (told > 100) == (100 * value > 100)
    assert (told < 100) == (100 * value < 100)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.42 s"), (9.81, "9.8 s"), (74, "74 s"), (119.7, "2 min"), (700, "11 min 40 s")]
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert words.seconds(seconds) == text


def test_an_overload_of_less_than_half_a_milliwatt_is_rounding() -> None:
    assert not words.is_over(100.0004, 100.0)
    assert words.is_over(100.001, 100.0)
    assert not words.is_over(1e12, None)
