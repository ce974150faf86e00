"""What batches do to those who keep what they bring."""

from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.watch_kinds import Batch, by_name, by_names, by_uid
from powerplane.models.objects import ObjectMeta, Pod


def pod(name, uid="", namespace="ns"):
    return Pod(ObjectMeta(name=name, namespace=namespace, uid=uid))


def batch(*changes, replace=False):
    return Batch(replace, changes)


def test_changes_are_brought_into_what_is_kept_and_the_last_stands_last():
    kept = {"a": pod("a"), "b": pod("b"), "c": pod("c")}
    batch(("MODIFIED", pod("a", "new")), ("DELETED", pod("b")), ("ADDED", pod("d"))).into(kept, by_name)
    assert [(name, each.metadata.uid) for name, each in kept.items()] == [("c", ""), ("a", "new"), ("d", "")]


def test_a_whole_list_replaces_what_is_kept():
    kept = {"a": pod("a")}
    batch(("ADDED", pod("b")), replace=True).into(kept, by_name)
    assert list(kept) == ["b"]


def test_an_object_is_known_by_namespace_and_name_or_by_uid():
    one = pod("a", "u")
    assert (by_name(one), by_names(one), by_uid(one)) == ("a", ("ns", "a"), "u")


def test_what_went_has_no_fact_and_is_not_reduced():
    reduced = []
    told = batch(("ADDED", pod("a")), ("DELETED", pod("b"))).facts(by_name, lambda each: reduced.append(each) or each)
    assert [(key, fact is None) for key, fact in told] == [("a", False), ("b", True)]
    assert len(reduced) == 1


CHANGES = st.lists(st.tuples(st.sampled_from(["ADDED", "MODIFIED", "DELETED"]), st.sampled_from("abcde")), max_size=8)


@given(st.lists(st.tuples(st.booleans(), CHANGES), max_size=6))
def test_facts_and_what_is_gone_lead_to_the_same_as_bringing_objects_in(batches):
    whole, by_facts = {}, {}
    for replace, changes in batches:
        one = batch(*((what, pod(name)) for what, name in changes), replace=replace)
        one.into(whole, by_name)
        told = one.facts(by_name, lambda each: each)
        for key, fact in [*((key, None) for key in one.gone(told, by_facts)), *told]:
            by_facts.pop(key, None)
            if fact is not None:
                by_facts[key] = fact
    assert whole.keys() == by_facts.keys()
