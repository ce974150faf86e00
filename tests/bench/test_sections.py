from powerplane.bench.sections import find_section, put_section, with_sections_of


def test_a_section_is_put_at_the_end_once_and_then_replaced_in_place():
    first = put_section("# Page\n", "watts", "old")
    second = put_section(first + "\nafter\n", "watts", "new")
    assert "old" not in second
    assert second.index("new") < second.index("after")
    assert second.count("begin -->") == 1


def test_a_page_written_anew_keeps_the_section_of_another_command(tmp_path):
    page = tmp_path / "RESULTS.md"
    page.write_text(put_section("# Old\n", "watts", "figures"), encoding="utf-8")
    text = with_sections_of("# New\n", page, ("watts", "others"))
    assert text.startswith("# New")
    assert "figures" in find_section(text, "watts")


def test_a_page_without_a_section_is_as_it_was(tmp_path):
    assert with_sections_of("# New\n", tmp_path / "none.md", ("watts",)) == "# New\n"
    assert find_section("text", "watts") == ""
