"""What the auditor takes from answers that tell of what was done before, by requests that nobody saw end."""

from pathlib import Path

import pytest
from tests.rig.test_auditor import Log


@pytest.mark.parametrize(("code", "broken"), [(404, set()), (504, {"left"})])
def test_a_placeholder_is_gone_once_whoever_deletes_it_again_is_told_so(
    tmp_path: Path, code: int, broken: set[str]
) -> None:
    log = Log()
    log.cluster()
    log.hold("p0")
    for answer in (504, code):
        log.write("delete", "powerplane-system/pods/hold-p0", None, {"kind": "Status"}, code=answer)
    assert log.judged(tmp_path).broken() == broken
