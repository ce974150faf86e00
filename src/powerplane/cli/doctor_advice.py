"""What to install or switch on, where a kind of measurement is missing: charts, exporters and flags by name.

The names are those of the charts' and exporters' own values and pages: prometheus-community's charts, NVIDIA's
dcgm-exporter, Kepler's ``manifests/helm/kepler``, kube-prometheus-stack.
"""

from typing import NamedTuple

from powerplane.models.telemetry.readings import Quantity

HELM = "helm upgrade --install"


class Advice(NamedTuple):
    """What would bring a kind of measurement.

    Parameters
    ----------
    brings : str
        What is then known.
    how : str
        What to type, or to switch on.
    """

    brings: str
    how: str


IPMI = Advice(
    "the whole machine's watts from its management controller (ipmi_exporter's collector dcmi)",
    f"{HELM} ipmi prometheus-community/prometheus-ipmi-exporter "
    '--set-json \'modules.default.collectors=["bmc","ipmi","chassis","dcmi"]\' (the chart leaves dcmi out), with '
    "a relabelling that puts the node's name into the label `node`",
)

KEPLER_PLATFORM = Advice(
    "the whole machine's watts by Redfish (Kepler's platform collector)",
    "in Kepler's chart: --set config.experimental.platform.redfish.enabled=true, and each node's BMC in redfish.yaml",
)

KEPLER = Advice(
    "packages, memory and pods' shares on bare metal with RAPL",
    f"{HELM} kepler manifests/helm/kepler --set serviceMonitor.enabled=true --set config.kube.enabled=true "
    "(Kepler's repository)",
)

RAPL = Advice(
    "packages and memory by node_exporter's collector rapl, which is on by default",
    f"{HELM} node-exporter prometheus-community/prometheus-node-exporter with securityContext.runAsUser=0: the "
    "kernel shows energy counters to root only",
)

DCGM = Advice(
    "each NVIDIA GPU's watts, of DCGM itself",
    f"{HELM} dcgm-exporter gpu-helm-charts/dcgm-exporter --set serviceMonitor.enabled=true; with counters of your own "
    "keep DCGM_FI_DEV_POWER_USAGE and DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION in the file of --collectors",
)

CADVISOR = Advice(
    "CPU use of nodes and pods (the kubelet's cAdvisor)",
    f"{HELM} kube-prometheus-stack prometheus-community/kube-prometheus-stack "
    "--set kubelet.serviceMonitor.cAdvisor=true",
)

KUBE_STATE = Advice(
    "owners of pods and addresses of nodes, where no API server is at hand",
    f"{HELM} kube-state-metrics prometheus-community/kube-state-metrics --set 'metricLabelsAllowlist[0]=nodes=[*]'",
)

BY_QUANTITY: dict[Quantity, tuple[Advice, ...]] = {
    "node watts": (IPMI, KEPLER_PLATFORM),
    "cpu watts": (KEPLER, RAPL),
    "gpu watts": (DCGM,),
    "pod cpu cores": (CADVISOR,),
    "node cpu cores": (CADVISOR,),
    "info": (KUBE_STATE,),
}
"""By what is missing, the best first."""

BY_METRIC: dict[str, str] = {
    "ipmi_dcmi_power_consumption_current_watts": "add `dcmi` to the collectors of ipmi_exporter's module",
    "DCGM_FI_DEV_POWER_USAGE": "put DCGM_FI_DEV_POWER_USAGE into the counters of dcgm-exporter (--collectors FILE)",
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": "put it into the counters of dcgm-exporter (--collectors FILE)",
    "kepler_platform_watts": "switch Kepler's experimental.platform.redfish on",
    "kepler_node_gpu_watts": "switch Kepler's experimental.gpu on, or install dcgm-exporter",
    "kepler_pod_cpu_watts": "switch Kepler's kube.enabled on",
    "kube_node_labels": "let kube-state-metrics show labels of nodes: --metric-labels-allowlist=nodes=[*]",
}
"""What brings a metric of a source that is there already, but does not have it."""


def install(quantity: Quantity) -> str:
    """Say in one sentence what would bring a kind of measurement; "" where nothing is known to."""
    known = BY_QUANTITY.get(quantity, ())
    return "; or ".join(f"for {advice.brings}: {advice.how}" for advice in known)
