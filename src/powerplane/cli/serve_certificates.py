"""The options of ``powerplane serve`` about the webhook's certificates."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter

from powerplane.adapters.webhook_lease import KEEP_S
from powerplane.admission.certificates.cluster import CONFIGURATIONS
from powerplane.admission.certificates.rotation import Terms
from powerplane.admission.certificates.run import EVERY_S, CertificateSettings
from powerplane.cli.options import parse_duration
from powerplane.models.errors import UsageError

CERTIFICATES = Group("The webhook's certificates", sort_key=6)
SERVICE = "powerplane-webhook"


def _told(name: str, told: str) -> Parameter:
    return Parameter(name=name, group=CERTIFICATES, negative=(), help=told)


@dataclass(frozen=True, slots=True)
class CertificateOptions:
    """What the command line says of certificates."""

    secret: Annotated[
        str | None,
        _told(
            "--webhook-secret",
            "Secret to keep an authority and a certificate of our own in, instead of files; needs the rights to.",
        ),
    ] = None
    names: Annotated[
        list[str] | None,
        _told("--webhook-name", f"Names and addresses that it is for; default {SERVICE}.NAMESPACE.svc."),
    ] = None
    configurations: Annotated[
        list[str] | None,
        _told(
            "--webhook-configuration",
            "Webhook configurations that must trust it, as mutatingwebhookconfigurations/NAME; default ours.",
        ),
    ] = None
    certificate_life: Annotated[
        str, _told("--certificate-life", "How long it holds; the next is made at two thirds.")
    ] = "30d"
    authority_life: Annotated[str, _told("--authority-life", "The same of our authority.")] = "365d"
    settle: Annotated[
        str, _told("--certificate-settle", "How long API servers are given to see that an authority is trusted.")
    ] = "60s"
    forget: Annotated[
        str, _told("--certificate-forget", "How long a replica that is not heard of may still show an old certificate.")
    ] = "1d"

    def settings(self, identity: str, namespace: str) -> CertificateSettings:
        """Return them, checked.

        Raises
        ------
        UsageError
            For times and names that cannot be.
        """
        configurations = tuple(self.configurations or CONFIGURATIONS)
        for each in configurations:
            if each.partition("/")[0] not in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
                raise UsageError(
                    f"--webhook-configuration {each!r} names no webhook configuration",
                    f"give its kind and name, such as {CONFIGURATIONS[0]}",
                )
        if self.secret is None:
            return CertificateSettings(identity, namespace, configurations=configurations)
        host = f"{SERVICE}.{namespace}.svc"
        terms = Terms(
            tuple(self.names or (host, f"{host}.cluster.local")),
            parse_duration(self.authority_life, "--authority-life"),
            parse_duration(self.certificate_life, "--certificate-life"),
            parse_duration(self.settle, "--certificate-settle"),
            parse_duration(self.forget, "--certificate-forget"),
        )
        if terms.certificate_life_s > terms.authority_life_s / 3:
            raise UsageError(
                "--certificate-life is more than a third of --authority-life: an authority would end with its own",
                "give the authority at least three times as long",
            )
        if terms.forget_s > KEEP_S / 2:
            raise UsageError(
                "--certificate-forget is more than a day: what a replica says is not kept so long", "give a day or less"
            )
        every_s = min(EVERY_S, terms.settle_s / 4)
        return CertificateSettings(identity, namespace, self.secret, terms, configurations, every_s)


Certificates = Annotated[CertificateOptions, Parameter(name="*")]
NO_OPTIONS = CertificateOptions()
