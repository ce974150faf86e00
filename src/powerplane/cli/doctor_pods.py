"""``powerplane doctor``: pods: whose CPU use is measured, whose owner and whose node are known."""

from collections.abc import Iterator, Sequence

import numpy as np

from powerplane.cli.doctor_advice import install
from powerplane.cli.doctor_section import Finding, SectionReport, SectionView
from powerplane.cli.report import words
from powerplane.models.plain import printable
from powerplane.models.plan import Wire
from powerplane.models.telemetry.node_readings import PodReadings
from powerplane.models.telemetry.readings import SourceReading

OWNER_METRICS = ("kube_pod_owner", "kube_pod_info")
NOBODY = ("", "<none>")
MOST_NAMES = 5
LATER = (
    "look again after two scrapes: a pod that has just begun or ended has none; where it stays so, see that its node's "
    "kubelet is scraped"
)


class PodsView(Wire, frozen=True):
    """Pods that any source tells of.

    Attributes
    ----------
    with_cpu_use, with_gpu_watts, with_share, on_known_node : int
        How many of them.
    owners_told : bool
        Whether any source tells owners; else they come from the API server alone.
    with_owner : int
    """

    pods: int
    with_cpu_use: int
    with_gpu_watts: int
    with_share: int
    on_known_node: int
    owners_told: bool
    with_owner: int


def examine_pods(pods: PodReadings, answers: Sequence[SourceReading]) -> SectionReport:
    """Report on pods.

    Parameters
    ----------
    pods : PodReadings
    answers : sequence of SourceReading
        For the owners.
    """
    names = list(zip(pods.namespaces, pods.pods, strict=True))
    owners = _owners(answers)
    without_use = [name for name, bad in zip(names, np.isnan(pods.cpu_cores).tolist(), strict=True) if bad]
    # A pod that has just come is known to some exporters before it is to kube-state-metrics.
    without_owner = [name for name in names if owners.get(name) == ""]
    view = PodsView(
        pods=len(names),
        with_cpu_use=len(names) - len(without_use),
        with_gpu_watts=int(np.count_nonzero(~np.isnan(pods.gpu_watts))),
        with_share=int(np.count_nonzero(~np.isnan(pods.share_watts))),
        on_known_node=sum(bool(node) for node in pods.nodes),
        owners_told=bool(owners),
        with_owner=sum(bool(owners.get(name)) for name in names),
    )
    findings = tuple(_findings(view, without_use, without_owner))
    return SectionReport(SectionView(name="pods", title="Pods", findings=findings, data=view))


def _owners(answers: Sequence[SourceReading]) -> dict[tuple[str, str], str]:
    """Owner of each pod that a source tells one for, "" for none, as ``Kind/name``."""
    found: dict[tuple[str, str], str] = {}
    for answer in answers:
        for block in answer.blocks:
            if block.meaning.metric not in OWNER_METRICS:
                continue
            for entity, kept in zip(block.entities, block.kept, strict=True):
                key = (entity.namespace, entity.pod)
                owner = "" if any(part in NOBODY for part in kept) else "/".join(kept)
                found[key] = found.get(key) or owner
    return found


def _findings(
    view: PodsView, without_use: Sequence[tuple[str, str]], without_owner: Sequence[tuple[str, str]]
) -> Iterator[Finding]:
    if not view.pods:
        yield Finding(level="warn", check="pods", text="no source tells of any pod", next=install("pod cpu cores"))
        return
    if without_use:
        yield Finding(
            level="warn",
            check="CPU use",
            text=f"{len(without_use):,} of {words.count(view.pods, 'pod')} without measured CPU use count by requests: "
            f"{_names(without_use)}",
            next=LATER if view.with_cpu_use else install("pod cpu cores"),
        )
    else:
        yield Finding(level="ok", check="CPU use", text=f"measured of all {words.count(view.pods, 'pod')}")
    if not view.owners_told:
        yield Finding(
            level="ok", check="owners", text="no source tells owners of pods; with a cluster they come from its API"
        )
    elif without_owner:
        yield Finding(
            level="warn",
            check="owners",
            text=f"{words.count(len(without_owner), 'pod')} without an owner, which nothing would make again: "
            f"{_names(without_owner)}",
            next="run them under a Deployment, StatefulSet or Job",
        )
    if lost := view.pods - view.on_known_node:
        yield Finding(level="warn", check="nodes of pods", text=f"{words.count(lost, 'pod')} on no known node")


def _names(pods: Sequence[tuple[str, str]]) -> str:
    shown = ", ".join(printable(f"{namespace}/{pod}") for namespace, pod in pods[:MOST_NAMES])
    return shown if len(pods) <= MOST_NAMES else f"{shown} and {len(pods) - MOST_NAMES:,} more"
