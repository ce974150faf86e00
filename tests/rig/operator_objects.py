"""Workloads of all kinds and their disruption budgets, as the API takes them."""

from typing import Any

Json = dict[str, Any]

UNAVAILABLE = "20%"
"""Of each workload's pods, by its disruption budget."""


def workload(kind: str, name: str, cpu: str, replicas: int) -> Json:
    container = {"name": "main", "image": "none", "resources": {"requests": {"cpu": cpu}}}
    labels = {"app": name}
    pod: Json = {"containers": [container], "terminationGracePeriodSeconds": 0}
    template = {"metadata": {"labels": labels}, "spec": pod}
    if kind == "Job":
        pod["restartPolicy"] = "Never"
        many = {"parallelism": replicas, "completions": replicas, "backoffLimit": 10_000}
        return {"metadata": {"name": name}, "spec": {**many, "template": template}}
    body: Json = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    if kind == "StatefulSet":
        body |= {"serviceName": name, "podManagementPolicy": "Parallel", "updateStrategy": {"type": "OnDelete"}}
    return {"metadata": {"name": name}, "spec": body}


def disruption_budget(kind: str, name: str, count: int, *, closed: bool = False) -> Json:
    """A disruption budget; a Job's can be told in pods that must be there alone."""
    most = {"maxUnavailable": 0 if closed else UNAVAILABLE}
    spec: Json = {"minAvailable": count - (0 if closed else 2)} if kind == "Job" else most
    return {"metadata": {"name": name}, "spec": spec | {"selector": {"matchLabels": {"app": name}}}}
