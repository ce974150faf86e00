"""Where certificates are kept, as those see it who look after them; ``cluster`` is the real one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from powerplane.adapters.webhook_lease import Report
from powerplane.admission.certificates.bundle import Bundle, read_bundle
from powerplane.admission.certificates.keys import Keys
from powerplane.admission.certificates.rotation import Asked

What = Literal["secret", "configuration", "lease"]


class TroubleError(Exception):
    """The cluster did not answer, or refused.

    Parameters
    ----------
    what : What
    told : str
        Why, in words that may be shown.
    """

    def __init__(self, what: What, told: str) -> None:
        super().__init__(told)
        self.what = what


@dataclass(frozen=True, slots=True)
class SeenSecret:
    """The Secret at one moment."""

    version: str
    keys: Keys = field(repr=False)
    asked: Asked = ""


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook of a configuration.

    Parameters
    ----------
    name, host : str
        The host is what API servers want the certificate to be for.
    bundle : bytes
        What they trust, in PEM; empty: what their system trusts.
    """

    name: str
    host: str
    bundle: bytes

    @property
    def trusted(self) -> Bundle:
        """The bundle, read."""
        return read_bundle(self.bundle)


@dataclass(frozen=True, slots=True)
class Registration:
    """A webhook configuration at one moment.

    Parameters
    ----------
    path, version : str
    hooks : tuple of Hook
    injected : bool
        Whether cert-manager writes its bundles.
    """

    path: str
    version: str
    hooks: tuple[Hook, ...]
    injected: bool = False


class Place(Protocol):
    """Where all of it is kept. Everything may raise `TroubleError`."""

    def secret(self) -> SeenSecret:
        """Read the Secret."""
        ...

    def put_secret(self, seen: SeenSecret, keys: Keys) -> None:
        """Write it, if it is as it was seen; what was asked is done then."""
        ...

    def registrations(self) -> tuple[Registration, ...]:
        """Read the configurations that there are."""
        ...

    def put_bundles(self, seen: Registration, bundles: Sequence[Bundle]) -> None:
        """Write what the webhooks of a configuration trust, if it is as it was seen."""
        ...

    def reports(self) -> dict[str, Report]:
        """Read what replicas say."""
        ...

    def report(self, patch: Mapping[str, Any]) -> None:
        """Merge into the Lease of reports."""
        ...
