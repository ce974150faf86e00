"""Whether watches tell the truth of now."""

from types import SimpleNamespace

import pytest

from powerplane.adapters.leading import STALE_S, trouble_of


def watching(*, synced=True, contact_s=100.0, error=""):
    status = SimpleNamespace(synced=synced, last_contact_s=contact_s, last_error=error)
    return SimpleNamespace(status=status, watched=SimpleNamespace(kind="Node"))


def test_watches_in_step_that_heard_of_the_server_lately_are_no_trouble():
    assert trouble_of([], 0.0) == ""
    assert trouble_of([watching(), watching()], 100.0 + STALE_S) == ""


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (watching(synced=False), "Node is not listed yet: being listed"),
        (watching(synced=False, error="forbidden"), "Node is not listed yet: forbidden"),
        (watching(contact_s=None), "Node is stale: no word from the server"),
        (watching(contact_s=99.9), "Node is stale: no word from the server"),
        (watching(contact_s=99.9, error="refused"), "Node is stale: refused"),
    ],
)
def test_a_watch_that_is_behind_or_silent_is_named_with_the_servers_last_word(one, said):
    assert trouble_of([watching(), one], 100.0 + STALE_S) == said
