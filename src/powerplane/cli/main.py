"""The program ``powerplane``: its commands, its exit codes, and the one place where errors become words.

Commands are named here and imported when they run, so that ``--help`` costs no numerical library.
"""

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

from cyclopts import App, CycloptsError

from powerplane.cli.ending import end_at_once
from powerplane.cli.exit_codes import BROKEN_PIPE, ERROR, INTERRUPTED, OK
from powerplane.cli.harmless import harmless
from powerplane.models.errors import PowerPlaneError, UsageError

DEBUG_VARIABLE = "POWERPLANE_DEBUG"

HELP = """Power-capped placement for Kubernetes: every node, rack, row and feed under its watt budget."""

EPILOGUE = (
    "Data goes to stdout, everything else to stderr. Exit codes: 0 all budgets hold (after the plan), 1 error, "
    "2 wrong command line, 3 budgets are broken and no plan mends all of them (top: now; forecast: foreseen), or what "
    "was checked would not hold them. NO_COLOR is honoured."
)


def build_app(name: str = "powerplane") -> App:
    """Return the command line, every command known by the place where it is imported from."""
    app = App(
        name=name,
        help=HELP,
        help_epilogue=EPILOGUE,
        help_format="plaintext",
        version=lambda: f"powerplane {version('powerplane')}",
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    explain = App(name="explain", help="Say why a plan is as it is.", help_format="plaintext")
    commands = "powerplane.cli."
    app.command(commands + "plan:plan", name="plan", help="Find the least disruptive moves that hold every budget.")
    app.command(commands + "top:top", name="top", help="Watch what feeds, rows and racks draw against their budgets.")
    app.command(commands + "workloads:workloads", name="workloads", help="Say what each workload draws and will want.")
    app.command(commands + "forecast:forecast", name="forecast", help="Foresee which budgets will be passed, and when.")
    app.command(commands + "fit:fit", name="fit", help="Learn power curves from telemetry, with their errors.")
    app.command(commands + "doctor:doctor", name="doctor", help="Say whether budgets can be held here.")
    app.command(commands + "topology:topology", name="topology", help="Print where nodes hang, from all who tell.")
    app.command(commands + "verify:verify", name="verify", help="Add up every watt of a plan again, from nothing.")
    app.command(explain)
    app.command(commands + "snapshot:snapshot", name="snapshot", help="Write a cluster into a snapshot directory.")
    app.command(commands + "crds:crds", name="crds", help="Print the definitions of PowerPlane's objects.")
    app.command(
        commands + "scheduler_config:scheduler_config",
        name="scheduler-config",
        help="Write or check a kube-scheduler configuration with the extender.",
    )
    app.command(commands + "serve:serve", name="serve", help="Answer the scheduler: the extender.")
    app.command(commands + "operate:operate", name="operate", help="Hold the budgets all day: decide, and move pods.")
    app.command(commands + "ledger:ledger", name="ledger", help="Say what plans came to, and what without them.")
    app.command(commands + "stop:stop", name="stop", help="Move no pod any more, until resumed.")
    app.command(commands + "stop:resume", name="resume", help="Let pods be moved again.")
    app.command(commands + "sleep:sleep", name="sleep", help="Empty nodes, so that they can be powered off.")
    app.command(commands + "sleep:wake", name="wake", help="Let nodes take pods again.")
    app.command(commands + "release:release", name="release", help="Let gated pods go, whatever the budgets.")
    node_watts = App(name="node-watts", help="Watts that nodes offer as a resource.", help_format="plaintext")
    node_watts.command(commands + "node_watts:run", name="run", help="Keep what nodes offer under every budget.")
    node_watts.command(commands + "node_watts:off", name="off", help="Take the watts off every node.")
    app.command(node_watts)
    claims = App(name="claims", help="Budgets as devices that pods claim watts from.", help_format="plaintext")
    claims.command(commands + "claims:run", name="run", help="Offer every budget, and make the templates of claims.")
    claims.command(commands + "claims:check", name="check", help="Say whether this cluster can hold budgets by claims.")
    claims.command(commands + "claims_plugin:node_plugin", name="node-plugin", help="Answer a node's kubelet.")
    app.command(claims)
    alert = App(name="alert", help="Tell of budgets that nobody may hold.", help_format="plaintext")
    alert.command(commands + "alert:run", name="run", help="Watch passive policies, and tell when one is passed.")
    alert.command(commands + "alert_try:try_out", name="test", help="Send one test alert to each receiver.")
    app.command(alert)
    app.command(commands + "simulate:simulate", name="simulate", help="Run a scenario under policies side by side.")
    app.command(commands + "demo_command:demo", name="demo", help="Watch a simulated cluster being held; needs none.")
    explain.command(
        commands + "explain_node:node", name="node", help="Say what a node draws, and whose watts these are."
    )
    for what, text in {
        "move": "Say which budgets break without a move, and by how much.",
        "pod": "Say what a pod counts as, whether it may move, and where to.",
        "domain": "Say what a domain draws, from which pods, and how long its breaker bears it.",
        "conflict": "Say which budgets cannot hold together, and what would free them.",
    }.items():
        explain.command(f"{commands}explain:{what}", name=what, help=text)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run the program and exit.

    Parameters
    ----------
    arguments : list of str, optional
        Command line after the program's name; that of the process by default.
    """
    code = run(sys.argv[1:] if arguments is None else arguments)
    if code == INTERRUPTED:
        end_at_once(code)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; whatever goes wrong is told on stderr in words."""
    try:
        return _dispatch(arguments)
    except PowerPlaneError as error:
        return _tell(error.problem, error.next_step, error.exit_code)
    except KeyboardInterrupt:
        return _tell("interrupted", "run the command again when ready", INTERRUPTED)
    except BrokenPipeError:
        _forget(sys.stdout)
        return BROKEN_PIPE
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        what = _one_line(f"{type(error).__name__}: {error}")
        return _tell(f"unexpected error: {what}", f"set {DEBUG_VARIABLE}=1 for the traceback, and report it", ERROR)


def _dispatch(arguments: list[str]) -> int:
    app = build_app(_program_name())
    try:
        result = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise UsageError(_one_line(str(error)), _help_command(app, arguments)) from error
    sys.stdout.flush()
    return result if isinstance(result, int) else OK


def _program_name() -> str:
    return "kubectl powerplane" if Path(sys.argv[0]).name.startswith("kubectl-") else "powerplane"


def _help_command(app: App, arguments: list[str]) -> str:
    """The help that fits a command line that could not be read."""
    chain, _, _ = app.parse_commands(arguments)
    return " ".join(["run", app.name[0], *chain, "--help"])


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _tell(problem: str, next_step: str, code: int) -> int:
    try:
        sys.stderr.write(harmless(f"powerplane: {problem}\n  next: {next_step}\n"))
    except BrokenPipeError:
        _forget(sys.stderr)
    return code


def _forget(stream: TextIO) -> None:
    """Point a stream whose reader has gone at nothing, so that the interpreter's last flush cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
