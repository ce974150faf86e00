"""The options about the webhook's certificates: defaults as documented, and combinations that cannot be."""

from pathlib import Path

import pytest

from powerplane.admission.certificates.cluster import CONFIGURATIONS
from powerplane.cli.serve_certificates import CertificateOptions
from powerplane.cli.serve_webhook import WebhookOptions
from powerplane.models.errors import UsageError

CERT, KEY = Path("webhook.crt"), Path("webhook.key")


def test_the_certificate_is_for_the_service_and_lives_a_month_the_authority_a_year():
    found = CertificateOptions(secret="powerplane-webhook").settings("a", "powerplane-system")
    host = "powerplane-webhook.powerplane-system.svc"
    assert found.terms.names == (host, f"{host}.cluster.local")
    days = (found.terms.certificate_life_s / 86400, found.terms.authority_life_s / 86400)
    assert days == (30, 365)
    assert (found.terms.settle_s, found.terms.forget_s, found.every_s) == (60, 86400, 5)
    assert found.configurations == CONFIGURATIONS


def test_names_lives_and_configurations_can_be_set():
    options = CertificateOptions(
        "s", ["127.0.0.1"], ["mutatingwebhookconfigurations/mine"], "30s", "2m", "1s", forget="10s"
    )
    found = options.settings("a", "n")
    assert found.terms.names == ("127.0.0.1",)
    assert (found.terms.certificate_life_s, found.terms.authority_life_s) == (30, 120)
    assert (found.configurations, found.every_s) == (("mutatingwebhookconfigurations/mine",), 0.25)


def test_without_a_secret_nothing_is_made():
    assert CertificateOptions().settings("a", "n").terms is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"certificate_life": "200d"}, "more than a third"),
        ({"forget": "25h"}, "more than a day"),
        ({"authority_life": "soon"}, "is not a duration"),
        ({"configurations": ["powerplane"]}, "names no webhook configuration"),
    ],
)
def test_what_cannot_be_is_refused(options, told):
    with pytest.raises(UsageError, match=told):
        CertificateOptions(secret="s", **options).settings("a", "n")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((None, "127.0.0.1", None, None, "s"), "need --webhook-port"),
        ((8443, "127.0.0.1", None, None, None), "needs a certificate"),
        ((8443, "127.0.0.1", CERT, None, None), "needs a certificate"),
        ((8443, "127.0.0.1", CERT, KEY, "s"), "makes a certificate"),
        ((8443, "127.0.0.1", None, KEY, "s"), "makes a certificate"),
    ],
)
def test_a_certificate_comes_from_files_or_from_a_secret(given, told):
    with pytest.raises(UsageError, match=told):
        WebhookOptions(*given).settings()


def test_either_will_do():
    assert WebhookOptions(8443, "127.0.0.1", CERT, KEY).settings().tls.certificate == CERT
    assert WebhookOptions(8443, "127.0.0.1", None, None, "s").settings().tls is None
    assert WebhookOptions(None, "127.0.0.1", None, None).settings() is None
