"""The file of BMCs: defaults, passwords apart, and refusals that tell no secret."""

from pathlib import Path

import pytest
from tests.adapters.telemetry.redfish_service import PASSWORD, USER, Bmc, older

from powerplane.adapters.telemetry.redfish import RedfishSource
from powerplane.adapters.telemetry.redfish_file import EXAMPLE, read_bmcs
from powerplane.adapters.telemetry.redfish_http import Endpoint
from powerplane.adapters.telemetry.several import SeveralSources
from powerplane.models.errors import InputError
from powerplane.models.telemetry.readings import SourceReading


def write(folder: Path, text: str, password: str = f"{PASSWORD}\n") -> Path:
    (folder / "bmc-password").write_text(password)
    (folder / "bmcs.yaml").write_text(text)
    return folder / "bmcs.yaml"


def test_what_holds_for_all_holds_unless_one_says_otherwise(tmp_path: Path) -> None:
    text = EXAMPLE + "- {node: node-3, url: 'http://10.1.0.3/', user: '', session: true, insecure: true}\n"
    assert read_bmcs(write(tmp_path, text)) == (
        Endpoint("node-1", "https://10.1.0.1", "powerplane", PASSWORD),
        Endpoint("node-2", "https://10.1.0.2", "powerplane", PASSWORD, chassis="Self"),
        Endpoint("node-3", "http://10.1.0.3", session=True, insecure=True),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bmcs: [{node: a, url: 'https://u:p@h'}]", "no address"),
        ("bmcs: [{node: a, url: 'https://h/redfish'}]", "no address"),
        ("bmcs: [{node: '', url: 'https://h'}]", "length"),
        ("bmcs: [{node: a, url: 'https://h', password: x}]", "unknown key 'password'"),
        ("bmcs: [{node: a, url: 'https://h', user: u}]", "no password"),
        ("bmcs: [{node: a, url: 'https://h', user: u, passwordFile: nowhere}]", "does not exist"),
        ("bmcs: [{node: a, url: 'https://h', caFile: nowhere}]", "does not exist"),
        ("bmcs: [{node: a, url: 'https://h'}, {node: a, url: 'https://i'}]", "two BMCs"),
        ("bmcs: [{node: a, url: 'https://h'}, {node: a, url: 'https://h'}]", "two BMCs"),
        ("", "bmcs"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_next_step(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as refused:
        read_bmcs(write(tmp_path, text))
    assert refused.value.next_step
    assert PASSWORD not in str(refused.value)


def test_a_missing_file_is_refused_with_an_example(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist") as refused:
        read_bmcs(tmp_path / "bmcs.yaml")
    assert "passwordFile" in refused.value.next_step


def test_an_endpoint_never_shows_its_password() -> None:
    assert PASSWORD not in repr(Endpoint("n", "https://h", "u", PASSWORD))


def test_bmcs_are_read_beside_other_sources(tmp_path: Path) -> None:
    class Other:
        closed = False

        def read(self, now_s: float, window_s: float) -> tuple[SourceReading, ...]:
            return (SourceReading("ipmi", now_s, now_s - window_s),)

        def close(self) -> None:
            self.closed = True

    bmc, other = Bmc(older(344.0)), Other()
    try:
        text = f"user: {USER}\npasswordFile: bmc-password\nbmcs: [{{node: n1, url: '{bmc.url}'}}]\n"
        both = SeveralSources((other, RedfishSource(read_bmcs(write(tmp_path, text)))))
        ipmi, redfish = both.read(100.0, 60.0)
        both.close()
    finally:
        bmc.close()
    assert (ipmi.source, ipmi.received_s) == ("ipmi", 40.0)
    assert redfish.blocks[0].value.tolist() == [344.0]
    assert other.closed
