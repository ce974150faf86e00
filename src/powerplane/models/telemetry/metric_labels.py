"""Labels by which metrics say whose they are, and the forms of rows that several parts of the table share."""

from powerplane.models.telemetry.readings import Meaning, Quantity

NODE = ("node", "kubernetes_node", "node_name", "nodename")
"""Labels that name a node outright."""

HOST = (*NODE, "hostname", "Hostname", "host", "instance")
"""The same, else a host name, else the scraped address, which stands for the node until the two are matched."""

NAMESPACE, POD = ("exported_namespace", "namespace"), ("exported_pod", "pod")
"""Of the pod that is measured: Prometheus renames what an exporter says to ``exported_`` when it keeps its own."""

PLACE = ("datacenter", "room", "row", "rack")
"""Where a chassis says that it stands."""

TELEGRAF_NODE = ("node", "kubernetes_node", "source", "address")


def hwmon(metric: str, quantity: Quantity, unit: str, where: tuple[tuple[str, str], ...]) -> Meaning:
    """Return a figure of one of Linux' hardware monitors, through node_exporter."""
    return Meaning(metric, "hwmon", quantity, "gauge", unit, node=HOST, where=where)


def ipmi(metric: str, source: str, quantity: Quantity, unit: str, where: tuple[tuple[str, str], ...]) -> Meaning:
    """Return a figure of ipmi_exporter."""
    return Meaning(metric, source, quantity, "gauge", unit, node=HOST, where=where)
