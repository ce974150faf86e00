"""``powerplane top`` on a terminal: the screen renewed with every scrape, until Ctrl-C."""

import signal
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from powerplane.adapters.site import Site
from powerplane.adapters.telemetry.following import Follower, Round
from powerplane.adapters.telemetry.unanswered import plain
from powerplane.cli.ending import end_at_once
from powerplane.cli.exit_codes import OK
from powerplane.cli.site import SiteFrom, read_site
from powerplane.cli.top_build import Wanted, build_view
from powerplane.cli.top_table import Screen, render
from powerplane.cli.top_view import TopView
from powerplane.models.errors import PowerPlaneError

KEPT_ROUNDS = 20
SITE_EVERY_S = 60.0
"""How often a live cluster's nodes and domains are read again."""
GLANCE_S = 0.25
"""How often it is looked whether the window has changed its size."""


@dataclass(slots=True)
class History:
    """Draws of the last rounds, in watts, by domain."""

    draws: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=KEPT_ROUNDS)))

    def add(self, view: TopView) -> None:
        """Take in a round."""
        for domain in view.domains:
            self.draws[domain.name].append(domain.draw_watts)


def watch(
    follower: Follower, where: SiteFrom, site: Site, wanted: Wanted, console: Console, *, keep_history: bool
) -> int:
    """Renew the screen with every scrape until Ctrl-C.

    Parameters
    ----------
    follower : Follower
    where : SiteFrom
        A live cluster is read again once in a while, since its nodes come and go.
    site : Site
    wanted : Wanted
    console : Console
        A terminal.
    keep_history : bool
        Whether the last rounds are drawn, too.
    """
    watcher = Watcher(follower, where, site, wanted, keep_history)
    # Ended by whomever, the terminal's own screen comes back.
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with Live(Text(f"asking {follower.opened.where} …"), console=console, screen=True, auto_refresh=False) as live:
            while True:
                until = time.monotonic() + watcher.go_on()
                _show_until(until, watcher, live, console)
    except KeyboardInterrupt:
        # What was seen last stays on the terminal, as the other screen goes.
        if watcher.view is not None:
            console.print(watcher.screen(console))
        if watcher.is_asking:
            end_at_once(OK)
        return OK
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@dataclass(slots=True)
class Watcher:
    """What is shown, renewed round by round."""

    follower: Follower
    where: SiteFrom
    site: Site
    wanted: Wanted
    keep_history: bool
    view: TopView | None = None
    tree: Sequence[tuple[str, int]] = ()
    history: History = field(default_factory=History)
    is_asking: bool = False
    _site_read_s: float = field(default_factory=time.monotonic)
    _unread: str = ""

    def go_on(self) -> float:
        """Take in a round; returns the seconds until the next one is due."""
        began = time.monotonic()
        self._read_site_again()
        self.is_asking = True
        found = self.follower.now(self.site)
        self.is_asking = False
        notes = (*self.site.notes, *([self._unread] if self._unread else []))
        self.view, self.tree = build_view(
            self.site.book,
            found.nodes,
            self.site.node_budget_mw,
            self.wanted,
            notes=notes,
            trouble=self._trouble(found),
        )
        self.history.add(self.view)
        return max(GLANCE_S, found.interval_s - (time.monotonic() - began))

    def screen(self, console: Console) -> RenderableType:
        """What is to be seen now."""
        if self.view is None:
            return Group()
        history = self.history.draws if self.keep_history else {}
        return render(Screen(self.view, self.tree, console.width, console.height, history))

    def _trouble(self, found: Round) -> str:
        return f"{self.follower.opened.where} does not answer: {plain(found.trouble)}" if found.trouble else ""

    def _read_site_again(self) -> None:
        """Read a live cluster's nodes again; where that fails, those that are known stay, and it is told."""
        is_live = self.where.snapshot is None and not self.where.no_cluster
        if not is_live or time.monotonic() - self._site_read_s < SITE_EVERY_S:
            return
        self._site_read_s = time.monotonic()
        try:
            self.site, self._unread = read_site(self.where, lambda _: None, datetime.now(UTC)), ""
        except PowerPlaneError as error:
            self._unread = f"nodes and domains are as they were before: {error.problem}"


def _show_until(until: float, watcher: Watcher, live: Live, console: Console) -> None:
    """Show the screen, again whenever the window changes its size."""
    size = None
    while (left := until - time.monotonic()) > 0:
        if console.size != size:
            size = console.size
            live.update(watcher.screen(console), refresh=True)
        time.sleep(min(left, GLANCE_S))
