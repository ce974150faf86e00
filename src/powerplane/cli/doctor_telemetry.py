"""``powerplane doctor``: the parts about telemetry, one after the other."""

from collections.abc import Callable, Iterator

from powerplane.adapters.site import Site
from powerplane.adapters.telemetry.following import FIRST_WINDOW_S, Follower, Opened, Round
from powerplane.adapters.telemetry.prometheus_api import PrometheusApi
from powerplane.adapters.telemetry.prometheus_status import read_status
from powerplane.adapters.telemetry.several import TellingSource
from powerplane.cli.doctor_nodes import examine_nodes
from powerplane.cli.doctor_pods import examine_pods
from powerplane.cli.doctor_prometheus import examine_prometheus
from powerplane.cli.doctor_section import SectionReport
from powerplane.cli.doctor_site import Ground, examine_site, named_site
from powerplane.cli.doctor_sources import examine_sources
from powerplane.cli.progress import Say
from powerplane.cli.watts_source import WattsFrom, certificate_file, check_url, request_headers
from powerplane.models.telemetry.coverage import cover
from powerplane.models.telemetry.domains import read_domains


def examine_telemetry(
    watts: WattsFrom, opened: Opened, ground: Ground, timeout_s: float, *, clock: Callable[[], float], say: Say
) -> Iterator[SectionReport]:
    """Yield the parts about telemetry and what it is held against; without an answer, of Prometheus alone.

    Parameters
    ----------
    watts : WattsFrom
    opened : Opened
    ground : Ground
    timeout_s : float
        For a round of questions.
    clock : callable
        Unix seconds by our clock.
    say : Say
    """
    if watts.prometheus is not None:
        say(f"asking {opened.where} how it is")
        url = check_url(watts.prometheus)
        api = PrometheusApi(url, request_headers(watts), certificate_file(watts))
        try:
            status = read_status(api, clock, timeout_s / 3)
        finally:
            api.close()
        yield examine_prometheus(status, url)
        if status.error and watts.redfish is None:
            return
    say(f"asking {opened.where} for samples")
    site = ground.site or _named(opened, clock)
    yield examine_site(ground, site)
    found = _last(Follower(opened, clock), site)
    coverage = cover(found.answers, found.facts)
    errors = opened.source.errors if isinstance(opened.source, TellingSource) else {}
    yield examine_sources(coverage, found.nodes.found, found.facts, errors)
    if site.facts:
        domains = read_domains(site.book, found.nodes)
        yield examine_nodes(found.nodes, coverage, domains, peaks_known=ground.site is not None)
    yield examine_pods(found.pods, found.answers)


def _named(opened: Opened, clock: Callable[[], float]) -> Site:
    """Nodes as the telemetry names them, asked for once more: nothing can be judged before they are known."""
    at_s = opened.moments[-1] if opened.moments else clock()
    return named_site(opened.source.read(at_s, FIRST_WINDOW_S))


def _last(follower: Follower, site: Site) -> Round:
    if not follower.opened.moments:
        return follower.now(site)
    *_, last = follower.replay(site)
    return last
