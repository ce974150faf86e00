"""PowerDomain: a feed, row or rack as an object of the cluster."""

from typing import Annotated

from powerplane.models.api.conditions import Conditions
from powerplane.models.api.fields import NAME_SET, PRESERVE, ApiStruct, Moment, Name, Power, Rule, bounded, ruled
from powerplane.models.api.last_action import LastAction
from powerplane.models.objects import LabelSelector, ObjectMeta

SHARED_LOAD = "Shared"


class BreakerPoint(ApiStruct, frozen=True):
    """One point of a time-current curve.

    Attributes
    ----------
    times_over
        Load as a multiple of the rating.
    seconds
        How long the breaker bears it.
    """

    times_over: Annotated[float, ruled(Rule("self > 1.0", "must be above 1: at its rating a breaker holds"))]
    seconds: Annotated[float, ruled(Rule("self > 0.0 && self <= 1000000.0", "must be above 0 and at most a million"))]


CURVE_RISES = Rule(
    "self.map(p, p.timesOver).isSorted() && self.all(p, self.exists_one(q, q.timesOver == p.timesOver))",
    "must rise: each timesOver is above the one before",
)
SECONDS_FALL = Rule("self.map(p, -p.seconds).isSorted()", "must fall: seconds never rise from point to point")


class BreakerSpec(ApiStruct, frozen=True):
    """The breaker in front of a domain.

    Attributes
    ----------
    rating
        Load that it carries for ever.
    curve
        How long it bears more, from the smallest load to the greatest.
    """

    rating: Power
    curve: Annotated[tuple[BreakerPoint, ...], ruled(CURVE_RISES, SECONDS_FALL, minItems=1, maxItems=32)]


class MemberNode(ApiStruct, frozen=True):
    """The watts of each node that is a direct member.

    Attributes
    ----------
    budget
        What one node may draw; anything where it is left out.
    idle
        What one node draws with no pods.
    peak
        What one node draws at full load.
    """

    budget: Power = ""
    idle: Power = ""
    peak: Power = ""


ONE_MEMBERSHIP = Rule(
    "!(has(self.nodeSelector) && has(self.nodeNames))", "at most one of nodeSelector and nodeNames may be given"
)
SHARED_HAS_PARENTS = Rule(
    "!has(self.feedLoad) || self.feedLoad != 'Shared' || (has(self.parents) && size(self.parents) > 1)",
    "feedLoad Shared needs two parents or more to share the load",
)


class PowerDomainSpec(ApiStruct, frozen=True):
    """What a domain is, and what it may draw.

    Attributes
    ----------
    kind
        Level of the domain: feed, row, rack or any other word.
    parents
        Domains that it draws through.
    feed_load
        Shared where parents of one kind each carry their part of the load, and the survivors all of it.
    budget
        What it may draw; anything where it is left out.
    breaker
        The breaker in front of it.
    node_selector
        Nodes that draw through it directly, by their labels.
    node_names
        Nodes that draw through it directly, by name.
    node
        The watts of each of those nodes.
    """

    kind: Annotated[str, bounded(minLength=1, maxLength=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    parents: Annotated[tuple[Name, ...], bounded(maxItems=8, **NAME_SET)] = ()
    feed_load: Annotated[str, bounded(enum=["", SHARED_LOAD])] = ""
    budget: Power = ""
    breaker: BreakerSpec | None = None
    node_selector: LabelSelector | None = None
    node_names: Annotated[tuple[Name, ...], bounded(maxItems=5000, **NAME_SET)] = ()
    node: MemberNode | None = None

    rules = (ONE_MEMBERSHIP, SHARED_HAS_PARENTS)


class BreachForecast(ApiStruct, frozen=True):
    """When the domain will break its budget, as it goes.

    Attributes
    ----------
    breach_at
        When its draw crosses the budget.
    probability
        How likely that is.
    """

    breach_at: Moment | None = None
    probability: Annotated[float | None, bounded(minimum=0, maximum=1)] = None


class PowerDomainStatus(ApiStruct, frozen=True):
    """What the controller says of a domain.

    Attributes
    ----------
    conditions
        Accepted: the spec makes a tree with the others; Ready: that spec is in force.
    observed_generation
        Generation of the spec that this status was made for.
    nodes
        Nodes under the domain, directly or through children.
    budget_watts
        The budget in force, policies counted in.
    draw_watts
        What its nodes draw by the books: base watts and the watts of their pods.
    headroom_watts
        Budget less draw; below zero where the budget is broken.
    accepted_spec
        The last spec that made a tree with the others: it stays in force while a newer one does not.
    measured_watts
        What its nodes were last measured to draw.
    source_age_seconds
        How old the oldest of those measurements was.
    measured_at
        When they were last looked at.
    forecast
        When it will break its budget; left out where it will not, as far as can be foreseen.
    last_action
        The last that was done to bring it under its budget.
    """

    conditions: Conditions = ()
    observed_generation: int = 0
    nodes: int = 0
    budget_watts: int | None = None
    draw_watts: int | None = None
    headroom_watts: int | None = None
    accepted_spec: Annotated[PowerDomainSpec | None, bounded(**{PRESERVE: True})] = None
    measured_watts: int | None = None
    source_age_seconds: int | None = None
    measured_at: Moment | None = None
    forecast: BreachForecast | None = None
    last_action: LastAction | None = None


class PowerDomainObject(ApiStruct, frozen=True):
    """A feed, row, rack or any other level through which nodes draw, and the watts that it may draw.

    Attributes
    ----------
    spec
        What the domain is.
    status
        What the controller says of it.
    """

    metadata: ObjectMeta
    spec: PowerDomainSpec
    status: PowerDomainStatus | None = None

    rules = (
        Rule(
            "!has(self.spec.parents) || !(self.metadata.name in self.spec.parents)", "a domain cannot be its own parent"
        ),
    )
