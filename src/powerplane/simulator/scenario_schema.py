"""JSON Schema of the scenario file, generated from the structs that read it."""

import sys
from pathlib import Path
from typing import Any

import msgspec

from powerplane.adapters.schemas import DIALECT, schema_text, tidy
from powerplane.simulator.scenario_shape import ScenarioFile

NAME = "scenario.schema.json"


def scenario_schema() -> dict[str, Any]:
    """Return the schema."""
    body: dict[str, Any] = tidy(msgspec.json.schema(ScenarioFile))
    return {"$schema": DIALECT, "title": "A scenario of `powerplane simulate`"} | body


if __name__ == "__main__":
    (Path(sys.argv[1]) / NAME).write_text(schema_text(scenario_schema()), encoding="utf-8")
