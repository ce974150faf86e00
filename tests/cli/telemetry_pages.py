"""Recordings of telemetry made by hand, in the form in which exporters serve their pages.

Every node's power swings a little, as that of real ones does: what stays the same to the bit is a frozen sensor.
"""

from pathlib import Path

BEGAN_S = 1_790_000_000
EVERY_S = 15
SCRAPES = 8
LAST_S = BEGAN_S + (SCRAPES - 1) * EVERY_S


def swing(watts: float, scrape: int) -> float:
    """Watts of a scrape: the last of a recording is what was asked for."""
    return watts + 0.37 * (SCRAPES - 1 - scrape)


def ipmi_page(watts: float, scrape: int) -> str:
    """A page of ipmi_exporter's with the collectors ipmi and dcmi."""
    return (
        "# TYPE ipmi_dcmi_power_consumption_current_watts gauge\n"
        f"ipmi_dcmi_power_consumption_current_watts {swing(watts, scrape)}\n"
        "# TYPE ipmi_up gauge\n"
        'ipmi_up{collector="dcmi"} 1\n'
    )


def kepler_page(node: str, watts: float, scrape: int, pods: dict[str, float] | None = None) -> str:
    """A page of Kepler's: one package zone, joules that add up, and pods' shares."""
    joules = sum(swing(watts, i) * EVERY_S for i in range(scrape + 1))
    zone = f'node_name="{node}",path="aggregated-package",zone="package"'
    lines = [
        "# TYPE kepler_node_cpu_watts gauge",
        f"kepler_node_cpu_watts{{{zone}}} {swing(watts, scrape)}",
        "# TYPE kepler_node_cpu_joules_total counter",
        f"kepler_node_cpu_joules_total{{{zone}}} {joules}",
        "# TYPE kepler_pod_cpu_watts gauge",
    ]
    for pod, share in (pods or {}).items():
        labels = f'node_name="{node}",pod_id="uid-{pod}",pod_name="{pod}",pod_namespace="shop",state="running"'
        lines.append(f'kepler_pod_cpu_watts{{{labels},zone="package"}} {swing(share, scrape)}')
    return "\n".join(lines) + "\n"


def cadvisor_page(cores: dict[str, float], scrape: int) -> str:
    """A page of the kubelet's cAdvisor: the machine's and each pod's seconds of CPU."""
    seconds = scrape * EVERY_S
    lines = ["# TYPE container_cpu_usage_seconds_total counter"]
    lines.append(f'container_cpu_usage_seconds_total{{id="/"}} {1000 + seconds * sum(cores.values())}')
    for pod, use in cores.items():
        labels = f'id="/kubepods/pod{pod}",namespace="shop",pod="{pod}",container=""'
        lines.append(f"container_cpu_usage_seconds_total{{{labels}}} {500 + seconds * use}")
    return "\n".join(lines) + "\n"


def owners_page(owners: dict[str, str]) -> str:
    """A page of kube-state-metrics: the owner of each pod, "" for none."""
    lines = ["# TYPE kube_pod_owner gauge"]
    for pod, owner in owners.items():
        kind, _, name = owner.partition("/") if owner else ("<none>", "", "<none>")
        labels = f'namespace="shop",pod="{pod}",uid="uid-{pod}",owner_kind="{kind}",owner_name="{name}"'
        lines.append(f"kube_pod_owner{{{labels}}} 1")
    return "\n".join(lines) + "\n"


def write_pages(directory: Path, pages: dict[str, list[str]]) -> Path:
    """Write the pages of instances, one after the other at equal intervals."""
    for instance, own in pages.items():
        (directory / instance).mkdir(parents=True)
        for scrape, page in enumerate(own):
            (directory / instance / f"{BEGAN_S + scrape * EVERY_S}.txt").write_text(page)
    return directory


def record_ipmi(directory: Path, watts: dict[str, float], scrapes: int = SCRAPES) -> Path:
    """A recording of ipmi_exporters, one on each node."""
    pages = {f"{node}:9290": [ipmi_page(own, i) for i in range(scrapes)] for node, own in watts.items()}
    return write_pages(directory, pages)
