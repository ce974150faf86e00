"""Inline SVG by small parts: every attribute and text is escaped, so that no name can break out of its picture."""

from dataclasses import dataclass

from markupsafe import Markup, escape

from powerplane.models.plain import printable


def element(tag: str, *children: str, **attributes: object) -> Markup:
    """Make one element; ``class_`` stands for class, ``stroke_width`` for stroke-width, numbers are kept short."""
    written = "".join(f' {_name(key)}="{_value(value)}"' for key, value in attributes.items())
    inside = Markup().join(_child(child) for child in children)
    return Markup(f"<{tag}{written}>{inside}</{tag}>") if children else Markup(f"<{tag}{written}/>")


def picture(title: str, description: str, width: float, height: float, *children: str, class_: str = "") -> Markup:
    """Make a drawing that says in words what it shows."""
    return element(
        "svg",
        element("title", title),
        element("desc", description),
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        class_=class_,
    )


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear scale from data to the drawing's units."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value; a scale without extent puts everything at its start."""
        extent = self.high - self.low
        return self.start + (value - self.low) / extent * (self.end - self.start) if extent else self.start


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-") if key != "viewBox" else key


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return str(escape(printable(str(value))))


def _child(child: str) -> Markup:
    return child if isinstance(child, Markup) else escape(printable(child))
