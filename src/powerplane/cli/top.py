"""``powerplane top``."""

import time
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from cyclopts import Group, Parameter

from powerplane.adapters.site import Site
from powerplane.adapters.telemetry.following import Follower, Round
from powerplane.adapters.telemetry.unanswered import no_answer
from powerplane.cli.exit_codes import OK, OVERLOADED
from powerplane.cli.options import Format, parse_duration
from powerplane.cli.output import print_data, stdout_console
from powerplane.cli.progress import progress
from powerplane.cli.site import LIVE_SITE, SiteOptions, read_site
from powerplane.cli.top_build import Wanted, build_view
from powerplane.cli.top_live import History, watch
from powerplane.cli.top_table import Screen, render
from powerplane.cli.top_tree import Order
from powerplane.cli.top_view import TopView
from powerplane.cli.watts_options import NO_SOURCE, Source
from powerplane.cli.watts_source import open_source

SHOWN = Group("Shown", sort_key=4)


def top(
    *,
    source: Source = NO_SOURCE,
    where: SiteOptions = LIVE_SITE,
    nodes: Annotated[bool, Parameter(group=SHOWN, negative=(), help="List the nodes of each domain, too.")] = False,
    sort: Annotated[
        Order, Parameter(group=SHOWN, help="Order of siblings; headroom: the branch with the least first.")
    ] = "topology",
    watch_history: Annotated[
        bool, Parameter(group=SHOWN, negative=(), help="Draw the last rounds of each domain as a line.")
    ] = False,
    once: Annotated[bool, Parameter(group=SHOWN, negative=(), help="Show it once, also on a terminal.")] = False,
    timeout: Annotated[str, Parameter(help="For one round of questions to Prometheus.")] = "30s",
    output: Annotated[
        Format, Parameter(name=["--output", "-o"], group=SHOWN, help="Form on stdout; json and yaml are shown once.")
    ] = "table",
) -> int:
    """Show what every feed, row and rack draws, against its budget, and what that rests on.

    On a terminal the screen is renewed with every scrape until Ctrl-C, which ends it with 0; elsewhere, and with
    --once, it is shown once. Domains come from a snapshot directory or, without one, from the live cluster: from
    --topology, its PowerDomains, or its nodes' labels. A node without a usable sample counts at its worst case, never
    as nothing. Exit code 3: a domain or node draws more than its budget now.
    """
    watts = source.watts_from()
    opened = open_source(watts, timeout_s=parse_duration(timeout, "--timeout"))
    wanted = Wanted(sort, nodes)
    with progress("reading nodes and domains") as say:
        site = read_site(where, say, datetime.now(UTC))
    follower = Follower(opened, time.time)
    console = stdout_console()
    if console.is_terminal and not once and output == "table" and not opened.moments:
        return watch(follower, where, site, wanted, console, keep_history=watch_history)
    history = History()
    with progress(f"asking {opened.where}"):
        found = _last_round(follower, site, wanted, history)
    view, tree = build_view(site.book, found.nodes, site.node_budget_mw, wanted, notes=site.notes)
    if output == "table":
        console.print(render(Screen(view, tree, console.width, None, history.draws if watch_history else {})))
    else:
        print_data(encode(view, output))
    return OVERLOADED if view.broken else OK


def encode(view: TopView, form: Format) -> bytes:
    """Return the view as indented JSON with a newline at the end, or as YAML."""
    if form == "yaml":
        return msgspec.yaml.encode(view)
    return msgspec.json.format(msgspec.json.encode(view), indent=2) + b"\n"


def _last_round(follower: Follower, site: Site, wanted: Wanted, history: History) -> Round:
    """The one round of a live source, or the last of a recording."""
    if not follower.opened.moments:
        found = follower.now(site)
        if found.trouble:
            raise no_answer(follower.opened, found.trouble)
        return found
    for found in follower.replay(site):
        history.add(build_view(site.book, found.nodes, {}, wanted)[0])
    return found
