"""Names that say what is in a template, and the grid of watts."""

import re

from hypothesis import given
from hypothesis import strategies as st

from powerplane.admission.claims.names import (
    LONGEST,
    Template,
    level_names,
    pool_name,
    rounded_watts,
    slice_name,
    template_body,
    template_of,
)

WATTS = st.integers(1, 999_999_999)
LEVEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,9}[a-z0-9])?", fullmatch=True)
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@given(WATTS)
def test_watts_are_rounded_up_by_no_more_than_a_twentieth_and_only_once(watts):
    rounded = rounded_watts(watts)
    assert watts <= rounded
    assert (rounded - watts) * 20 < max(watts, 21)
    assert rounded_watts(rounded) == rounded


@given(WATTS, WATTS)
def test_more_watts_are_never_rounded_to_fewer(one, other):
    low, high = sorted((one, other))
    assert rounded_watts(low) <= rounded_watts(high)


def test_templates_are_few_and_round_numbers_stay():
    assert len({rounded_watts(watts) for watts in range(1, 10_000)}) < 250
    assert [rounded_watts(watts) for watts in (1, 9, 11, 51, 101, 300, 301, 501, 1001)] == [
        1,
        9,
        11,
        52,
        105,
        300,
        310,
        525,
        1050,
    ]


@given(st.builds(Template, WATTS, st.lists(LEVEL, min_size=1, max_size=5, unique=True).map(tuple)))
def test_a_name_says_all_that_is_in_its_template(template):
    assert template_of(template.name) == template
    assert SUBDOMAIN.fullmatch(template.name)


@given(st.text(max_size=60))
def test_any_other_name_is_no_template_of_ours(name):
    found = template_of(name)
    assert found is None or found.name == name


def test_names_that_only_look_like_ours_are_not():
    for name in ("powerplane-0w.rack", "powerplane-300w", "powerplane-300w.", "powerplane-3w.a.a", "powerplane-3w.-a"):
        assert template_of(name) is None


def test_a_template_asks_each_level_once_for_all_the_watts():
    body = template_body(Template(300, ("rack", "row")), "team")
    requests = body["spec"]["spec"]["devices"]["requests"]
    assert [each["name"] for each in requests] == ["rack", "row"]
    assert {each["exactly"]["capacity"]["requests"]["watts"] for each in requests} == {"300"}
    assert body["metadata"]["namespace"] == "team"


def test_names_of_slices_are_bounded_and_stay_apart():
    long = ["x" * 100 + "." + "y" * 140 + end for end in ("1", "2")]
    names = {slice_name(pool_name("rack", each)) for each in long}
    assert len(names) == 2
    assert all(len(name) <= LONGEST and SUBDOMAIN.fullmatch(name) for name in names)
    assert slice_name(pool_name("feed", "fa", "fb")) == "powerplane.feed.fa.lost.fb"


def test_levels_of_a_kind_are_numbered_from_the_second():
    assert level_names(["feed", "feed", "rack"]) == ("feed", "feed-2", "rack")
