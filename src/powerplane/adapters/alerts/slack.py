"""Slack: an incoming webhook. Its URL is its credential; it knows no idempotency, so the id stands in the message.

Text is escaped as Slack asks (``&``, ``<``, ``>``), so that no name in it can link, mention or notify anybody.
"""

from typing import Any

import msgspec

from powerplane.adapters.alerts.posting import Poster
from powerplane.adapters.alerts.sink import Sent
from powerplane.models.alerts.alert import Notice
from powerplane.models.alerts.grouping import Bundle
from powerplane.models.alerts.words import deed, headline

MOST_LINES = 20
LONGEST_LINE = 400
LONGEST_TEXT = 2900
"""Slack takes 3,000 characters in a section."""

SIGNS = {
    "fired": ":rotating_light:",
    "worsened": ":rotating_light:",
    "repeated": ":hourglass:",
    "resolved": ":white_check_mark:",
    "test": ":test_tube:",
}


class Slack:
    """A sink.

    Parameters
    ----------
    poster : Poster
    """

    name = "slack"

    def __init__(self, poster: Poster) -> None:
        self._poster = poster

    def send(self, bundle: Bundle) -> Sent:
        """Send a bundle as one message."""
        return self._poster.post(msgspec.json.encode(message_of(bundle)))


def message_of(bundle: Bundle) -> dict[str, Any]:
    """Return a bundle as Slack takes it."""
    count = len(bundle.notices)
    title = f"{SIGNS[bundle.what]} *PowerPlane: {bundle.what}* ({count} {'alert' if count == 1 else 'alerts'})"
    text = title
    shown = 0
    for notice in bundle.notices[:MOST_LINES]:
        line = "\n" + escape(_line(notice))
        if len(text) + len(line) > LONGEST_TEXT:
            break
        text += line
        shown += 1
    if shown < count:
        text += f"\n… and {count - shown} more"
    footer = {"type": "context", "elements": [{"type": "plain_text", "text": f"id {bundle.id}"}]}
    section = {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
    fallback = escape(headline(bundle.notices[0]))[:LONGEST_LINE]
    return {"text": f"PowerPlane: {bundle.what}: {fallback}", "blocks": [section, footer]}


def escape(text: str) -> str:
    """Take their meaning from the three characters that have one, and from those that format."""
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(c if (c.isprintable() and c not in "*_~`") or c == "\n" else " " for c in plain)


def _line(notice: Notice) -> str:
    told = f"• {notice.finding.severity}: {headline(notice)}."
    more = deed(notice.finding) if notice.what != "resolved" else ""
    return f"{told} {more}".strip()[:LONGEST_LINE]
