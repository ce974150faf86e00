"""How Prometheus finds the exporters: its configuration, and its HTTP service discovery.

Labels are set by relabelling, as operators do it: each series gets its target's address as ``instance``, and the node
as ``node`` where the exporter does not name it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from powerplane.simulator.exporter.layout import address_of
from powerplane.simulator.exporter.page import Exporter
from powerplane.simulator.truth import Truth

NODE_META, ADDRESS_META = "__meta_kubernetes_node_name", "__meta_kubernetes_node_address_InternalIP"
"""As the discovery of nodes in Kubernetes names them."""


def targets(exporter: Exporter, truth: Truth, addresses: Mapping[str, str], address: str) -> list[dict[str, Any]]:
    """Every node's exporter, as ``http_sd_configs`` reads it: all behind one address, each under a path of its own."""
    with_gpu = set(truth.gpu_node.tolist())
    if not exporter.per_node:
        return [{"targets": [address], "labels": {"__metrics_path__": f"/metrics/{exporter.name}"}}]
    return [
        {
            "targets": [address],
            "labels": {
                "__metrics_path__": f"/nodes/{node}/{exporter.name}",
                NODE_META: node,
                ADDRESS_META: addresses.get(node) or address_of(row),
            },
        }
        for row, node in enumerate(truth.nodes)
        if row in with_gpu or not exporter.gpu_only
    ]


def prometheus_yml(exporters: Iterable[Exporter], address: str, scrape: str, *, together: bool) -> str:
    """Write a whole ``prometheus.yml``.

    Parameters
    ----------
    exporters : iterable of Exporter
    address : str
        Where the exporters are, ``host:port``.
    scrape : str
        Scrape interval, such as ``15s``.
    together : bool
        One page for all nodes of a kind, which carries the labels that scraping each node would have added; else a
        target for each node.
    """
    jobs = "".join((_together if together else _apart)(exporter, address) for exporter in exporters)
    return (
        f"# Scrapes the simulated cluster's exporters at {address}.\n"
        f"global:\n  scrape_interval: {scrape}\n  scrape_timeout: {scrape}\nscrape_configs:\n{jobs}"
    )


def _together(exporter: Exporter, address: str) -> str:
    return (
        f"- job_name: {exporter.name}\n  honor_labels: true\n  metrics_path: /metrics/{exporter.name}\n"
        f'  static_configs:\n  - targets: ["{address}"]\n'
    )


def _apart(exporter: Exporter, address: str) -> str:
    found = (
        f"- job_name: {exporter.name}\n  http_sd_configs:\n"
        f"  - url: http://{address}/sd/{exporter.name}\n    refresh_interval: 5s\n"
    )
    if not exporter.per_node:
        return found
    found += (
        f"  relabel_configs:\n  - source_labels: [{ADDRESS_META}]\n    target_label: instance\n"
        f"    replacement: $1:{exporter.port}\n"
    )
    if not exporter.says_node:
        found += f"  - source_labels: [{NODE_META}]\n    target_label: node\n"
    return found
