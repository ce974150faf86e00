"""One replica's rounds: what it takes, what it says of itself, and what it waits for."""

import dataclasses

import pytest
from tests.adapters.serving.test_certificate_files import Counted
from tests.admission.certificates.puppets import PATHS, START, TERMS, Puppet, World

from powerplane.adapters.webhook_lease import read_reports, report_key
from powerplane.admission.certificates.authority import issue, make_authority
from powerplane.admission.certificates.bundle import bundle_of, read_bundle
from powerplane.admission.certificates.keys import read_keys, write_keys


@pytest.fixture
def world():
    return World()


@pytest.fixture
def replica(world):
    return Puppet(world, "a")


def rounds(count, *replicas, every_s=1.0):
    for _ in range(count):
        for each in replicas:
            each.round()
            each.world.now_s += every_s


def settled(world, replica):
    rounds(6, replica)
    assert replica.keeper.standing() == (True, "")
    return read_keys(world.data)


def test_from_an_empty_secret_to_ready_within_six_looks(world, replica):
    told = []
    for _ in range(6):
        replica.round()
        told.append(replica.keeper.standing())
        world.now_s += 1
    assert told[0] == (False, "there is no certificate yet")
    assert (False, "other replicas do not know of this one yet") in told
    assert told[-1] == (True, "")
    for path in PATHS:
        assert read_bundle(world.bundles[path][1]) == bundle_of(read_keys(world.data).authority.certificate)


def test_one_writes_and_the_other_follows(world, replica):
    other = Puppet(world, "b")
    other.leading = False
    rounds(8, replica, other)
    assert set(world.writes) == {"a"}
    assert other.shown == replica.shown
    assert {each.replica for each in read_reports(world.annotations).values()} == {"a", "b"}


def test_a_renewed_certificate_is_by_the_same_authority_which_nobody_has_to_be_told_of(world, replica):
    keys = settled(world, replica)
    bundles = dict(world.bundles)
    world.now_s += 21 * 86400
    rounds(12, replica, every_s=20)
    after = read_keys(world.data)
    assert after.leaf != keys.leaf
    assert after.authority == keys.authority
    assert world.bundles == bundles


def test_an_authority_is_followed_at_two_thirds_of_its_life_and_no_name_is_lost(world, replica):
    keys = settled(world, replica)
    world.now_s += TERMS.authority_life_s * 0.67
    rounds(30, replica, every_s=20)
    after = read_keys(world.data)
    assert after.authority != keys.authority
    assert after.leaf.names == set(TERMS.names)
    assert after.old == {}


def test_what_is_broken_is_told_once_counted_and_tried_again(world, replica, caplog):
    settled(world, replica)
    replica.refusing.add("secret")
    caplog.clear()
    rounds(5, replica)
    assert [each.message for each in caplog.records] == ["certificates: not now"]
    assert replica.figure("failures_total", object="secret") == 5
    assert replica.keeper.standing() == (True, "")
    world.now_s += TERMS.forget_s / 2
    rounds(1, replica)
    assert replica.keeper.standing() == (False, "the Secret has not been read for long: not now")
    replica.refusing.clear()
    rounds(3, replica)
    assert replica.keeper.standing() == (True, "")


def test_what_was_seen_a_minute_ago_counts_no_more(world, replica):
    settled(world, replica)
    world.now_s += 61
    assert replica.keeper.standing() == (False, "certificates have not been looked at for a minute")


def test_who_has_slept_reports_before_it_is_ready_again(world, replica):
    settled(world, replica)
    world.now_s += TERMS.forget_s / 2 + 1
    rounds(1, replica)
    assert replica.keeper.standing() == (False, "other replicas do not know of this one yet")
    rounds(2, replica)
    assert replica.keeper.standing() == (True, "")


def test_who_is_refused_by_the_live_bundle_is_not_ready_and_renews_no_sign_of_life(world, replica):
    settled(world, replica)
    replica.leading = False
    renewed = world.lease_spec["renewTime"]
    world.put_bundle(PATHS[1], make_authority(START, 1e6).pem)
    rounds(3, replica, every_s=11)
    ready, why = replica.keeper.standing()
    assert not ready
    assert why.startswith("API servers refuse our certificate for webhook.example")
    assert world.lease_spec["renewTime"] == renewed
    assert not read_reports(world.annotations)[report_key("a")].ready
    replica.leading = True
    rounds(3, replica)
    assert replica.keeper.standing() == (True, "")


def test_a_sign_of_life_is_renewed_every_ten_seconds_and_at_once_where_there_is_news(world, replica):
    settled(world, replica)
    renewed = set()
    for _ in range(40):
        replica.round()
        renewed.add(world.lease_spec["renewTime"])
        world.now_s += 1
    assert len(renewed) in (4, 5)


def test_while_there_is_no_configuration_there_is_no_sign_of_life(world, replica):
    world.bundles.clear()
    rounds(6, replica)
    assert replica.keeper.standing() == (True, "")
    assert world.lease_spec == {}


def test_who_leaves_is_waited_for_by_nobody(world, replica):
    other = Puppet(world, "b")
    other.leading = False
    rounds(8, replica, other)
    other.leave()
    assert set(read_reports(world.annotations)) == {report_key("a")}


def test_with_files_no_secret_is_read_nothing_is_written_and_the_sign_of_life_is_renewed(world, replica):
    ours = make_authority(START, 1e6)
    leaf = issue(ours, TERMS.names, START, 1e5)
    replica.begin(None)
    replica.refusing.add("secret")
    replica.tls.show(replica.make(leaf.pem, leaf.key_pem))
    rounds(2, replica)
    assert replica.keeper.standing()[1].startswith("API servers refuse our certificate")
    for path in PATHS:
        world.put_bundle(path, ours.pem)
    rounds(2, replica)
    assert replica.keeper.standing() == (True, "")
    assert world.lease_spec["holderIdentity"] == "a"
    assert (world.writes, replica.figure("failures_total", object="secret")) == ([], 0)


def test_two_of_one_name_are_told_of(world, replica, caplog):
    twin = Puppet(world, "a")
    rounds(12, replica, twin, every_s=6)
    assert "another replica is named a: give each its --identity" in caplog.text


def test_where_cert_manager_writes_the_bundle_nothing_is_written(world, replica, caplog):
    replica.injected = True
    rounds(5, replica)
    assert world.writes == []
    assert "cert-manager writes caBundle" in caplog.text


def test_a_certificate_that_would_be_refused_does_not_take_the_place_of_one_that_is_not(world, replica):
    keys = settled(world, replica)
    replica.leading = False
    shown = replica.shown
    events = Counted()
    replica.tls.tell(events)
    stranger = make_authority(replica.now(), 1e6)
    world.data = write_keys(dataclasses.replace(keys, leaf=issue(stranger, TERMS.names, replica.now(), 1e5)))
    world.version += 1
    rounds(3, replica)
    assert (replica.shown, replica.keeper.standing()) == (shown, (True, ""))
    assert events.reloads == [False]
    replica.leading = True
    rounds(12, replica, every_s=20)
    assert read_keys(world.data).leaf.pem == replica.shown != shown
    assert events.reloads == [False, True]


def test_more_names_make_a_new_certificate(world, replica):
    keys = settled(world, replica)
    replica.begin(dataclasses.replace(TERMS, names=(*TERMS.names, "127.0.0.1")))
    rounds(12, replica, every_s=20)
    after = read_keys(world.data)
    assert after.leaf.names == {*TERMS.names, "127.0.0.1"}
    assert after.authority == keys.authority
