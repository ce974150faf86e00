"""The documentation's table of verdicts is the program's."""

import re
from pathlib import Path

from powerplane.models.telemetry.rules import DEFAULT_RULES
from powerplane.models.telemetry.verdicts import BY_NAME, VERDICTS

PAGE = (Path(__file__).parents[3] / "docs" / "explanation" / "hygiene.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([^`]+)` \| (\w+) \| (.+) \| (.+) \|$", re.MULTILINE)


def test_every_verdict_is_in_the_documentation_as_it_is_in_the_program() -> None:
    documented = [tuple(row) for row in ROW.findall(PAGE)]
    assert documented == [(each.name, each.level, each.meaning, each.remedy) for each in VERDICTS]


def test_no_two_verdicts_have_one_name() -> None:
    assert len(BY_NAME) == len(VERDICTS)


def test_the_figures_in_the_documentation_are_the_defaults() -> None:
    rules = DEFAULT_RULES
    shares = (rules.low_share, rules.load_share, rules.high_share, rules.agree_share, rules.below_parts_share)
    assert shares == (0.5, 0.6, 1.25, 0.25, 0.1)
    assert (rules.rate_s, rules.gap_s, rules.still_s, rules.dark_s, rules.skew_s) == (45, 300, 45, 45, 5)
    assert (rules.frozen_s, rules.frozen_whole_s, rules.frozen_busy_s) == (180, 900, 90)
    assert (rules.loss_share, rules.dram_share, rules.rest_share, rules.dark_share) == (0.08, 0.1, 0.6, 0.1)
    assert (rules.outvoted_times, rules.busy_cores_share, rules.device_low_share, rules.forget_s) == (
        5,
        0.25,
        0.01,
        3600,
    )
