import pytest

from powerplane.bench.run import main


def test_the_names_of_the_cells_can_be_listed(capsys):
    assert main(["--list", "--quick"]) == 0
    assert "slack-10kx500" in capsys.readouterr().out.splitlines()


def test_a_name_that_no_cell_has_is_refused(capsys):
    assert main(["--only", "nonesuch"]) == 2
    assert "'nonesuch'" in capsys.readouterr().err


def test_records_that_are_none_are_refused_by_name(tmp_path, capsys):
    (tmp_path / "records.json").write_text("[1]")
    assert main(["--only", "openb", "--records", str(tmp_path / "records.json"), "--out", str(tmp_path / "R.md")]) == 2
    assert "records.json" in capsys.readouterr().err


def test_a_trace_that_is_not_there_is_skipped_by_name(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("POWERPLANE_DATA", raising=False)
    where = ["--records", str(tmp_path / "records.json"), "--out", str(tmp_path / "RESULTS.md")]
    assert main(["--only", "openb-all", *where]) == 0
    assert "skipped: openb-all" in capsys.readouterr().err
    assert "openb-all: the trace is not shipped" in (tmp_path / "RESULTS.md").read_text()


@pytest.mark.slow
def test_a_part_measured_anew_keeps_the_rest_of_the_page(tmp_path):
    where = ["--quick", "--records", str(tmp_path / "records.json"), "--out", str(tmp_path / "RESULTS.md")]
    assert main(["--only", "slack-200x20", *where]) == 0
    first = (tmp_path / "RESULTS.md").read_text()
    assert "### slack-200x20\n" in first
    assert "### tight-200x20\n" not in first
    assert main(["--only", "tight-200x20", *where]) == 0
    second = (tmp_path / "RESULTS.md").read_text()
    assert "### slack-200x20\n" in second
    assert "### tight-200x20\n" in second
