"""``powerplane ledger``: what the operator's choices came to, and what would have been by the others."""

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from powerplane.adapters.cluster_access import open_cluster
from powerplane.cli.asking import list_of
from powerplane.cli.exit_codes import OK
from powerplane.cli.ledger_view import DomainLine, LedgerView, PolicyLine, ledger_view
from powerplane.cli.options import Context, Kubeconfig, OutputFormat
from powerplane.cli.output import print_data, stdout_console
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject, PowerCappingPolicyObject
from powerplane.models.api.kinds import CAPPING_POLICY, CLUSTER_CAPPING_POLICY, PLACEMENT_PLAN
from powerplane.models.api.placement_plan import PlacementPlanObject
from powerplane.models.plain import printable

UNKNOWN = "–"


def ledger(*, kubeconfig: Kubeconfig = None, context: Context = None, output: OutputFormat = "table") -> int:
    """Say what plans came to, and what domains would have drawn without them.

    For each policy in mode Recommend or Enforce: how many plans ran by its leave and how many were withheld, the energy
    that those took off domains and that these would have, since the recommender began to count. For each plan that is
    kept: what domains drew before, what was foretold and measured after it, and what would have been measured without.
    """
    access = open_cluster(kubeconfig, context)
    view = ledger_view(
        [
            *list_of(access, CLUSTER_CAPPING_POLICY.list_path, ClusterPowerCappingPolicyObject),
            *list_of(access, CAPPING_POLICY.list_path, PowerCappingPolicyObject),
        ],
        list_of(access, PLACEMENT_PLAN.list_path, PlacementPlanObject),
    )
    if output == "table":
        print_ledger(view, stdout_console())
    elif output == "yaml":
        print_data(msgspec.yaml.encode(view))
    else:
        print_data(msgspec.json.format(msgspec.json.encode(view), indent=2) + b"\n")
    return OK


def print_ledger(view: LedgerView, console: Console) -> None:
    """Print both tables, and in a sentence what it all comes to."""
    if view.policies:
        console.print(_policies(view.policies))
    if view.plans:
        console.print(_plans(view.plans))
    console.print(Text(summary(view), style="bold"), soft_wrap=True)


def summary(view: LedgerView) -> str:
    """Return what it all comes to, in a sentence."""
    if not view.policies:
        return "no policy is in mode Recommend or Enforce: nothing is chosen, and nothing counted"
    most = max(view.policies, key=lambda each: each.watt_hours_held)
    told = (
        f"by leave of {most.policy}, which holds most, {most.actions:,} plans kept {_energy(most.watt_hours_held)} off"
    )
    least = max(view.policies, key=lambda each: each.watt_hours_missed)
    if not least.withheld:
        return printable(told)
    kept = f"{least.withheld:,} plans were withheld that would have kept {_energy(least.watt_hours_missed)} off"
    return printable(f"{told}; for {least.policy}, {kept}")


def _policies(lines: tuple[PolicyLine, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("policy")
    table.add_column("mode")
    for name in ("plans", "withheld", "kept off", "not kept off"):
        table.add_column(name, justify="right")
    table.add_column("counted since")
    table.add_column("last")
    for each in lines:
        table.add_row(
            Text(printable(each.policy)),
            each.mode,
            f"{each.actions:,}",
            f"{each.withheld:,}",
            _energy(each.watt_hours_held),
            _energy(each.watt_hours_missed),
            Text(printable(each.since or UNKNOWN)),
            Text(printable(f"{each.last} {each.last_at or ''}".strip() or UNKNOWN)),
        )
    return table


def _plans(lines: tuple[DomainLine, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("plan", "phase", "domain"):
        table.add_column(name)
    for name in ("budget", "before", "foretold", "measured", "without it", "error"):
        table.add_column(name, justify="right")
    for each in lines:
        figures = (each.budget_watts, each.before_watts, each.foretold_watts, each.measured_watts, each.other_watts)
        error = UNKNOWN if each.error_watts is None else f"{each.error_watts:+,} W"
        names = (each.plan, each.phase, each.domain if each.kind in each.domain else f"{each.kind} {each.domain}")
        table.add_row(*(Text(printable(name)) for name in names), *map(_watts, figures), error)
    return table


def _watts(watts: int | None) -> str:
    return UNKNOWN if watts is None else f"{watts:,} W"


def _energy(watt_hours: float) -> str:
    return f"{watt_hours / 1000:,.2f} kWh" if watt_hours >= 1000 else f"{watt_hours:,.1f} Wh"
