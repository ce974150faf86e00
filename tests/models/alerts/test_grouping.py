from hypothesis import given
from hypothesis import strategies as st
from tests.models.alerts.findings import notice

from powerplane.models.alerts.grouping import MOST_IN_BUNDLE, bundled

NOTICES = st.lists(
    st.builds(
        notice,
        st.integers(1, 9),
        st.sampled_from(["fired", "resolved"]),
        st.uuids().map(str),
    ),
    max_size=40,
    unique_by=lambda each: each.id,
)


@given(NOTICES)
def test_every_notice_is_in_exactly_one_bundle_with_its_like(notices):
    bundles = bundled(notices)
    assert sorted(each.id for bundle in bundles for each in bundle.notices) == sorted(each.id for each in notices)
    for bundle in bundles:
        assert {each.what for each in bundle.notices} == {bundle.what}
        assert {each.finding.key.policy for each in bundle.notices} == {bundle.policy}


@given(NOTICES, st.randoms())
def test_the_id_of_a_bundle_is_that_of_its_notices_in_any_order(notices, chance):
    shuffled = list(notices)
    chance.shuffle(shuffled)
    assert {each.id for each in bundled(notices)} == {each.id for each in bundled(shuffled)}


def test_a_storm_of_one_policy_is_one_message():
    assert len(bundled([notice(i, episode=f"e{i}") for i in range(MOST_IN_BUNDLE)])) == 1


def test_a_bundle_is_bounded():
    bundles = bundled([notice(i, episode=f"e{i}") for i in range(3 * MOST_IN_BUNDLE + 1)])
    assert [len(bundle.notices) for bundle in bundles] == [MOST_IN_BUNDLE] * 3 + [1]
    assert len({bundle.id for bundle in bundles}) == 4
