"""What would have been done about a finding: worked out for those that are told, and not at every look."""

from collections.abc import Iterator, Mapping

from msgspec import structs

from powerplane.models.alerts.alert import Finding
from powerplane.models.alerts.evaluating import View
from powerplane.models.alerts.pods import PodKind, SeenPod, chosen, kinds_of, policy_name
from powerplane.models.alerts.remedy import Share, remedy_for


class WouldDo:
    """Adds to findings what would have been done.

    Parameters
    ----------
    view : View
        That the findings are of.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._policies = {policy_name(policy): policy for policy in view.policies}
        self._on_node: Mapping[str, list[SeenPod]] | None = None
        self._kinds: Mapping[PodKind, list[SeenPod]] | None = None

    def __call__(self, finding: Finding) -> Finding:
        """Return the finding with its remedy; as it is where nothing is over, or nobody has a lever."""
        policy = self._policies.get(finding.key.policy)
        if policy is None or not finding.over_mw or finding.key.kind == "DrawUnknown":
            return finding
        return structs.replace(finding, remedy=remedy_for(finding.over_mw, policy.spec.levers, self._shares(finding)))

    def _shares(self, finding: Finding) -> Iterator[Share]:
        view, key = self._view, finding.key
        if key.kind == "PodsOverCap":
            yield from (pod.share() for pod in chosen(self._policies[key.policy], kinds_of(view.pods), view.namespaces))
            return
        lost = view.rows.worst_lost(key.subject) if key.kind == "DomainOverIfFeedLost" else None
        row = lost or view.rows.alive(key.subject)
        on_node = self._pods_on_nodes()
        for node, part in row.nodes.items():
            yield from (pod.share(part) for pod in on_node.get(node, ()))

    def _pods_on_nodes(self) -> Mapping[str, list[SeenPod]]:
        if self._on_node is None:
            found: dict[str, list[SeenPod]] = {}
            for pod in self._view.pods:
                found.setdefault(pod.node, []).append(pod)
            self._on_node = found
        return self._on_node
