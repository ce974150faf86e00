"""Histories of nodes' watts with a known season, as a recorded answer of Prometheus."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

IPMI = "ipmi_dcmi_power_consumption_current_watts"
DAY_S, STEP_S = 86_400.0, 900.0
LAST_S = 1_790_000_000 // 86_400 * 86_400 + 9 * 3600.0
"""Nine o'clock, UTC: draws rise until three in the afternoon."""

NODES = ("n1", "n2", "n3", "n4")
SEASON = {"n1": (150, 30), "n2": (150, 30), "n3": (130, 10), "n4": (130, 10)}
"""Mean and swing of each node in watts; rack-1 draws from 240 to 360 W over a day, rack-2 from 240 to 280 W."""

Floats = NDArray[np.float64]


def times(days: float, last_s: float = LAST_S) -> Floats:
    """Steps up to the last moment."""
    return np.asarray(last_s - STEP_S * np.arange(round(days * DAY_S / STEP_S), -1, -1), dtype=np.float64)


def seasonal(node: str, at_s: Floats, noise: float = 1.0) -> Floats:
    """What a node draws, highest at three in the afternoon."""
    mean, swing = SEASON[node]
    random = np.random.default_rng(NODES.index(node))
    season: Floats = mean + swing * np.cos(2 * np.pi * (at_s / DAY_S - 15 / 24))
    return season + random.normal(0, noise, len(at_s))


def record(path: Path, watts: Mapping[str, Floats], at_s: Floats) -> Path:
    """Write a range query's answer; NaN is left out, as Prometheus leaves out gaps."""
    path.mkdir(parents=True, exist_ok=True)
    result = [
        {
            "metric": {"__name__": IPMI, "node": node},
            "values": [[at, f"{value:.2f}"] for at, value in zip(at_s.tolist(), values, strict=True) if value == value],
        }
        for node, values in watts.items()
    ]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    (path / "history.json").write_text(json.dumps(answer))
    return path
