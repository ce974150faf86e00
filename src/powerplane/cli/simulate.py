"""``powerplane simulate``."""

import time
from math import ceil
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Group, Parameter
from cyclopts.validators import Number

from powerplane.cli.exit_codes import OK, OVERLOADED
from powerplane.cli.options import Format, parse_duration
from powerplane.cli.output import print_data, print_text, stdout_console, warn
from powerplane.cli.progress import Say, progress
from powerplane.models.errors import UsageError
from powerplane.models.quantities import format_watts
from powerplane.simulator.compare import make_policy, run_policy
from powerplane.simulator.outcomes import Outcome
from powerplane.simulator.planning import Planner
from powerplane.simulator.policies import Policy
from powerplane.simulator.scenario_file import Study, read_scenario
from powerplane.simulator.scenario_shape import PolicyName
from powerplane.simulator.truth import Truth
from powerplane.simulator.world import World

SERVING = Group("Serve it to a real Prometheus", sort_key=2)
POLICY_HELP = "Policy to run under; repeat it to put several side by side. Default: those that the file names."


def simulate(
    scenario: Annotated[Path, Parameter(help="Scenario file (YAML).")],
    /,
    *,
    policy: Annotated[list[PolicyName] | None, Parameter(name="--policy", help=POLICY_HELP, negative=())] = None,
    seed: Annotated[int | None, Parameter(help="Seed, in the place of the file's own.")] = None,
    output: Annotated[Format, Parameter(name=["--output", "-o"], help="Form of the outcome on stdout.")] = "table",
    report: Annotated[Path | None, Parameter(help="Write a page with pictures there as well (HTML).")] = None,
    deadline: Annotated[str, Parameter(help="Wall-clock time for each plan, such as 3s.")] = "3s",
    dry_run: Annotated[
        bool, Parameter(help="Read the scenario, say what would be simulated, and stop.", negative=())
    ] = False,
    serve: Annotated[
        str | None, Parameter(group=SERVING, help="Answer scrapes there (host:port) while it runs, under one policy.")
    ] = None,
    speed: Annotated[
        float, Parameter(group=SERVING, validator=Number(gt=0), help="Simulated seconds per second, with --serve.")
    ] = 1.0,
) -> int:
    """Run a scenario: a cluster with physics, under several policies side by side.

    The scenario file describes nodes, racks, rows and feeds with budgets and breakers, workloads with their load over
    time, and what befalls them. The same file and seed give the same run; only plans depend on how much the solver
    gets done by its deadline. Exit code 3 means that a breaker trips under the last of the policies.
    """
    seconds = parse_duration(deadline, "--deadline")
    if seed is not None and seed < 0:
        raise UsageError(f"--seed is {seed}, which is negative", "give 0 or more")
    if report is not None and not report.parent.is_dir():
        raise UsageError(f"--report is in {str(report.parent)!r}, which is no directory", "give one that exists")
    if serve is not None and len(set(policy or ())) > 1:
        raise UsageError(f"--serve runs under one policy, and {len(set(policy or ()))} are given", "leave one of them")
    study = read_scenario(scenario, seed=seed)
    policies = tuple(dict.fromkeys(policy or study.policies))
    if dry_run:
        for line in _describe(study, policies):
            print_text(line)
        return OK
    if serve is not None:
        return _serve(study, policies, serve, speed, seconds)
    with progress(f"simulating {study.name}") as say:
        outcomes = tuple(_run(study, name, seconds, say) for name in policies)
    _show(study, outcomes, output, report)
    return OVERLOADED if outcomes[-1].figures.trips else OK


def _run(study: Study, name: str, seconds: float, say: Say) -> Outcome:
    began = time.monotonic()

    def tell(policy: str, share: float) -> None:
        rate = share * study.spec.duration_s / max(time.monotonic() - began, 1e-9)
        say(f"simulating under {policy}: {share:.0%}, {rate:,.0f} times as fast as the clock")

    return run_policy(study, name, _planner(study.spec.seed, seconds), tell)


def _planner(seed: int, seconds: float) -> Planner:
    from powerplane.recommender.planning import planner_of  # noqa: PLC0415  # solvers: half a second, not for refused input

    return planner_of(seed, seconds, warn)


def _show(study: Study, outcomes: tuple[Outcome, ...], output: Format, report: Path | None) -> None:
    from powerplane.cli.report.render import write_page  # noqa: PLC0415  # only once there is something to show
    from powerplane.cli.report.simulation_page import simulation_page  # noqa: PLC0415  # only once there is something to show
    from powerplane.cli.simulate_view import (  # noqa: PLC0415  # only once there is something to show
        figure_rows,
        print_simulation,
        report_of,
        sentence,
    )

    if report is not None:
        write_page(report, simulation_page(study, outcomes, figure_rows(outcomes), sentence(outcomes)))
    if output == "table":
        print_simulation(study, outcomes, stdout_console())
        return
    data = report_of(study, outcomes)
    if output == "json":
        print_data(msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n")
    else:
        print_data(msgspec.yaml.encode(data))


def _describe(study: Study, policies: tuple[str, ...]) -> list[str]:
    spec = study.spec
    world = World(spec)
    topology = spec.base.topology.domains
    limited = sum(domain.budget_mw < 10**15 for domain in topology)
    running = world.owners.serving_count()
    return [
        f"scenario    {study.name}, seed {spec.seed}",
        f"duration    {spec.duration_s:,.0f} s in {ceil(spec.duration_s / spec.step_s):,} steps of {spec.step_s:g} s",
        f"nodes       {len(spec.base.nodes):,}, accelerators {len(spec.devices.uuid):,}",
        f"domains     {len(topology):,}, of which {limited:,} have a budget",
        f"pods        {running:,} run at the start, {world.owners.waiting_count():,} find no node",
        f"draw        {format_watts(round(world.moment().load.wall.sum()) * 1000)} at the start",
        f"events      {len(spec.happenings)}",
        f"policies    {', '.join(policies)}",
    ]


class _Policed:
    """A world whose policy acts before each step."""

    def __init__(self, world: World, policy: Policy) -> None:
        self.world, self.policy = world, policy

    def step(self, dt_s: float) -> object:
        """Let the policy act, then some seconds pass."""
        self.policy.act()
        return self.world.step(dt_s)

    def truth(self) -> Truth:
        """What is so right now."""
        return self.world.truth()


def _serve(study: Study, policies: tuple[str, ...], address: str, speed: float, seconds: float) -> int:
    from powerplane.simulator.exporter.serving import Measuring, serve  # noqa: PLC0415  # brings a web server

    world = World(study.spec)
    policy = make_policy(study, policies[0], world, _planner(study.spec.seed, seconds))
    warn(f"simulating {study.name} under {policies[0]}, {speed:g} times as fast as the clock; Ctrl-C ends it")
    serve(
        _Policed(world, policy),
        address,
        speed,
        measuring=Measuring(seed=study.spec.seed, base=study.spec.base),
        lasts_s=study.spec.duration_s,
        started=lambda served: warn(f"answering scrapes on {served.listener.address}"),
    )
    return OK
