"""Random rules: selectors, affinity, spreading and tolerations, which meet what they name about as often as not."""

from random import Random
from typing import Any

from tests.rig.cell_values import APPS, EFFECTS, KEYS, NAMESPACES, TAINT_VALUES, TIERS, VERSIONS, ZONE, Json


class Chooser:
    """Draws the parts of one cell from what chance says.

    Parameters
    ----------
    odd : bool
        Draw namespace selectors that hold without any label, and names of nodes in the affinity of volumes.
    """

    def __init__(self, random: Random, prefix: str, odd: bool) -> None:
        self.random = random
        self.prefix = prefix
        self.odd = odd
        self.taken: dict[str, set[tuple[str, str, int]]] = {}

    def some(self, chance: float) -> bool:
        return self.random.random() < chance

    def one(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def few(self, choices: Any, most: int = 2) -> list[Any]:
        return self.random.sample(list(choices), self.random.randint(1, min(most, len(choices))))


class RuleMaker(Chooser):
    """Draws selectors and rules."""

    def labels(self) -> dict[str, str]:
        labels = {"app": self.one(*APPS)}
        if self.some(0.6):
            labels["tier"] = self.one(*TIERS)
        if self.some(0.5):
            labels["version"] = self.one(*VERSIONS)
        return labels

    def label_selector(self) -> Json | None:
        kind = self.random.randrange(8)
        if kind == 0:
            return {}
        if kind == 1:
            return None
        if kind < 5:
            return {"matchLabels": {"app": self.one(*APPS)}}
        expressions: list[Json] = [
            {"key": "app", "operator": self.one("In", "NotIn"), "values": self.few(APPS)},
            {"key": "tier", "operator": self.one("Exists", "DoesNotExist")},
        ]
        return {"matchExpressions": self.few(expressions)}

    def node_expression(self) -> Json:
        kind = self.random.randrange(6)
        if kind < 2:
            key, values = self.one((ZONE, ("z1", "z2", "z3", "zz")), ("rack", ("k1", "k2", "")), ("disk", ("ssd", "")))
            return {"key": key, "operator": ("In", "NotIn")[kind], "values": self.few(values)}
        if kind < 4:
            return {"key": self.one(*KEYS, "disk", "gen", "nothing"), "operator": ("Exists", "DoesNotExist")[kind - 2]}
        values = [self.one("0", "2", "7", "12", "1000")]
        return {"key": self.one("gen", "gen", "disk"), "operator": ("Gt", "Lt")[kind - 4], "values": values}

    def node_term(self, fields: bool) -> Json:
        if self.some(0.06):
            return {}
        term: Json = {}
        if not fields or self.some(0.85):
            term["matchExpressions"] = [self.node_expression() for _ in range(self.random.randint(1, 2))]
        if fields and (self.some(0.15) or not term):
            name = f"{self.prefix}-n{self.random.randrange(64)}"
            term["matchFields"] = [{"key": "metadata.name", "operator": self.one("In", "NotIn"), "values": [name]}]
        return term

    def node_selector_terms(self, fields: bool = True) -> Json:
        return {"nodeSelectorTerms": [self.node_term(fields) for _ in range(self.random.randint(1, 3))]}

    def pod_term(self) -> Json:
        term: Json = {"topologyKey": self.one(*KEYS)}
        if (selector := self.label_selector()) is not None:
            term["labelSelector"] = selector
        if self.some(0.25):
            term["namespaces"] = self.few(NAMESPACES)
        if self.some(0.25):
            without = self.one("Exists", "DoesNotExist") if self.odd else "Exists"
            team = [{"key": "team", "operator": without}, {"key": "stage", "operator": "DoesNotExist"}][
                : self.one(1, 2)
            ]
            term["namespaceSelector"] = self.one({}, {"matchLabels": {"team": "x"}}, {"matchExpressions": team})
        if selector is not None and "app" not in str(selector):
            if self.some(0.3):
                term["matchLabelKeys"] = ["app"]
            elif self.some(0.3):
                term["mismatchLabelKeys"] = [self.one("app", "version")]
        return term

    def affinity_terms(self, labels: dict[str, str]) -> list[Json]:
        terms = [self.pod_term()]
        if self.some(0.4):
            # One's own kind: the first pod of a series is let in anywhere.
            terms = [{"topologyKey": self.one(*KEYS), "labelSelector": {"matchLabels": {"app": labels["app"]}}}]
        if self.some(0.25):
            terms.append(self.pod_term())
        if self.some(0.15):
            terms.append(terms[0] | {"topologyKey": self.one(*KEYS)})
        return terms

    def spread(self) -> Json:
        one: Json = {
            "maxSkew": self.random.randint(1, 3),
            "topologyKey": self.one(*KEYS),
            "whenUnsatisfiable": "DoNotSchedule" if self.some(0.85) else "ScheduleAnyway",
        }
        if (selector := self.label_selector()) is not None:
            one["labelSelector"] = selector
        if one["whenUnsatisfiable"] == "DoNotSchedule" and self.some(0.25):
            one["minDomains"] = self.random.randint(1, 6)
        if self.some(0.3):
            one["nodeAffinityPolicy"] = self.one("Honor", "Ignore")
        if self.some(0.3):
            one["nodeTaintsPolicy"] = self.one("Honor", "Ignore")
        if selector is not None and "app" not in str(selector) and self.some(0.3):
            one["matchLabelKeys"] = ["app"]
        return one

    def spreads(self) -> list[Json]:
        found = [self.spread() for _ in range(self.random.randint(1, 2))]
        keys = [(one["topologyKey"], one["whenUnsatisfiable"]) for one in found]
        return found if len(set(keys)) == len(keys) else found[:1]

    def tolerations(self) -> list[Json]:
        found: list[Json] = []
        for _ in range(self.random.randint(1, 3)):
            key = self.one("dedicated", "maintenance", "slow", "node.kubernetes.io/unschedulable")
            one: Json = {"key": key, "operator": self.one("Exists", "Equal")}
            if one["operator"] == "Equal":
                one["value"] = self.one(*TAINT_VALUES.get(key, ("",)))
            if self.some(0.6):
                one["effect"] = self.one(*EFFECTS)
            found.append(one)
        if self.some(0.15):
            found.append({"operator": "Exists"} | ({"effect": self.one(*EFFECTS)} if self.some(0.5) else {}))
        return found
