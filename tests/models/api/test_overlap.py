"""Two selectors overlap exactly when some labels meet both."""

from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.api.overlap import can_overlap
from powerplane.models.matching import selector_matches
from powerplane.models.objects import LabelSelector

KEYS, VALUES = ("app", "tier"), ("a", "b")


def selector(**fields):
    return msgspec.convert(fields, LabelSelector)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ({}, {}, True),
        ({"matchLabels": {"app": "a"}}, {"matchLabels": {"app": "b"}}, False),
        ({"matchLabels": {"app": "a"}}, {"matchLabels": {"tier": "b"}}, True),
        ({"matchLabels": {"app": "a"}}, {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        (
            {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
            {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a", "b"]}]},
            True,
        ),
        ({"matchExpressions": [{"key": "app", "operator": "Gt", "values": ["1"]}]}, {}, False),
    ],
)
def test_selectors_overlap(one, other, overlap):
    assert can_overlap(selector(**one), selector(**other)) is overlap


EXPRESSION = st.one_of(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(KEYS),
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(st.sampled_from(VALUES), min_size=1, max_size=2, unique=True),
        }
    ),
    st.fixed_dictionaries({"key": st.sampled_from(KEYS), "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)
SELECTOR = st.builds(
    selector,
    matchLabels=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=2),
    matchExpressions=st.lists(EXPRESSION, max_size=3),
)


@given(SELECTOR, SELECTOR)
def test_they_overlap_exactly_when_some_labels_meet_both(one, other):
    choices = (None, *VALUES, "another value")
    worlds = ({k: v for k, v in zip(KEYS, picked, strict=True) if v} for picked in product(choices, repeat=len(KEYS)))
    met = any(selector_matches(one, labels) and selector_matches(other, labels) for labels in worlds)
    assert can_overlap(one, other) is met
