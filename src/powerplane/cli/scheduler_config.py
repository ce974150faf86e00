"""``powerplane scheduler-config``."""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from cyclopts import Parameter

from powerplane.adapters.reading import read_file
from powerplane.adapters.typed_yaml import LONGEST_BYTES, parse_typed_yaml
from powerplane.cli.exit_codes import FAULTY, OK
from powerplane.cli.output import print_data, print_text, warn
from powerplane.models.errors import UsageError
from powerplane.models.scheduler_config import (
    DEFAULT_URL,
    DEFAULT_WEIGHT,
    ExtenderEntry,
    Lock,
    patched,
    second_scheduler,
)
from powerplane.models.scheduler_config_check import check_configuration
from powerplane.models.scheduler_config_extender import Finding

Form = Literal["yaml", "json"]

DEFAULTS = ExtenderEntry()


def scheduler_config(
    *,
    patch: Annotated[Path | None, Parameter(help="Put the extender into this configuration; the rest is kept.")] = None,
    check: Annotated[Path | None, Parameter(help="Say what is wrong in this configuration, and write none.")] = None,
    lock: Annotated[
        Lock | None,
        Parameter(help="What holds budgets: the extender alone, or watts on nodes as well. [default: extender]"),
    ] = None,
    scheduler_name: Annotated[str, Parameter(help="Name of the second scheduler.")] = "power-scheduler",
    namespace: Annotated[str, Parameter(help="Namespace of the second scheduler's Lease.")] = "kube-system",
    kubeconfig_path: Annotated[str, Parameter(help="The second scheduler's kubeconfig; none in a pod.")] = "",
    url: Annotated[str, Parameter(help="The extender's address and path.")] = DEFAULT_URL,
    ca_file: Annotated[str, Parameter(help="The extender's CA, as kube-scheduler sees it.")] = DEFAULTS.ca_file,
    cert_file: Annotated[str, Parameter(help="The scheduler's certificate.")] = DEFAULTS.cert_file,
    key_file: Annotated[str, Parameter(help="The scheduler's key.")] = DEFAULTS.key_file,
    weight: Annotated[int, Parameter(help="Against the built-in scores, 12 in all.")] = DEFAULT_WEIGHT,
    timeout: Annotated[str, Parameter(help="How long the scheduler waits for an answer.")] = DEFAULTS.timeout,
    bind: Annotated[bool, Parameter(help="Let the extender bind pods.")] = False,
    nodes: Annotated[int, Parameter(help="Size of the cluster, for --check.")] = 5000,
    output: Annotated[
        Form | None, Parameter(name=["--output", "-o"], help="yaml (default) or json; of findings too.")
    ] = None,
) -> int:
    """Write a KubeSchedulerConfiguration with PowerPlane's extender, or check one.

    Without --patch or --check: that of a second scheduler, for pods with `schedulerName: power-scheduler`. Exit code
    3: the check found an error, and budgets would not be held.
    """
    if check is not None and patch is not None:
        raise UsageError("--check and --patch cannot go together", "patch first, then check what was written")
    if check is not None:
        return _tell(check_configuration(_read(check), lock, nodes), output)
    entry = ExtenderEntry(lock or "extender", url, ca_file, cert_file, key_file, weight, timeout, bind)
    whole = (
        second_scheduler(entry, scheduler_name, namespace, kubeconfig_path)
        if patch is None
        else patched(_read(patch), entry)
    )
    print_data(_encoded(whole, output or "yaml"))
    return _warn_of(check_configuration(whole, entry.lock, nodes))


def _read(path: Path) -> Any:
    return parse_typed_yaml(read_file(path, max_file_bytes=LONGEST_BYTES), str(path))


def _tell(findings: list[Finding], output: Form | None) -> int:
    if output is not None:
        print_data(_encoded({"findings": msgspec.to_builtins(findings)}, output))
    else:
        for finding in findings:
            print_text(_line(finding))
        print_text("nothing is wrong" if not findings else f"findings: {len(findings)}")
    return FAULTY if _has_error(findings) else OK


def _warn_of(findings: list[Finding]) -> int:
    """What was written is data; what is still wrong in it, by the caller's choice or the rest of the file, is not."""
    for finding in findings:
        warn(_line(finding))
    return FAULTY if _has_error(findings) else OK


def _has_error(findings: list[Finding]) -> bool:
    return any(finding.severity == "error" for finding in findings)


def _line(finding: Finding) -> str:
    return f"{finding.severity}: {finding.place}: {finding.problem}\n  next: {finding.next_step}"


def _encoded(value: Any, form: Form) -> bytes:
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode()
