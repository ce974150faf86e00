"""Findings and notices for tests."""

from powerplane.models.alerts.alert import AlertKey, Finding, Notice

KEY = AlertKey("DomainOverBudget", "rack-1", "/watch")


def finding(standing="over", severity="warning", key=KEY, draw_w=1200, limit_w=1000, **more) -> Finding:
    return Finding(key, standing, severity, draw_w * 1000, limit_w * 1000, "Observe", "rack", **more)


def notice(number=1, what="fired", episode="e", sequence=1, at_s=1000.0, subject=None) -> Notice:
    key = AlertKey("DomainOverBudget", subject or f"rack-{number}", "/watch")
    return Notice(episode, sequence, what, at_s, at_s - 10, finding(key=key), "under" if what == "resolved" else "")
