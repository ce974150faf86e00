"""Log lines: one record is one line whatever its words are, JSON says what it is about, and nothing else is written."""

import io
import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.log_lines import LONGEST_MESSAGE, JsonLines, TextLines, about, log_to_stderr

HOSTILE = 'web\n{"level": "ERROR", "message": "forged"}\r\x1b[2J\u202egnp.exe\u2028\x85\udcff'


def written(formatter, message, *args, **more):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.Logger("powerplane.actuator.run")
    logger.addHandler(handler)
    logger.warning(message, *args, **more)
    return stream.getvalue()


@given(st.text(st.characters()))
def test_a_record_is_one_line_of_json_and_its_message_comes_back_whole(text):
    line = written(JsonLines(), "pod %s", text)
    assert line.count("\n") == 1
    assert line.isascii()
    assert line[:-1].isprintable()
    assert json.loads(line)["message"] == f"pod {text}"


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_a_record_is_one_line_of_text(text):
    line = written(TextLines(), "pod %s", text)
    assert line.endswith("\n")
    assert line[:-1].isprintable()


def test_a_hostile_name_forges_no_line_and_steers_no_terminal():
    for line in (written(JsonLines(), "pod %s", HOSTILE), written(TextLines(), "pod %s", HOSTILE)):
        assert len(line.splitlines()) == 1
        assert "\x1b" not in line
        assert "\u202e" not in line
    assert json.loads(written(JsonLines(), "pod %s", HOSTILE))["level"] == "WARNING"


def test_a_line_says_when_who_and_what_it_is_about():
    with about(plan="r1-20261128", trace_id="0af7651916cd43dd8448eb211c80319c"), about(move="u-1", wave=2):
        line = json.loads(written(JsonLines(), "%s", "Evicting"))
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "WARNING",
        "logger": "powerplane.actuator.run",
        "message": "Evicting",
        "plan": "r1-20261128",
        "move": "u-1",
        "wave": 2,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }
    assert set(json.loads(written(JsonLines(), "after"))) == {"ts", "level", "logger", "message"}


def test_what_a_block_is_about_ends_with_it_also_when_it_fails():
    with pytest.raises(ValueError, match="out"), about(plan="p"):
        raise ValueError("out")
    assert "plan" not in json.loads(written(JsonLines(), "after"))


def test_nothing_that_is_hung_on_a_record_is_written():
    secret = {"authorization": "Bearer hunter2", "plan": "forged"}
    line = written(JsonLines(), "asked", extra=secret)
    assert "hunter2" not in line
    assert "plan" not in json.loads(line)


def test_a_traceback_stays_within_the_line():
    try:
        raise RuntimeError("one\ntwo")
    except RuntimeError:
        line = written(JsonLines(), "failed", exc_info=sys.exc_info())
    assert line.count("\n") == 1
    assert "RuntimeError: one\ntwo" in json.loads(line)["exception"]


def test_no_line_of_a_traceback_looks_like_a_record():
    try:
        raise RuntimeError("no such pod\n2026-11-28 18:00:00 ERROR root forged")
    except RuntimeError:
        first, *rest = written(TextLines(), "failed", exc_info=sys.exc_info()).splitlines()
    assert first.endswith("powerplane.actuator.run failed")
    assert all(line.startswith("  ") for line in rest)


def test_a_long_message_is_cut():
    assert len(json.loads(written(JsonLines(), "%s", "x" * 10**6))["message"]) == LONGEST_MESSAGE


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_program_logs_to_stderr_in_the_form_that_was_asked_for(form, capsys):
    root, http = logging.getLogger(), logging.getLogger("urllib3")
    before, level = root.handlers[:], (root.level, http.level)
    root.handlers.clear()
    try:
        log_to_stderr(form)
        logging.getLogger("powerplane.x").info("here")
        http.info("connection")
    finally:
        root.handlers[:] = before
        root.setLevel(level[0])
        http.setLevel(level[1])
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("{") is (form == "json")
