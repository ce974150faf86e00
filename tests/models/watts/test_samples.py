"""Pairing samples with those before, and refusing what cannot be true."""

import numpy as np
import pytest

from powerplane.models.watts.samples import NodeSamples


def test_each_sample_knows_the_one_before_it_whatever_order_they_come_in() -> None:
    samples = NodeSamples.of_series([30, 10, 20], [3.0, 1.0, 2.0], [130, 110, 120])
    assert samples.at_s.tolist() == [10, 20, 30]
    assert samples.before[:, 0].tolist() == [1, 1, 2]
    assert samples.watts.tolist() == [110, 120, 130]


def test_after_a_gap_the_sample_before_says_nothing() -> None:
    samples = NodeSamples.of_series([0, 10, 20, 500, 510], [1.0, 2, 3, 4, 5], np.ones(5))
    assert samples.before[:, 0].tolist() == [1, 1, 2, 4, 4]


def test_a_counter_that_was_no_number_before_is_not_remembered() -> None:
    samples = NodeSamples.of_series([0, 1, 2], [np.nan, 2.0, 3.0], np.ones(3))
    assert samples.before[1:, 0].tolist() == [2, 2]


def test_what_cannot_be_true_is_refused_by_its_reason_and_the_rest_is_kept() -> None:
    watts = [100.0, np.nan, 0.0, -5.0, 5e6, 100.0, 100.0]
    cpu = [0.1, 0.1, 0.1, 0.1, 0.1, -0.1, np.inf]
    good, refused = NodeSamples.of_series(np.arange(7.0), cpu, watts).believable()
    assert good.watts.tolist() == [100.0]
    assert refused == {"not a number": 2, "no watts": 2, "absurd watts": 1, "negative counter": 1}


def test_nodes_of_one_type_are_joined_in_order_of_time() -> None:
    one = NodeSamples.of_series([0, 20], [0.1, 0.2], [1, 2])
    other = NodeSamples.of_series([10, 30], [0.3, 0.4], [3, 4])
    joined = NodeSamples.joined([one, other])
    assert joined.watts.tolist() == [1, 3, 2, 4]
    assert joined.before[:, 0].tolist() == [0.1, 0.3, 0.1, 0.3]


def test_columns_of_different_lengths_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="3 rows of counters and 2 watts"):
        NodeSamples.of_series([1, 2, 3], [1, 2, 3], [1, 2])
