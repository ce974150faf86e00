"""Text that others wrote, before it is quoted."""


def printable(text: str) -> str:
    """Replace what would steer a terminal or reorder a line (control and direction marks) by U+FFFD.

    Parameters
    ----------
    text : str
        Meant to be shown within one line.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
