"""What a patch says is what was done, and nothing is said twice."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.admission.applying import apply

from powerplane.admission.patch import Patch, pointer
from powerplane.models.errors import InputError

KEYS = st.sampled_from(["a", "b", "powerplane.dev/watts", "x~y", "a/b~1"])
VALUES = st.one_of(st.integers(), st.text(max_size=3), st.just({}))
DOCUMENTS = st.dictionaries(
    KEYS, st.dictionaries(KEYS, st.dictionaries(KEYS, st.integers(), max_size=2), max_size=2), max_size=3
)


@given(DOCUMENTS, st.lists(st.tuples(st.tuples(KEYS, KEYS, KEYS), VALUES), max_size=6))
def test_the_operations_make_of_the_old_object_what_was_made_in_place(document, changes):
    before = deepcopy(document)
    patch = Patch(document)
    for path, value in changes:
        patch.put(value, *path)
    assert apply(before, patch.operations) == patch.root
    again = Patch(deepcopy(patch.root))
    for path, _ in changes:
        there = again.root[path[0]][path[1]][path[2]]
        again.put(there, *path)
    assert again.operations == []


def test_a_missing_parent_comes_with_its_member_in_one_operation():
    patch = Patch({"spec": {"containers": [{"name": "c"}]}})
    patch.put("5", "spec", "containers", 0, "resources", "requests", "powerplane.dev/watts")
    assert patch.operations == [
        {"op": "add", "path": "/spec/containers/0/resources", "value": {"requests": {"powerplane.dev/watts": "5"}}}
    ]


def test_a_null_counts_as_missing_and_is_replaced():
    patch = Patch({"metadata": {"annotations": None}})
    patch.put("v", "metadata", "annotations", "k")
    assert patch.operations == [{"op": "replace", "path": "/metadata/annotations", "value": {"k": "v"}}]


def test_items_are_added_to_the_end_of_a_list_that_is_made_where_it_is_missing():
    patch = Patch({"spec": {}})
    patch.append({"name": "g"}, "spec", "schedulingGates")
    patch.append({"name": "h"}, "spec", "schedulingGates")
    assert [each["path"] for each in patch.operations] == ["/spec/schedulingGates", "/spec/schedulingGates/-"]
    assert (
        apply({"spec": {}}, patch.operations)
        == patch.root
        == {"spec": {"schedulingGates": [{"name": "g"}, {"name": "h"}]}}
    )


def test_pointers_escape_tildes_and_slashes():
    assert pointer("a/b", 0, "x~y") == "/a~1b/0/x~0y"


@pytest.mark.parametrize("there", [0, False, "", 1.5, "text", {}])
def test_what_is_there_and_no_list_is_not_added_to(there):
    with pytest.raises(InputError):
        Patch({"spec": {"schedulingGates": there}}).append({"name": "g"}, "spec", "schedulingGates")


@pytest.mark.parametrize("there", [0, False, "", 1.5, "text", []])
def test_what_is_there_and_no_object_is_given_no_member(there):
    for path in (("metadata", "annotations", "k"), ("metadata", "annotations", "k", "l")):
        with pytest.raises(InputError):
            Patch({"metadata": {"annotations": there}}).put("v", *path)
