"""Certificates that come as files: what cannot be used, or would be refused, leaves the old one serving."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from powerplane.adapters.serving.own_certificate import refusal
from powerplane.adapters.serving.tls import RotatingTls, TlsFiles, take_any
from powerplane.admission.certificates.authority import issue, make_authority
from powerplane.models.errors import InputError

HOST = "powerplane-webhook.powerplane-system.svc"
NOW = datetime.now(UTC)
OURS = make_authority(NOW, 3600)
THEIRS = make_authority(NOW, 3600)


class Counted:
    def __init__(self):
        self.reloads = []
        self.until_s = 0.0

    def reloaded(self, *, ok):
        self.reloads.append(ok)

    def shows(self, until_s):
        self.until_s = until_s


class Files:
    """A pair on disk, and the port that shows it to clients who trust `OURS` and ask for `HOST`."""

    def __init__(self, folder):
        self.files = TlsFiles(folder / "tls.crt", folder / "tls.key")
        self.first = issue(OURS, (HOST,), NOW, 600)
        self.write(self.first.pem, self.first.key_pem)
        self.events = Counted()
        self.trusting = OURS.pem

    def start(self, **options):
        self.tls = RotatingTls(self.files, **{"judge": self.judge, **options})
        self.tls.tell(self.events)
        return self

    def write(self, pem, key_pem):
        for path, content in ((self.files.certificate, pem), (self.files.key, key_pem)):
            fresh = path.with_suffix(".new")
            fresh.write_bytes(content)
            fresh.rename(path)

    def judge(self, shown, fresh):
        why = refusal(fresh.context, HOST, self.trusting)
        return why if shown is not None and not refusal(shown.context, HOST, self.trusting) else ""

    def serves(self, pair):
        assert refusal(self.tls.listening, HOST, OURS.pem) == ""
        return self.tls.face.certificate.until_s == pair.certificate.not_valid_after_utc.timestamp()


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


def later(days, authority=OURS):
    return issue(authority, (HOST,), NOW + timedelta(days=days), 1200)


BAD = {
    "a mismatched pair": (issue(OURS, (HOST,), NOW, 900).pem, issue(OURS, (HOST,), NOW, 900).key_pem),
    "an expired one": (later(-3).pem, later(-3).key_pem),
    "an empty file in mid-write": (b"", b""),
    "half a file in mid-write": (issue(OURS, (HOST,), NOW, 900).pem[:200], b""),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_used_is_not_and_a_good_one_after_it_is(files, what):
    files.start()
    files.write(*BAD[what])
    for _ in range(3):
        files.tls.refresh()
    assert files.serves(files.first)
    assert files.events.reloads == [False]
    good = issue(OURS, (HOST,), NOW, 1200)
    files.write(good.pem, good.key_pem)
    files.tls.refresh()
    assert files.serves(good)
    assert files.events.reloads == [False, True]
    assert files.events.until_s == good.certificate.not_valid_after_utc.timestamp()


@pytest.mark.parametrize(
    "pair", [issue(OURS, ("another.example",), NOW, 900), issue(THEIRS, (HOST,), NOW, 900)], ids=["name", "authority"]
)
def test_one_that_clients_would_refuse_waits_until_they_refuse_the_old_one_too(files, pair):
    files.start()
    files.write(pair.pem, pair.key_pem)
    files.tls.refresh()
    files.tls.refresh()
    assert files.serves(files.first)
    assert files.events.reloads == [False]
    files.trusting = THEIRS.pem
    files.tls.refresh()
    assert files.tls.face.certificate.until_s == pair.certificate.not_valid_after_utc.timestamp()


def test_one_that_is_refused_anyway_gives_way_to_any_other(tmp_path):
    files = Files(tmp_path)
    stranger = issue(THEIRS, (HOST,), NOW, 600)
    files.write(stranger.pem, stranger.key_pem)
    files.start()
    other = issue(THEIRS, (HOST,), NOW, 1200)
    files.write(other.pem, other.key_pem)
    files.tls.refresh()
    assert files.tls.face.certificate.until_s == other.certificate.not_valid_after_utc.timestamp()


def test_nobody_starts_on_an_expired_certificate(files):
    with pytest.raises(InputError, match="it has expired"):
        files.start(now=lambda: time.time() + 601)


def test_one_that_does_not_hold_yet_is_taken_when_it_does(files):
    clock = [time.time()]
    files.start(now=lambda: clock[0], judge=take_any)  # TLS would go by the real time
    soon = issue(OURS, (HOST,), NOW + timedelta(seconds=500), 600)
    files.write(soon.pem, soon.key_pem)
    files.tls.refresh()
    assert files.serves(files.first)
    clock[0] += 501
    files.tls.refresh()
    assert files.tls.face.certificate.until_s == soon.certificate.not_valid_after_utc.timestamp()
