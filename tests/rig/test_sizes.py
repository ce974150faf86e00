"""The size of the cluster that is operated: small where nothing is said, and never a guess."""

import pytest
from tests.rig.sizes import LARGE, SIZE_VARIABLE, SMALL, chosen_size


@pytest.mark.parametrize(("said", "size"), [(None, SMALL), ("", SMALL), ("small", SMALL), ("large", LARGE)])
def test_the_environment_names_the_size_and_small_is_what_there_is_without(
    monkeypatch: pytest.MonkeyPatch, said: str | None, size: object
) -> None:
    monkeypatch.delenv(SIZE_VARIABLE, raising=False)
    if said is not None:
        monkeypatch.setenv(SIZE_VARIABLE, said)
    assert chosen_size() == size


def test_a_name_that_stands_for_no_size_is_told_with_those_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIZE_VARIABLE, "huge")
    with pytest.raises(ValueError, match="POWERPLANE_RIG_SIZE=huge is none of small, large"):
        chosen_size()


def test_the_large_one_has_500_nodes_and_5000_pods() -> None:
    assert (LARGE.nodes, LARGE.pods) == (500, 5000)
