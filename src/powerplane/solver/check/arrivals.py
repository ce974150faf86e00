"""Whether Kubernetes would accept each arriving pod on its target, whatever else of the wave has happened."""

from collections import defaultdict
from collections.abc import Iterator

from powerplane.models.objects import Node
from powerplane.models.snapshot import PodTemplate
from powerplane.solver.check.between import Between
from powerplane.solver.check.ledger import Cluster, Ledger
from powerplane.solver.check.replay import Step, Wave
from powerplane.solver.check.report import Violation
from powerplane.solver.check.selectors import affinity_holds, ports_conflict, selects_node, untolerated

Finding = tuple[str, str]
"""Kind and detail of a violation."""


class Arrivals:
    """The scheduler's filters, judged at their worst."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.templates = cluster.snapshot.templates
        self.between = Between(cluster)
        self._node_findings: dict[tuple[int, int], list[Finding]] = {}
        self._with_ports = [row for row, template in enumerate(self.templates) if template.host_ports]

    def check(self, ledger: Ledger, wave: Wave) -> Iterator[Violation]:
        """Find the arrivals of a wave that the scheduler might refuse."""
        self.between.begin(ledger, wave)
        coming: dict[int, list[Step]] = defaultdict(list)
        for step in wave.steps:
            if self.templates[step.template].host_ports:
                coming[step.target].append(step)
        for step in wave.steps:
            findings = [*self._on_node(step), *self._ports(ledger, step, coming), *self.between.findings(step)]
            for kind, detail in findings:
                pod, node = self.cluster.pod_name(step.pod), self.cluster.names[step.target]
                yield Violation(kind, pod, wave.number, f"{detail} (arriving on {node!r})")

    def _on_node(self, step: Step) -> list[Finding]:
        key = step.template, step.target
        if key not in self._node_findings:
            node = self.cluster.snapshot.nodes[step.target]
            self._node_findings[key] = list(node_findings(self.templates[step.template], node))
        return self._node_findings[key]

    def _ports(self, ledger: Ledger, step: Step, coming: dict[int, list[Step]]) -> Iterator[Finding]:
        """Ensures that no other pod that may be on the node holds a host port of the arriving pod."""
        mine = self.templates[step.template].host_ports
        if not mine:
            return
        held = [row for row in self._with_ports if ledger.seats[row].get(step.target, 0)]
        held += [other.template for other in coming[step.target] if other is not step]
        for row in held:
            if port := ports_conflict(mine, self.templates[row].host_ports):
                yield "host-port", f"port {port[2]}/{port[0]} on {port[1]} may be taken"
                return


def node_findings(template: PodTemplate, node: Node) -> Iterator[Finding]:
    """Ensures that the node's labels and taints, and the pod's volumes, let the pod in."""
    labels = node.metadata.labels or {}
    for key, value in template.node_selector:
        if labels.get(key) != value:
            yield "node-selector", f"wants {key}={value}, the node has {labels.get(key)!r}"
    if not affinity_holds(template.affinity, node):
        yield "node-affinity", "no term of its required node affinity holds"
    if not all(selects_node(selector, node) for selector in template.volume_selectors):
        yield "volume", "a volume cannot be reached from the node"
    if taint := untolerated(node, template.tolerations):
        yield "taint", f"does not tolerate {taint.key}={taint.value}:{taint.effect}"
