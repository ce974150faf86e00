import msgspec
import pytest

from powerplane.bench.watts import __main__ as program
from powerplane.bench.watts.page import render_section
from powerplane.bench.watts.table import WattsTable

TABLE = WattsTable("Node watts", "On made-up nodes.", ("model", "MAPE"), (("line", "13.7 %"),), ("One node only.",))


def test_the_section_shows_titles_tables_notes_and_what_was_left_out():
    text = render_section([TABLE], [("machine", "one core")], ["rounds failed"])
    assert "### Node watts" in text
    assert "| line | 13.7 % |" in text
    assert "- One node only." in text
    assert "- left out: rounds failed" in text


def test_without_data_the_command_says_where_to_give_them(monkeypatch, capsys):
    assert program.main(["--data", "nowhere"]) == 2
    assert "--data DIR" in capsys.readouterr().err


@pytest.mark.slow
def test_a_measurement_that_fails_is_named_and_the_others_are_kept(tmp_path, monkeypatch):
    record = program.Record(TABLE, "today", "0 0 0")
    records = tmp_path / "records"
    records.mkdir()
    (records / "nodes.json").write_bytes(msgspec.json.encode(record))
    page = tmp_path / "RESULTS.md"
    (tmp_path / "data").mkdir()
    arguments = ["--only", "gpu_limits", "--data", str(tmp_path / "data"), "--out", str(page)]
    assert program.main([*arguments, "--records", str(records)]) == 2
    assert "gpu_limits failed" in page.read_text(encoding="utf-8")
    assert "| line | 13.7 % |" in page.read_text(encoding="utf-8")
