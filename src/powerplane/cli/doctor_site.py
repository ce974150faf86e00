"""``powerplane doctor``: nodes and domains, which everything that is measured is held against.

Where they cannot be read, that is told, and the nodes are those that the telemetry itself names, so that all the rest
can be looked at.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from powerplane.adapters.site import Site
from powerplane.cli.doctor_section import Finding, SectionReport, SectionView
from powerplane.cli.report import words
from powerplane.models.errors import PowerPlaneError
from powerplane.models.plain import printable
from powerplane.models.plan import Wire
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.telemetry.coverage import OF_NODES
from powerplane.models.telemetry.domains import compile_domains
from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.node_names import distinct
from powerplane.models.telemetry.readings import SourceReading
from powerplane.models.telemetry.rules import DEFAULT_RULES
from powerplane.models.topology import PowerTopology

MOST_NAMES = 5
ALONE = "; or look at the telemetry alone: --no-cluster"
NAMED_BY = "kube_node_info"


class SiteView(Wire, frozen=True):
    """Nodes and domains.

    Attributes
    ----------
    is_known : bool
        False where they could not be read: the nodes are then those that the telemetry names.
    domains : dict of int by kind
    with_budget : int
        Domains that have one.
    outside : tuple of str
        Nodes in no domain.
    """

    is_known: bool
    nodes: int
    domains: dict[str, int]
    with_budget: int
    outside: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What telemetry is held against.

    Parameters
    ----------
    site : Site or None
        None where it could not be read.
    trouble : PowerPlaneError or None
        Why it could not.
    is_wanted : bool
        False where the user asked for no cluster and named no domains.
    """

    site: Site | None
    trouble: PowerPlaneError | None = None
    is_wanted: bool = True


def examine_site(ground: Ground, site: Site) -> SectionReport:
    """Report on nodes and domains.

    Parameters
    ----------
    ground : Ground
    site : Site
        What is gone on with: as read, or as the telemetry names it.
    """
    domains = site.book.topology.domains
    view = SiteView(
        is_known=ground.site is not None,
        nodes=len(site.facts),
        domains=dict(Counter(domain.kind for domain in domains)),
        with_budget=sum(domain.budget_mw != NO_BUDGET for domain in domains),
        outside=site.book.outside if domains else (),
    )
    findings = tuple(_known(view, site) if ground.site is not None else _unknown(view, ground))
    return SectionReport(SectionView(name="site", title="Nodes and domains", findings=findings, data=view))


def named_site(answers: Sequence[SourceReading]) -> Site:
    """Return the nodes that telemetry names, of which nothing else is known.

    Those of kube-state-metrics, where it tells any; otherwise every name that a series of a node carries.
    """
    told: dict[str, dict[str, None]] = {NAMED_BY: {}, "": {}}
    for answer in answers:
        for block in answer.blocks:
            if block.meaning.metric == NAMED_BY:
                told[NAMED_BY] |= dict.fromkeys(entity.node for entity in block.entities if entity.node)
            elif block.meaning.quantity in OF_NODES:
                told[""] |= dict.fromkeys(entity.node for entity in block.entities if entity.node)
    most = DEFAULT_RULES.most["node watts"]
    facts = tuple(NodeFacts(name, 0.0, most) for name in distinct(told[NAMED_BY] or told[""]))
    return Site(facts, compile_domains(PowerTopology(()), tuple(fact.name for fact in facts)))


def _known(view: SiteView, site: Site) -> Iterator[Finding]:
    kinds = words.kinds(domain.kind for domain in site.book.topology.domains)
    text = f"{words.count(view.nodes, 'node')} in {kinds}, {words.count(view.with_budget, 'domain')} with a budget"
    if view.with_budget:
        yield Finding(level="ok", check="known budgets", text=text)
    else:
        yield Finding(
            level="warn",
            check="known budgets",
            text=f"{text}: there is nothing to hold",
            next="give budgets: --topology FILE, or PowerDomains (docs/how-to/declare-power-domains.md)",
        )
    if view.outside:
        count = words.count(len(view.outside), "node")
        yield Finding(
            level="warn",
            check="nodes outside",
            text=f"{count} in no domain, which no budget holds: {_names(view.outside)}",
            next="put them into a rack: in topology.yaml, or by the label that its nodeSelector asks for",
        )
    yield from (Finding(level="warn", check="assumed", text=note) for note in site.notes)


def _unknown(view: SiteView, ground: Ground) -> Iterator[Finding]:
    if ground.trouble is not None:
        text = f"they cannot be read: {printable(ground.trouble.problem)}"
        yield Finding(level="fail", check="known budgets", text=text, next=f"{ground.trouble.next_step}{ALONE}")
    elif not ground.is_wanted:
        yield Finding(
            level="warn",
            check="known budgets",
            text="no cluster and no topology are given: domains, budgets and worst cases are not known",
            next="give --snapshot DIR, or --topology FILE and --power FILE",
        )
    text = f"going on with {words.count(view.nodes, 'node')} that the telemetry names"
    yield Finding(level="ok" if view.nodes else "warn", check="nodes", text=text)


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES:,} more"
