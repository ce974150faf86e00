"""The definitions as the program prints and writes them."""

import msgspec
import yaml

from powerplane.cli.crds import write_crds
from powerplane.cli.main import run
from powerplane.models.api.crd import crd_documents, crd_files
from powerplane.models.api.page import objects_page


def test_definitions_and_page_are_written_where_they_are_asked_for(tmp_path):
    write_crds(tmp_path / "new", tmp_path / "page.md")
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(crd_files())
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == objects_page()


def test_the_program_prints_them_as_yaml_and_as_a_list(capfdbinary):
    assert run(["crds"]) == 0
    printed = list(yaml.safe_load_all(capfdbinary.readouterr().out))
    assert printed == list(crd_documents())
    assert run(["crds", "-o", "json"]) == 0
    listed = msgspec.json.decode(capfdbinary.readouterr().out)
    assert (listed["kind"], listed["items"]) == ("List", printed)
