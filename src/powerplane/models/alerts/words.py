"""What an alert says to people."""

from powerplane.models.alerts.alert import Finding, Notice, Remedy
from powerplane.models.quantities import format_watts

LONGEST_NAME = 253

VERBS = {
    "capReplicas": "scaled down",
    "throttle": "throttled",
    "limitPower": "limited",
    "migrate": "moved",
    "evict": "evicted",
}


def watts(milliwatts: int) -> str:
    """Write a draw for people: whole watts, since nobody measures finer."""
    return format_watts(round(milliwatts, -3))


def policy_words(finding: Finding) -> str:
    """Name what sets the limit."""
    if not finding.key.policy:
        return "its own budget"
    namespace, _, name = finding.key.policy.partition("/")
    return f"policy {namespace}/{name}" if namespace else f"cluster policy {name}"


def headline(notice: Notice) -> str:
    """Say in one line what is so."""
    finding = notice.finding
    subject = _subject(finding)
    if notice.what == "resolved":
        return f"{subject}: {_over(notice)}"
    limit = f"{watts(finding.limit_mw)} of {policy_words(finding)}"
    match finding.key.kind:
        case "DomainOverIfFeedLost":
            return f"{subject} would draw {watts(finding.draw_mw)}, {watts(finding.over_mw)} over {limit}"
        case "DrawUnknown":
            return f"{subject} may be over {limit}: {finding.detail}"
        case "PodsOverCap":
            return f"{subject} hold {watts(finding.draw_mw)}, {watts(finding.over_mw)} over {limit}"
        case _:
            return f"{subject} draws {watts(finding.draw_mw)}, {watts(finding.over_mw)} over {limit}"


def deed(finding: Finding) -> str:
    """Say what would have been done; "" where there is nothing to do."""
    if finding.key.kind == "DrawUnknown" or not finding.over_mw:
        return ""
    return _deed(finding.remedy, finding.over_mw)


def _subject(finding: Finding) -> str:
    key = finding.key
    if key.kind == "PodsOverCap":
        return f"pods of {policy_words(finding)}"
    lost = f" with {finding.detail} lost" if key.kind == "DomainOverIfFeedLost" and finding.detail else ""
    return f"{finding.level or 'domain'} {key.subject}{lost}"


def _over(notice: Notice) -> str:
    if notice.ended == "withdrawn":
        return "nobody asks any more (the policy or the domain is gone, or acts by itself)"
    if notice.finding.key.kind == "DrawUnknown":
        return "its draw is known again"
    return f"{watts(notice.finding.draw_mw)}, within {watts(notice.finding.limit_mw)} again"


def _deed(remedy: Remedy, over_mw: int) -> str:
    if not remedy.lever:
        return f"{watts(over_mw)} would have to go; no policy allows a lever for it."
    if not remedy.freed_mw:
        return f"{watts(over_mw)} would have to go; nothing that {remedy.lever} reaches draws any by the books."
    whom = "running pods" if not remedy.count else "1 pod" if remedy.count == 1 else f"{remedy.count} pods"
    more = remedy.count - len(remedy.pods)
    named = f" ({', '.join(remedy.pods)}{f' and {more} more' if more else ''})" if remedy.pods else ""
    short = "" if remedy.enough else f", which leaves {watts(over_mw - remedy.freed_mw)}"
    return f"In mode Enforce {whom} would be {VERBS[remedy.lever]}{named}: {watts(remedy.freed_mw)} less{short}."
