import io

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests.models.snapshots import TinyNode, TinyPod, rack, tiny_snapshot

from powerplane.cli.tables import domains_table, plan_table, print_plan_table, verdict_line
from powerplane.models.plan import Conflict, DomainDraw, Move, Plan, Unplaced
from powerplane.models.snapshot import Snapshot


def cluster(pod: str = "web") -> Snapshot:
    racks = [rack("left", ["n1"], 150), rack("right", ["n2"], 300)]
    return tiny_snapshot([TinyNode("n1"), TinyNode("n2")], [TinyPod(pod, "n1")], racks)


def move(pod: str, wave: int = 1) -> Move:
    return Move(
        namespace="default", pod=pod, uid="", source="n1", target="n2", watts=47.3, wave=wave, because=("left",)
    )


DOMAINS = (
    DomainDraw(name="left", kind="rack", budget_watts=150.0, before_watts=190.0, after_watts=142.7),
    DomainDraw(name="right", kind="rack", budget_watts=300.0, before_watts=100.0, after_watts=150.0, lost="feed-b"),
    DomainDraw(name="site", kind="feed", budget_watts=None, before_watts=290.0, after_watts=292.7),
)
PLAN = Plan(
    status="feasible",
    objective="disruption",
    cost=1,
    bound=0.9,
    gap=0.1 / 0.9,
    seed=3,
    seconds=0.5,
    snapshot="tiny",
    moves=(move("web"),),
    domains=DOMAINS,
)


def shown(*things: object, width: int = 120, **console: object) -> str:
    out = io.StringIO()
    target = Console(file=out, width=width, **console)
    for thing in things:
        target.print(thing)
    return out.getvalue()


def test_a_move_is_shown_with_its_racks_its_watts_and_its_reason() -> None:
    line = next(line for line in shown(plan_table(PLAN, cluster())).splitlines() if "default/web" in line)
    assert line.split() == ["1", "default/web", "n1", "(left)", "n2", "(right)", "47.3", "W", "left"]


def test_what_is_over_budget_is_marked_by_more_than_colour() -> None:
    text = shown(domains_table(PLAN))
    assert "▲ 190 W" in text
    assert text.count("▲") == 1


def test_a_domain_without_a_budget_says_none() -> None:
    line = next(line for line in shown(domains_table(PLAN)).splitlines() if "site" in line)
    assert line.split() == ["site", "feed", "none", "290", "W", "293", "W"]


def test_moves_beyond_the_limit_are_counted() -> None:
    plan = msgspec.structs.replace(PLAN, moves=tuple(move(f"p{i}", wave=9 - i % 3) for i in range(140)))
    text = shown(plan_table(plan, cluster(), limit=20))
    assert "… and 120 more: -o json, or --report" in text
    assert text.count("default/") == 20
    assert [line.split()[0] for line in text.splitlines() if "default/" in line] == ["7"] * 20


def test_domains_beyond_the_limit_leave_out_the_calmest() -> None:
    calm = tuple(
        DomainDraw(name=f"calm-{i}", kind="rack", budget_watts=100.0, before_watts=1.0 + i, after_watts=1.0 + i)
        for i in range(60)
    )
    text = shown(domains_table(msgspec.structs.replace(PLAN, domains=(*calm, *DOMAINS)), limit=5))
    assert "left" in text
    assert "calm-59" in text
    assert "calm-1 " not in text
    assert "… and 58 more" in text


def test_the_answer_comes_last_with_its_status() -> None:
    out = io.StringIO()
    print_plan_table(cluster(), PLAN, console=Console(file=out, width=120))
    last = out.getvalue().rstrip().splitlines()[-2:]
    assert last[0].startswith("feasible  1 move in 1 wave brings 1 rack back under budget")
    assert last[1] == "cost 1 ordinary move · bound 0.9 ordinary moves · gap 12 % · 0.50 s · seed 3"


def test_conflict_remedies_unplaced_and_assumptions_are_told() -> None:
    plan = msgspec.structs.replace(
        PLAN,
        status="infeasible",
        conflict=Conflict(members=("budget of left",), remedies=("raise left to 200 W",)),
        unplaced=(Unplaced(namespace="default", pod="stuck", reason="no node has a GPU"),),
        assumptions=("web has no usage.",),
    )
    out = io.StringIO()
    print_plan_table(cluster(), plan, console=Console(file=out, width=120))
    for told in ("budget of left", "raise left to 200 W", "default/stuck: no node has a GPU", "web has no usage."):
        assert told in out.getvalue()


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[1;32m" in shown(verdict_line(PLAN), force_terminal=True, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;32m" not in shown(verdict_line(PLAN), force_terminal=True, color_system="standard")


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(min_size=1, max_size=30), st.sampled_from(["[red]x[/red]", "\x1b[2J\x07", "[/]", "a\u202eb"])))
def test_no_pod_name_steers_the_terminal(pod: str) -> None:
    plan = msgspec.structs.replace(PLAN, moves=(move(pod),))
    text = shown(plan_table(plan, cluster(pod)), width=400)
    assert all(character.isprintable() for character in text.replace("\n", ""))
    assert f"default/{pod}".rstrip() in text or not pod.isprintable()


def test_names_are_never_read_as_markup() -> None:
    plan = msgspec.structs.replace(PLAN, moves=(move("[bold]x[/bold]"),))
    assert "default/[bold]x[/bold]" in shown(plan_table(plan, cluster("[bold]x[/bold]")))
