"""vLLM's own page, of every pod that serves tokens: what it has read and written ("Production Metrics", engine 1).

The labels namespace and pod are those that scraping pods adds (``honor_labels`` apart): vLLM itself names neither.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from powerplane.simulator.exporter.family import Family
from powerplane.simulator.exporter.layout import Layout
from powerplane.simulator.exporter.page import Exporter


def _server(layout: Layout, row: int) -> Mapping[str, str]:
    truth = layout.truth
    return {
        "engine": "0",
        "model_name": truth.pod_owner[row].partition("/")[2],
        "namespace": truth.pod_namespace[row],
        "pod": truth.pod_name[row],
    }


def _serves(layout: Layout) -> NDArray[np.bool_]:
    tokens = layout.truth.pod_prompt_tokens
    return np.isfinite(tokens) if len(tokens) else np.zeros(len(layout.truth.pod_uid), dtype=np.bool_)


VLLM = Exporter(
    "vllm",
    8000,
    {
        "vllm:generation_tokens_total": ("counter", "Number of generation tokens processed."),
        "vllm:prompt_tokens_total": ("counter", "Number of prefill tokens processed."),
    },
    (
        Family("vllm:generation_tokens_total", "pod", "generated", _server, there=_serves),
        Family("vllm:prompt_tokens_total", "pod", "prompt", _server, there=_serves),
    ),
    says_node=True,
    per_node=False,
)
