"""A generic webhook, signed: HMAC-SHA256 over ``id.timestamp.body`` (Standard Webhooks 1.0).

The id is the same whenever a message is sent again, so a receiver that keeps ids drops doubles; the timestamp is that
of the attempt, so that it can refuse old ones. With two keys there are two signatures, and either suffices: the
receiver changes its key whenever it likes between the two changes here.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from powerplane.adapters.alerts.posting import Poster
from powerplane.adapters.alerts.secret import Secret
from powerplane.adapters.alerts.sink import Sent
from powerplane.models.alerts.alert import Notice
from powerplane.models.alerts.grouping import Bundle
from powerplane.models.alerts.words import deed, headline
from powerplane.models.errors import InputError

PREFIX = "whsec_"
LEAST_KEY_BYTES = 24
MOST_KEYS = 2
VERSION = 1


class Webhook:
    """A sink.

    Parameters
    ----------
    poster : Poster
    keys : sequence of bytes
        One, or two during a rotation, the new one first.
    now : callable
        Unix seconds.
    """

    name = "webhook"

    def __init__(self, poster: Poster, keys: Sequence[bytes], *, now: Callable[[], float] = time.time) -> None:
        self._poster = poster
        self._keys = tuple(keys)
        self._now = now

    def send(self, bundle: Bundle) -> Sent:
        """Send a bundle as one signed message."""
        body = msgspec.json.encode(body_of(bundle))
        stamp = str(int(self._now()))
        headers = {
            "webhook-id": bundle.id,
            "webhook-timestamp": stamp,
            "webhook-signature": " ".join(sign(key, bundle.id, stamp, body) for key in self._keys),
            "Idempotency-Key": bundle.id,
        }
        return self._poster.post(body, headers)


def sign(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a message, as its header takes it."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def read_keys(secrets: Sequence[Secret]) -> tuple[bytes, ...]:
    """Return the keys of some secrets: ``whsec_`` and base64, or the text itself.

    Raises
    ------
    InputError
        Which never tells the keys.
    """
    if not 0 < len(secrets) <= MOST_KEYS:
        told = f"{len(secrets)} keys" if secrets else "no key to sign with"
        raise InputError(f"--webhook has {told}", "give one by --webhook-key-file, or two in a rotation, one a line")
    return tuple(_key(secret.reveal()) for secret in secrets)


def body_of(bundle: Bundle) -> dict[str, Any]:
    """Return a bundle in the form that receivers build on."""
    return {
        "version": VERSION,
        "id": bundle.id,
        "what": bundle.what,
        "kind": bundle.kind,
        "policy": bundle.policy,
        "at": bundle.at_s,
        "alerts": [_alert(notice) for notice in bundle.notices],
    }


def _alert(notice: Notice) -> dict[str, Any]:
    finding = notice.finding
    return {
        "id": notice.id,
        "episode": notice.episode,
        "sequence": notice.sequence,
        "subject": finding.key.subject,
        "level": finding.level,
        "mode": finding.mode,
        "severity": finding.severity,
        "since": notice.began_s,
        "drawWatts": finding.draw_mw / 1000,
        "limitWatts": finding.limit_mw / 1000,
        "overWatts": finding.over_mw / 1000,
        "wouldHave": {
            "lever": finding.remedy.lever,
            "freedWatts": finding.remedy.freed_mw / 1000,
            "pods": list(finding.remedy.pods),
            "podCount": finding.remedy.count,
            "enough": finding.remedy.enough,
        },
        "summary": headline(notice),
        "description": deed(finding),
        "ended": notice.ended,
    }


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else text.encode()
    except (binascii.Error, ValueError) as error:
        raise InputError(f"a key of the webhook is not base64 after {PREFIX}", "write it again") from error
    if len(key) < LEAST_KEY_BYTES:
        raise InputError(
            f"a key of the webhook has {len(key)} bytes", f"use {LEAST_KEY_BYTES} or more: openssl rand -hex 32"
        )
    return key
