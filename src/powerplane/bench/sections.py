"""Sections of a results page that another command writes: kept when the page is written anew."""

from pathlib import Path


def section(name: str, body: str) -> str:
    """Return a body between the marks that name it."""
    return f"{_begin(name)}\n{body.strip()}\n{_end(name)}\n"


def find_section(text: str, name: str) -> str:
    """Return a named section with its marks; "" where the text has none."""
    begin, end = text.find(_begin(name)), text.find(_end(name))
    return text[begin : end + len(_end(name))] + "\n" if 0 <= begin < end else ""


def put_section(text: str, name: str, body: str) -> str:
    """Return a text with the body in place of the section's old one, or at its end where there was none."""
    old = find_section(text, name)
    new = section(name, body)
    return text.replace(old.rstrip("\n"), new.rstrip("\n")) if old else text.rstrip() + "\n\n" + new


def with_sections_of(text: str, path: Path, names: tuple[str, ...]) -> str:
    """Return a page's new text together with the named sections of what stands in the file."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    kept = [found for name in names if (found := find_section(old, name))]
    return "\n".join([text, *kept]) if kept else text


def _begin(name: str) -> str:
    return f"<!-- {name}: begin -->"


def _end(name: str) -> str:
    return f"<!-- {name}: end -->"
