"""The reference page is the program's own account of itself."""

from pathlib import Path

from powerplane.cli.reference import reference_page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), "write it again: make docs"


def test_every_command_and_exit_code_stands_on_the_page() -> None:
    page = reference_page()
    commands = (
        "plan",
        "verify",
        "explain move",
        "explain pod",
        "explain domain",
        "explain conflict",
        "snapshot",
        "crds",
        "scheduler-config",
        "demo",
    )
    for command in commands:
        assert f"powerplane {command}" in page
    for code in (0, 1, 2, 3, 130, 141):
        assert f"| {code} |" in page
