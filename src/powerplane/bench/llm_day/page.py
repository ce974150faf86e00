"""The section of the results page: the day under each policy, and how many servers fit."""

from collections.abc import Sequence

from powerplane.bench.llm_day.day import RACKS, RATED
from powerplane.bench.llm_day.served import OPERATED, Served
from powerplane.bench.page import table

FULL_SERVICE = (0.999, 0.99)
"""Of the chat asked for that must be served for servers to count as fitting, strictly and less so."""

INTRODUCTION = """\
## A day of LLM requests under one budget

Written by `POWERPLANE_DATA=… python -m powerplane.bench.llm_day`. The requests are the hour that \
[Azure recorded](https://github.com/Azure/AzurePublicDataset) (conversations, 19,366 requests), repeated over 24 hours \
and scaled to a day's shape; only that hour is at hand, so the day's shape is ours. Beside chat (priority 1000) trains \
what may wait (priority 0), on servers of its own. Four racks may draw 40 kW each, which is the highest draw of six \
servers of eight H100; every feed's breaker is rated 80 kW. Feed-a is lost from 14:00 to 16:00. Servers are added \
under the same budgets, and work with them. A person (by-hand) deletes pods 5 minutes after an alert, and again \
each minute.

*Trips* count every time that a breaker passed its time-current curve, which is judged by the simulated cluster's own \
meters and breakers, from true watts; a domain that trips stays dark until the end. *Nearest* is the most heat that \
one overload gathered, as a share of what trips. *Short* are pods of chat and training that did not serve, for \
whatever reason: a pod is ready one to three minutes after it came to a node, while its weights are loaded. \
*Tokens/J* are chat's tokens, read and written, for all that the cluster drew, training's energy included. Bold days \
have a trip or served less than 99 % of chat.

*operate* is the operator itself: the recommender's rounds and the actuator's looks, as `powerplane operate` runs \
them, on the simulated clock, with sensors that come late and are a little wrong, and with an API server of the \
bench's own between them (`bench/operating`). Its one policy lets every pod be migrated, and nothing else. It looks \
at every sample, plans for 0.4 s of wall time, and asks again every 5 minutes where the same budget stays broken. \
plan and plan+throttle are the planner alone, every 15 minutes. throttle limits nodes, and *+throttle* puts it beside \
either as the fast backstop. What the wall clock cuts short may come out otherwise next time; and what one overload \
heats adds to what is left of earlier ones, so chance decides some days.
"""

HEADINGS = (
    "servers",
    "seed",
    "policy",
    "trips",
    "s dark after",
    "s above rating",
    "nearest",
    "min over budgets",
    "chat served",
    "training done",
    "kWh",
    "tokens/J",
    "short, pod-h",
    "pods moved or deleted",
)
OPERATOR_HEADINGS = (
    "servers",
    "seed",
    "policy",
    "plans",
    "evictions",
    "refused by disruption budgets",
    "moves done",
    "s a move leaves one pod short",
)


def render_section(days: Sequence[Served], conditions: str) -> str:
    """Return the section as Markdown.

    Parameters
    ----------
    days : sequence of Served
    conditions : str
        When and on what they were run.
    """
    ordered = sorted(days, key=lambda day: (day.servers, day.seed))
    parts = [INTRODUCTION, f"{conditions}\n", *(f"- {line}" for line in fitting(ordered)), ""]
    parts.append(table(HEADINGS, [_row(day) for day in ordered]))
    if operated := [day for day in ordered if day.policy in OPERATED]:
        parts += ["\nWhat the operator did:\n", table(OPERATOR_HEADINGS, [_operator_row(day) for day in operated])]
    return "\n".join(parts)


def fits(day: Served, served: float) -> bool:
    """Whether no breaker tripped and so much of the chat was served."""
    return not day.trips and day.chat_share >= served


def most_servers(days: Sequence[Served], policy: str, served: float) -> int:
    """Return the largest number of servers up to which every day under a policy was good; 0 where there is none."""
    found = 0
    for servers in sorted({day.servers for day in days if day.policy == policy}):
        if not all(fits(day, served) for day in days if (day.policy, day.servers) == (policy, servers)):
            break
        found = servers
    return found


def fitting(days: Sequence[Served]) -> list[str]:
    """Say for each policy how many servers fit."""
    lines = []
    for policy in dict.fromkeys(day.policy for day in days):
        tried = max(day.servers for day in days if day.policy == policy)
        told = [_most(most_servers(days, policy, served), tried, served) for served in FULL_SERVICE]
        lines.append(f"{policy}: {'; '.join(told)}")
    return lines


def _most(most: int, tried: int, served: float) -> str:
    """Say how many servers fit at one measure of service."""
    rated = RACKS * RATED
    more = f"{most} servers ({most / rated - 1:+.0%} beside {rated})" if most else "no number tried"
    return f"{more} without a trip and with {served:.1%} of chat served" + (
        ", and more were not tried" * (most == tried)
    )


def _row(day: Served) -> list[str]:
    cells = [
        f"{day.servers}",
        f"{day.seed}",
        day.policy,
        f"{day.trips}",
        f"{day.dark_s:,.0f}",
        f"{day.above_rating_s:,.0f}",
        f"{day.nearest:.0%}",
        f"{day.over_budget_minutes:,.1f}",
        f"{day.chat_share:.2%}",
        f"{day.train_share:.2%}",
        f"{day.kwh:,.0f}",
        f"{day.tokens_per_joule:.2f}" if day.tokens else "",
        f"{day.short_pod_hours:,.1f}",
        f"{day.moves:,}",
    ]
    return cells if fits(day, min(FULL_SERVICE)) else [f"**{cell}**" for cell in cells]


def _operator_row(day: Served) -> list[str]:
    return [
        f"{day.servers}",
        f"{day.seed}",
        day.policy,
        f"{day.plans}",
        f"{day.evictions}",
        f"{day.refusals}",
        f"{day.moves}",
        f"{day.down_s:.0f}",
    ]
