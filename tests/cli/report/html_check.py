"""Reading a page back: whether its tags balance, what it would fetch, what it says."""

from html.parser import HTMLParser

VOID = {"meta", "br", "wbr", "link", "img", "input", "hr"}
FETCHING = {"src", "href", "srcset", "data", "action", "poster", "background", "xlink:href"}


class PageReader(HTMLParser):
    """Collects text, attributes and mistakes of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.mistakes: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.headings: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((tag, name, value or "") for name, value in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((tag, name, value or "") for name, value in attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.mistakes.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings.append(data.strip())
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        """All text, whitespace made single."""
        return " ".join(" ".join(self.words).split())

    @property
    def fetched(self) -> list[str]:
        """What the page would fetch; links within the page are not."""
        return [v for _, name, v in self.attributes if name in FETCHING and not v.startswith("#")]


def read(page: str) -> PageReader:
    reader = PageReader()
    reader.feed(page)
    reader.close()
    if reader.open:
        reader.mistakes.append(f"never closed: {reader.open}")
    return reader
