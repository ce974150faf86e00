"""Text that others wrote, before it is shown on a terminal."""


def harmless(text: str) -> str:
    """Replace what would steer a terminal, line by line: servers, files and names are quoted in messages."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
