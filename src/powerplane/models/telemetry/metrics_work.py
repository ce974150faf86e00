"""The declared table's rows of what pods do: counters of serving systems, of which a second's are work.

Names are those of the systems' own pages: vLLM's "Production Metrics" (the same in its engines 0 and 1), KServe's
Python server, Knative's "Service metrics" of the queue proxy.
"""

from powerplane.models.telemetry.readings import Kind, Meaning

NAMESPACES = ("exported_namespace", "namespace", "namespace_name", "kubernetes_namespace")
PODS = ("exported_pod", "pod", "pod_name", "kubernetes_pod_name")
"""Labels that name a pod: what was scraped keeps its own under ``exported_``."""

SCRAPE = ("job", "instance", "replica", "prometheus_replica")
"""Labels that tell apart who scraped a series, not what it is about."""


def work_row(
    metric: str,
    source: str,
    kind: Kind = "counter",
    unit: str = "",
    *,
    part: str = "",
    where: tuple[tuple[str, str], ...] = (),
) -> Meaning:
    """Return a row of work, whoever its series are scraped by."""
    return Meaning(
        metric,
        source,
        "throughput",
        kind,
        unit,
        namespace=NAMESPACES,
        pod=PODS,
        where=where,
        part=part,
        kept=SCRAPE,
    )


VLLM = (
    work_row("vllm:prompt_tokens_total", "vllm", unit="tokens", part="prompt"),
    work_row("vllm:generation_tokens_total", "vllm", unit="tokens", part="generation"),
)
"""Tokens read and tokens written: both take watts."""

KSERVE = (work_row("request_predict_seconds_count", "kserve", unit="requests"),)
KNATIVE = (work_row("revision_app_request_count", "knative", unit="requests"),)

WORK = (*VLLM, *KSERVE, *KNATIVE)
