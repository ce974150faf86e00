"""The objects of the cluster that certificates live in: the Secret, the webhook configurations, the Lease of reports.

Every write holds only for what was seen. No content of the Secret, and nothing that a server says about it, is ever
logged: a server may quote what it was sent.
"""

from base64 import b64decode, b64encode
from binascii import Error as NoBase64Error
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_http import TRANSPORT_ERRORS, Answer, Request, fetch, message, reason
from powerplane.adapters.cluster_writes import Writer, Written
from powerplane.adapters.lease_look import Lease, lease_path
from powerplane.adapters.webhook_lease import WEBHOOK_LEASE, Report, read_reports
from powerplane.admission.certificates.bundle import Bundle, write_bundle
from powerplane.admission.certificates.keys import Keys, decode_data, encode_data, read_keys, write_keys
from powerplane.admission.certificates.place import Hook, Registration, SeenSecret, TroubleError, What
from powerplane.admission.certificates.rotation import Asked
from powerplane.models.objects import Narrow

ASKED_ANNOTATION: Final = "powerplane.dev/renew"
"""On the Secret: ``certificate`` or ``authority`` is made anew, as soon as that can be done without a gap."""

INJECTED_ANNOTATION: Final = "cert-manager.io/inject-ca-from"
CONFIGURATIONS: Final = (
    "mutatingwebhookconfigurations/powerplane",
    "validatingwebhookconfigurations/powerplane",
    "validatingwebhookconfigurations/powerplane-rollouts",
)
T = TypeVar("T")


class _Meta(Narrow, frozen=True):
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class _Secret(Narrow, frozen=True):
    metadata: _Meta = _Meta()
    data: dict[str, str] | None = None


class _Service(Narrow, frozen=True):
    name: str = ""
    namespace: str = ""


class _ClientConfig(Narrow, frozen=True):
    url: str = ""
    ca_bundle: str = ""
    service: _Service | None = None


class _Hook(Narrow, frozen=True):
    name: str = ""
    client_config: _ClientConfig = _ClientConfig()


class _Configuration(Narrow, frozen=True):
    metadata: _Meta = _Meta()
    webhooks: tuple[_Hook, ...] = ()


class ClusterPlace:
    """A `Place` in a cluster.

    Parameters
    ----------
    access : ClusterAccess
    namespace, secret : str
        Of the Secret and the Lease. No name: no Secret is read.
    configurations : tuple of str
        Each a plural and a name.
    timeout_s : float
        For one request; what fails is tried again in the next round.
    """

    def __init__(
        self,
        access: ClusterAccess,
        namespace: str,
        secret: str,
        configurations: tuple[str, ...] = CONFIGURATIONS,
        timeout_s: float = 2.0,
    ) -> None:
        self._access = access
        self._timeout_s = timeout_s
        self._writer = Writer(access, timeout_s, attempts=1)
        within = f"/api/v1/namespaces/{quote(namespace, safe='')}/secrets"
        self._secret = f"{within}/{quote(secret, safe='')}"
        self._told = f"the Secret {namespace}/{secret}"
        self._lease = lease_path(namespace, WEBHOOK_LEASE)
        self._configurations = [f"/apis/admissionregistration.k8s.io/v1/{quote(each)}" for each in configurations]

    def secret(self) -> SeenSecret:
        """Read the Secret."""
        answer = self._get("secret", self._secret)
        if answer.status != 200:
            raise TroubleError("secret", f"{self._told} cannot be read: HTTP {answer.status}")
        try:
            found = msgspec.json.decode(answer.body, type=_Secret)
        except msgspec.MsgspecError:
            raise TroubleError("secret", f"{self._told} cannot be read: it is no Secret") from None
        wanted = (found.metadata.annotations or {}).get(ASKED_ANNOTATION, "")
        asked: Asked = "authority" if wanted == "authority" else "certificate" if wanted == "certificate" else ""
        return SeenSecret(found.metadata.resource_version, read_keys(decode_data(found.data)), asked)

    def put_secret(self, seen: SeenSecret, keys: Keys) -> None:
        """Write it, if it is as it was seen; what was asked is done then."""
        metadata = {"resourceVersion": seen.version, "annotations": {ASKED_ANNOTATION: None}}
        body = {"metadata": metadata, "data": encode_data(write_keys(keys))}
        written = self._writer.merge_patch(self._secret, body)
        if not written.ok:
            raise TroubleError("secret", f"{self._told} cannot be written: HTTP {written.status}")

    def registrations(self) -> tuple[Registration, ...]:
        """Read the configurations that there are."""
        found = (self._registration(path) for path in self._configurations)
        return tuple(each for each in found if each is not None)

    def put_bundles(self, seen: Registration, bundles: Sequence[Bundle]) -> None:
        """Write what the webhooks of a configuration trust, if it is as it was seen."""
        patch: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": seen.version},
        ]
        for index, (hook, bundle) in enumerate(zip(seen.hooks, bundles, strict=True)):
            at = f"/webhooks/{index}"
            text = b64encode(write_bundle(bundle)).decode()
            patch += [
                {"op": "test", "path": f"{at}/name", "value": hook.name},
                {"op": "add", "path": f"{at}/clientConfig/caBundle", "value": text},
            ]
        _refuse("configuration", seen.path, self._writer.json_patch(seen.path, patch))

    def reports(self) -> dict[str, Report]:
        """Read what replicas say."""
        answer = self._get("lease", self._lease)
        if answer.status != 200:
            raise TroubleError("lease", f"{self._lease}: HTTP {answer.status} {message(answer.body)}".rstrip())
        return read_reports(_decode("lease", answer.body, Lease).metadata.annotations)

    def report(self, patch: Mapping[str, Any]) -> None:
        """Merge into the Lease of reports."""
        _refuse("lease", self._lease, self._writer.merge_patch(self._lease, patch))

    def _registration(self, path: str) -> Registration | None:
        answer = self._get("configuration", path)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise TroubleError("configuration", f"{path}: HTTP {answer.status} {message(answer.body)}".rstrip())
        found = _decode("configuration", answer.body, _Configuration)
        hooks = tuple(Hook(each.name, _host(each.client_config), _bytes(each)) for each in found.webhooks)
        injected = INJECTED_ANNOTATION in (found.metadata.annotations or {})
        return Registration(path, found.metadata.resource_version, hooks, injected)

    def _get(self, what: What, path: str) -> Answer:
        try:
            return fetch(self._access, Request("GET", path), self._timeout_s)
        except TRANSPORT_ERRORS as error:
            raise TroubleError(what, f"{path}: {reason(error, self._timeout_s)}") from error


def _decode(what: What, body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise TroubleError(what, f"the answer cannot be read: {error}") from error


def _refuse(what: What, path: str, written: Written) -> None:
    if not written.ok:
        raise TroubleError(what, f"{path}: {written.told}")


def _host(config: _ClientConfig) -> str:
    """What the certificate must be for: API servers ask a Service by this name, wherever it leads."""
    if config.service is not None:
        return f"{config.service.name}.{config.service.namespace}.svc"
    try:
        return urlsplit(config.url).hostname or ""
    except ValueError:
        return ""


def _bytes(hook: _Hook) -> bytes:
    try:
        return b64decode(hook.client_config.ca_bundle, validate=True)
    except (NoBase64Error, ValueError):
        return b""
