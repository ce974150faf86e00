"""Rules between pods, counted from nothing: would the scheduler accept a pod that has just come to a node?"""

import numpy as np


def rules_held(case, counts, pod_class, node):
    """Say whether all rules accept a pod of a class on a node, itself being part of the counts already."""
    carried = [rule for rule in case.rules if rule.kind == "affinity" and pod_class in rule.carriers]
    alone = not any(_others(rule, counts, pod_class) for rule in carried)
    return all(_holds(rule, counts, pod_class, node, alone) for rule in case.rules)


def _others(rule, counts, pod_class):
    """Pods that an affinity names, the newcomer left out; as the scheduler counts, only on nodes with the key."""
    return counts[np.ix_(rule.targets, np.flatnonzero(rule.zone >= 0))].sum() - (pod_class in rule.targets)


def _holds(rule, counts, pod_class, node, alone):
    zone = rule.zone[node]
    carries, counts_for = pod_class in rule.carriers, pod_class in rule.targets
    if rule.kind == "anti-affinity":
        if zone < 0:
            return True
        here = counts[:, rule.zone == zone].sum(axis=1)
        repelled = carries and here[rule.targets].sum() > counts_for
        repelling = counts_for and here[rule.carriers].sum() > carries
        return not (repelled or repelling)
    if not carries:
        return True
    if zone < 0:
        return False
    if rule.kind == "affinity":
        # The first of its own may come anywhere, but only where no affinity of it finds a pod under any key.
        here = counts[np.ix_(rule.targets, np.flatnonzero(rule.zone == zone))].sum() - counts_for
        return bool(here > 0 or (counts_for and alone))
    seen = rule.counted & (rule.zone >= 0)
    totals = {z: int(counts[np.ix_(rule.targets, np.flatnonzero(seen & (rule.zone == z)))].sum()) for z in {*rule.zone}}
    zones = {*rule.zone[seen]}
    least = min((totals[z] - (z == zone and counts_for and rule.counted[node]) for z in zones), default=0)
    least = 0 if len(zones) < rule.min_zones else least
    uncounted = int(counts_for and not rule.counted[node])
    return bool(totals[zone] + uncounted - least <= rule.max_skew)
