"""Plans as objects: what is written is what is read again, and what the API server takes."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from powerplane.actuator.facts import Move, MoveState, Note, Plan, PlanState
from powerplane.actuator.plan_reading import read_plan
from powerplane.actuator.plan_writing import LONGEST_MESSAGE, status_of
from powerplane.actuator.plans import Plans
from powerplane.actuator.words import STEP_OF
from powerplane.adapters.watch import Batch
from powerplane.models.api.placement_plan import PHASES, STEPS, PlacementPlanObject

NOW_S = 1_800_000_000.0
words = st.text("abcDEF ", max_size=20)
seconds = st.integers(1_700_000_000, 1_900_000_000).map(float)
uids = st.lists(st.text("abc123", min_size=1, max_size=6), unique=True, min_size=1, max_size=5)


@st.composite
def plans(draw):
    names = draw(uids)
    begun = draw(st.lists(st.sampled_from(names), unique=True))
    moves = tuple(
        Move("ns", f"p-{uid}", uid, "a", "b", owner="o", owner_kind="Job", wave=i) for i, uid in enumerate(names)
    )
    states = {
        uid: MoveState(
            uid,
            draw(st.sampled_from(sorted(STEP_OF))),
            draw(words),
            draw(words),
            draw(words),
            draw(words),
            draw(words),
            draw(st.integers(0, 9)),
            draw(seconds),
            draw(st.none() | st.integers(0, 900)),
        )
        for uid in begun
    }
    notes = {"Progressing": Note(draw(st.sampled_from(("True", "False", "Unknown"))), draw(words), draw(words))}
    closing = notes["Progressing"].reason if notes["Progressing"].status == "False" else ""
    state = PlanState("Running", 7, 1, draw(st.integers(0, 5)), draw(seconds), 0.0, states, notes, closing)
    return Plan("p", "u", "3", moves=moves, state=state)


def wire(plan, status):
    moves = [
        {
            "namespace": move.namespace,
            "pod": move.pod,
            "uid": move.uid,
            "from": move.source,
            "to": move.target,
            "ownerUid": move.owner,
            "ownerKind": move.owner_kind,
            "wave": move.wave,
        }
        for move in plan.moves
    ]
    meta = {"name": plan.name, "uid": plan.uid, "resourceVersion": plan.version, "generation": plan.generation}
    body = {"metadata": meta, "spec": {"expiresAt": "2030-01-01T00:00:00Z", "moves": moves}, "status": status}
    return msgspec.json.decode(msgspec.json.encode(body), type=PlacementPlanObject)


@given(plans())
def test_what_is_written_is_read_again_as_it_was(plan):
    again = read_plan(wire(plan, status_of(plan, plan.state, (), NOW_S)))
    assert again.state == plan.state
    assert again.moves == plan.moves


def test_the_words_are_those_that_the_api_server_takes():
    assert set(STEP_OF) == set(STEPS)
    assert "Stopped" in PHASES


def test_moves_that_have_not_begun_take_no_place_and_are_counted():
    moves = tuple(Move("ns", f"p{i}", f"u{i}", "a", "b") for i in range(3))
    state = PlanState("Running", moves={"u1": MoveState("u1", "Failed"), "u2": MoveState("u2", "RolledBack")})
    status = status_of(Plan("p", "u", moves=moves), state, (), NOW_S)
    assert [each["uid"] for each in status["moves"]] == ["u1", "u2"]
    assert (status["done"], status["failed"], status["total"]) == (0, 2, 3)


def test_a_long_message_is_cut():
    move = Move("ns", "p", "u1", "a", "b")
    state = PlanState("Running", moves={"u1": MoveState("u1", "Failed", message="x" * 5000)})
    (written,) = status_of(Plan("p", "u", moves=(move,)), state, (), NOW_S)["moves"]
    assert len(written["message"]) == LONGEST_MESSAGE


def test_a_condition_keeps_the_time_at_which_it_changed():
    plan = Plan("p", "u")
    told = lambda status, kept, at_s: status_of(  # noqa: E731  # three calls that differ in little
        plan, PlanState(notes={"Confirmed": Note(status, "x")}), kept, at_s
    )["conditions"]
    first = told("True", (), NOW_S)
    kept = read_conditions(plan, first)
    assert told("True", kept, NOW_S + 60) == first
    assert told("False", kept, NOW_S + 60)[0]["lastTransitionTime"] != first[0]["lastTransitionTime"]


def read_conditions(plan, conditions):
    return wire(plan, {"conditions": conditions}).status.conditions


def test_words_of_another_version_end_what_they_are_about():
    plan = Plan("p", "u", moves=(Move("ns", "p", "u1", "a", "b"),))
    again = read_plan(wire(plan, {"phase": "Dancing", "moves": [{"uid": "u1", "step": "Spinning"}]}))
    assert again.state.phase == "Failed"
    assert again.state.moves["u1"].step == "Failed"


def test_an_expiry_that_cannot_be_read_is_over():
    made = wire(Plan("p", "u"), {})
    broken = msgspec.structs.replace(made, spec=msgspec.structs.replace(made.spec, expires_at="soon"))
    assert read_plan(broken).expires_s == 0.0


def at(version, phase, name="p"):
    return wire(Plan(name, f"u-{name}", version), {"phase": phase})


def shown(plans_, *objects, replace=False):
    plans_.take(Batch(replace, tuple(("MODIFIED", each) for each in objects)))


def test_what_was_written_counts_until_the_watch_shows_it_or_something_later():
    books = Plans()
    shown(books, at("1", ""))
    (plan,) = books.all()
    books.wrote(plan, PlanState("Running"), "2")
    (plan,) = books.all()
    assert (plan.state.phase, plan.version) == ("Running", "2")
    books.wrote(plan, PlanState("Done"), "5")
    for late in ("1", "2"):
        shown(books, at(late, "Running"))
        assert [(each.state.phase, each.version) for each in books.all()] == [("Done", "5")]
    shown(books, at("5", "Done"))
    shown(books, at("9", "Failed"))
    assert [(each.state.phase, each.version) for each in books.all()] == [("Failed", "9")]


def test_a_plan_that_is_gone_is_gone_and_one_of_its_name_is_another():
    books = Plans()
    shown(books, at("1", ""))
    books.wrote(books.all()[0], PlanState("Running"), "2")
    books.take(Batch(False, (("DELETED", at("3", "Running")),)))
    assert books.all() == []
    assert books.named("p") is None
    again = msgspec.structs.replace(at("4", ""), metadata=msgspec.structs.replace(at("4", "").metadata, uid="other"))
    shown(books, again)
    assert books.all()[0].state.phase == ""
