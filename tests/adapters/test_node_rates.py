"""A node's watts parted between its cores and its cards, and what requests come to by that."""

from fractions import Fraction

import pytest

from powerplane.adapters.node_rates import Rates, asked_devices, devices_draw_mw, node_rates
from powerplane.models.errors import InputError

GPU = "nvidia.com/gpu"
KW = 1_000_000
CARD_MW = 700_000


def test_cards_take_their_share_first_and_cores_what_is_left():
    found = node_rates({}, {"cpu": "10", GPU: "2"}, 2 * KW)
    assert found == Rates((2 * KW - 2 * CARD_MW) // 10, {GPU: CARD_MW})


def test_cards_never_take_more_than_the_node_draws():
    assert node_rates({}, {"cpu": "10", GPU: "8"}, KW) == Rates(0, {GPU: KW // 8})


def test_a_node_without_cards_draws_by_its_cores_alone():
    assert node_rates({}, {"cpu": "3"}, KW) == Rates(333_334, {})


@pytest.mark.parametrize("cpu", ["0", "-1", "many"])
def test_cores_that_cannot_be_read_draw_nothing(cpu):
    assert node_rates({}, {"cpu": cpu}, KW) == Rates()


def test_several_resources_of_one_card_count_once_and_unknown_ones_as_nothing():
    rates = {GPU: 300_000, "nvidia.com/gpumem": 10}
    assert devices_draw_mw(((GPU, 2), ("nvidia.com/gpumem", 8000)), rates) == 600_000
    assert devices_draw_mw((("amd.com/gpu", 1),), rates) == devices_draw_mw((), rates) == 0


def test_only_accelerators_are_asked_for_as_such():
    assert asked_devices({"cpu": Fraction(3), GPU: Fraction(2), "amd.com/gpu": Fraction(0)}) == ((GPU, 2),)
    with pytest.raises(InputError):
        asked_devices({GPU: Fraction(2**60)})
