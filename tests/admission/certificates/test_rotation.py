"""Two replicas, one Secret: whatever comes between any two requests, no client refuses what is shown."""

from cryptography import x509
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.admission.certificates.puppets import LATE_S, PATHS, Puppet, World, refused

from powerplane.admission.certificates.bundle import bundle_of, read_bundle
from powerplane.admission.certificates.keys import FIELDS, read_keys
from powerplane.admission.certificates.rotation import DAY_S

WHICH = st.integers(0, 1)


def settle(world: World, puppets: list[Puppet], rounds: int = 60, every_s: float = 30.0) -> None:
    """Let time pass with nothing in the way."""
    for each in puppets:
        each.refusing.clear()
    for _ in range(rounds):
        for each in puppets:
            each.round()
        world.now_s += every_s


def check_settled(world: World, puppets: list[Puppet]) -> None:
    """One authority, trusted everywhere; one certificate by it, shown by all."""
    keys = read_keys(world.data)
    assert keys.authority is not None
    assert keys.leaf is not None
    assert (keys.following, keys.old) == (None, {})
    for path in PATHS:
        assert read_bundle(world.bundles[path][1]) == bundle_of(keys.authority.certificate)
    for each in puppets:
        assert each.shown == keys.leaf.pem
        assert each.keeper.standing() == (True, "")


class Rotation(RuleBasedStateMachine):
    """What replicas, users, crashes and time may do to each other."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.puppets = [Puppet(self.world, "a", skew_s=-100), Puppet(self.world, "b", skew_s=100)]
        settle(self.world, self.puppets, rounds=6, every_s=1)
        self.world.now_s += 2 * LATE_S  # at the very start API servers may be late: nobody asks yet

    @rule(which=WHICH, requests=st.integers(1, 5))
    def go_on(self, which: int, requests: int) -> None:
        for _ in range(requests):
            self.puppets[which].advance()
            self.nobody_is_refused()

    @rule(which=WHICH, rounds=st.integers(1, 3))
    def end_rounds(self, which: int, rounds: int) -> None:
        for _ in range(rounds):
            while self.puppets[which].advance():
                self.nobody_is_refused()

    @rule(seconds=st.sampled_from([1, 10, 29, 31, 60]))
    def wait(self, seconds: float) -> None:
        self.world.now_s += seconds

    @rule(days=st.sampled_from([1, 5, 20, 200]))
    def sleep(self, days: float) -> None:
        self.world.now_s += days * DAY_S

    @rule(which=WHICH)
    def crash(self, which: int) -> None:
        self.puppets[which].crash()

    @rule(which=WHICH, leading=st.booleans())
    def lead(self, which: int, leading: bool) -> None:
        """Also both at a time: a Lease keeps that from happening, but safety does not hang on it."""
        self.puppets[which].leading = leading

    @rule(what=st.sampled_from(["certificate", "authority"]))
    def ask(self, what: str) -> None:
        self.world.asked = what
        self.world.version += 1

    @rule(which=WHICH, looks=st.lists(st.booleans(), min_size=12, max_size=16))
    def rotate(self, which: int, looks: list[bool]) -> None:
        """One replica makes another authority as fast as it may, while the other looks now and then, or never."""
        self.ask("authority")
        for look in looks:
            self.end_rounds(which, 2)
            self.world.now_s += 20
            if look:
                self.end_rounds(1 - which, 1)

    @rule(names=st.sets(st.sampled_from(FIELDS), min_size=1), text=st.sampled_from([None, b"", b"-----BEGIN"]))
    def break_secret(self, names: set[str], text: bytes | None) -> None:
        self.world.version += 1
        for name in names:
            self.world.data.pop(name, None)
            if text is not None:
                self.world.data[name] = text

    @rule(which=WHICH, what=st.sampled_from(["secret", "configuration", "lease"]))
    def refuse(self, which: int, what: str) -> None:
        """Its requests for this fail from now on, or go well again."""
        self.puppets[which].refusing ^= {what}

    @invariant()
    def nobody_is_refused(self) -> None:
        bundles = self.world.seen_by_clients()
        for each in self.puppets:
            if each.is_asked and each.shown is not None:
                for bundle in bundles:
                    assert not refused(each.shown, bundle, each.now()), f"{each.name} is refused"

    @invariant()
    def only_authorities_are_handed_on(self) -> None:
        for _, pem in self.world.bundles.values():
            for each in read_bundle(pem).values():
                told = x509.load_pem_x509_certificate(each).extensions
                assert told.get_extension_for_class(x509.BasicConstraints).value.ca

    def teardown(self) -> None:
        for each in self.puppets:
            each.leading = True
            each.round()
        settle(self.world, self.puppets)
        check_settled(self.world, self.puppets)


Rotation.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
test_whatever_happens_between_two_requests_no_client_refuses_what_is_shown = Rotation.TestCase
