"""``python -m tests.rig up|down|status``: a rig for people."""

import argparse
import json
import sys

from tests.rig import processes
from tests.rig.build import BuildError, bin_dir, missing, why_not
from tests.rig.processes import StartError
from tests.rig.rig import STATE, STOP_ORDER, Rig, rigs_root, scheduler_config, sweep


def main() -> int:
    """Run one command; 0 where it was done."""
    parser = argparse.ArgumentParser(prog="python -m tests.rig", description="A real control plane on loopback.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("up", "start one"), ("down", "end one"), ("status", "list them")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--name", default="default", help="which one (default: %(default)s)")
        if name == "up":
            command.add_argument("--scheduler-config", help="file with a KubeSchedulerConfiguration in JSON")
    arguments = parser.parse_args()
    if arguments.command == "up":
        return _up(arguments.name, arguments.scheduler_config)
    return _down(arguments.name) if arguments.command == "down" else _status()


def _up(name: str, config: str | None) -> int:
    if reason := why_not():
        sys.stderr.write(f"rig: {reason}\n  next: install Go and run the command again\n")
        return 1
    if missing():
        names = ", ".join(program.name for program in missing())
        sys.stderr.write(f"rig: building {names} into {bin_dir()}; about 9 minutes with nothing cached\n")
    if config:
        with open(config) as file:
            chosen = json.load(file)
    else:
        chosen = scheduler_config()
    try:
        rig = Rig.start(name, outlive=True, config=chosen)
    except (BuildError, StartError) as error:
        sys.stderr.write(f"rig: {error}\n")
        return 1
    told = ", ".join(f"{what} after {seconds:.1f} s" for what, seconds in rig.timings_s.items())
    sys.stderr.write(f"rig: {rig.server}: {told}\n  next: export KUBECONFIG={rig.kubeconfig}\n")
    sys.stdout.write(f"{rig.kubeconfig}\n")
    return 0


def _down(name: str) -> int:
    found = sweep(name)
    sys.stderr.write(f"rig: {name} {'ended' if found else 'was not running'}\n")
    return 0


def _status() -> int:
    for file in sorted(rigs_root().glob(f"*/{STATE}")):
        state = json.loads(file.read_text())
        parts = [
            f"{name} {'runs' if processes.alive(state['pids'].get(name, 0), name) else 'is not there'}"
            for name in STOP_ORDER
        ]
        sys.stdout.write(f"{file.parent.name}  {state['server']}  {', '.join(parts)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
