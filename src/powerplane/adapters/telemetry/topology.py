"""Where nodes hang, from all who tell: a topology file, nodes' labels, and the tags of their chassis."""

from collections.abc import Sequence

from powerplane.adapters.cluster_labels import FEED, RACK, ROW
from powerplane.models.objects import Node
from powerplane.models.telemetry.node_names import NodeNames, aliases_of, told_aliases
from powerplane.models.telemetry.places import LABELS, TAGS, Located, locate, tagged_places
from powerplane.models.telemetry.readings import SourceReading
from powerplane.models.topology import PowerTopology

LABEL_KEYS = {"rack": RACK, "row": ROW, "feed": FEED}


def labelled_places(nodes: Sequence[Node]) -> dict[str, dict[str, str]]:
    """Levels by node, by its labels; nodes without a rack are left out."""
    found = {}
    for node in nodes:
        labels = node.metadata.labels or {}
        levels = {kind: next((labels[key] for key in keys if labels.get(key)), "") for kind, keys in LABEL_KEYS.items()}
        if levels["rack"]:
            found[node.metadata.name] = {kind: name for kind, name in levels.items() if name}
    return found


def scraped_label_places(readings: Sequence[SourceReading]) -> dict[str, dict[str, str]]:
    """Levels by node, by the same labels as kube-state-metrics shows them where it is told to."""
    spelled = {kind: [f"label_{_scraped(key)}" for key in keys] for kind, keys in LABEL_KEYS.items()}
    found: dict[str, dict[str, str]] = {}
    for reading in readings:
        for block in reading.blocks:
            if block.meaning.metric == "kube_node_labels":
                for entity, kept in zip(block.entities, block.kept, strict=True):
                    labels = dict(zip(block.meaning.kept, kept, strict=True))
                    levels = {
                        kind: next((labels[key] for key in keys if labels.get(key)), "")
                        for kind, keys in spelled.items()
                    }
                    if levels["rack"]:
                        found[entity.node] = {kind: name for kind, name in levels.items() if name}
    return found


def located(
    nodes: Sequence[Node], readings: Sequence[SourceReading] = (), file: PowerTopology | None = None
) -> Located:
    """Place a cluster's nodes: by the file, else by their labels, else by the tags of their chassis.

    Parameters
    ----------
    nodes : sequence of Node
    readings : sequence of SourceReading
        Of Redfish, or of Prometheus with Telegraf's metrics.
    file : PowerTopology, optional
    """
    own = {node.metadata.name: aliases_of(node) for node in nodes}
    base = NodeNames(own)
    more = {base.match(name): aliases for name, aliases in told_aliases(readings).items()}
    names = NodeNames({name: (*aliases, *more.get(name, ())) for name, aliases in own.items()})
    told = {LABELS: scraped_label_places(readings) | labelled_places(nodes), TAGS: tagged_places(readings, names)}
    return locate(tuple(own), told, file)


def _scraped(key: str) -> str:
    return key.replace(".", "_").replace("/", "_").replace("-", "_")
