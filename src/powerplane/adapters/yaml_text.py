"""YAML read as text: every scalar stays as it was written, until its field says what it means.

So figures are exact (``0.1`` is a tenth), a rack may be called ``on`` or ``007``, and a key that stands twice is an
error. Only YAML's null (nothing, ``~`` or ``null``, unquoted) is read as None.
"""

from collections.abc import Iterator
from typing import Any

import yaml

from powerplane.models.errors import InputError

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # PyYAML without libyaml: the same events, slower
    from yaml import SafeLoader as Loader  # type: ignore[assignment]  # both have the parser's interface

DEEPEST = 32
"""Levels of nesting; no file of ours needs more than six."""

NULLS = ("", "~", "null")


def parse_yaml(data: bytes, source: str) -> Any:
    """Read one YAML document into dicts, lists, strings and None.

    Parameters
    ----------
    data : bytes
        UTF-8 (or UTF-16 with a byte order mark, as YAML allows).
    source : str
        The file's name in messages.

    Raises
    ------
    InputError
        For what is not YAML, a key that stands twice, more than one document, or nesting beyond 32 levels; with the
        line.
    """
    try:
        return _Reader(yaml.parse(data, Loader=Loader), source).document()
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{source} is not YAML: {_flat(error)}", "mend the file there, then try again") from error


class _Reader:
    """Builds values from the parser's events, so that depth, doubles and lines are in its own hands."""

    def __init__(self, events: Iterator[yaml.Event], source: str) -> None:
        self._events = events
        self._source = source
        self._anchors: dict[str, Any] = {}

    def document(self) -> Any:
        value = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refusal(event, "a second document begins", "keep one document in the file")
            elif isinstance(event, yaml.NodeEvent):
                value = self._value(event, 0)
        return value

    def _value(self, event: yaml.Event, depth: int) -> Any:
        if depth > DEEPEST:
            raise self._refusal(event, f"nesting is deeper than {DEEPEST} levels", "mend the brackets or indents")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise self._refusal(event, f"the alias *{event.anchor} has no anchor", "define it above, or remove it")
            return self._anchors[event.anchor]
        value: Any
        if isinstance(event, yaml.SequenceStartEvent):
            value = [self._value(item, depth + 1) for item in self._until(yaml.SequenceEndEvent)]
        elif isinstance(event, yaml.MappingStartEvent):
            value = self._mapping(depth + 1)
        elif isinstance(event, yaml.ScalarEvent):
            value = None if not event.style and event.value in NULLS else event.value
        else:
            raise self._refusal(event, "the document ends too soon", "complete the file")
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _mapping(self, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for event in self._until(yaml.MappingEndEvent):
            key = self._value(event, depth)
            if not isinstance(key, str):
                raise self._refusal(event, "a key is not plain text", "write keys as plain words")
            if key in mapping:
                raise self._refusal(event, f"the key {key!r} stands twice", "leave one of them")
            mapping[key] = self._value(next(self._events), depth)
        return mapping

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield event

    def _refusal(self, event: yaml.Event, problem: str, next_step: str) -> InputError:
        line = event.start_mark.line + 1 if event.start_mark else 0
        return InputError(f"{self._source}, line {line}: {problem}", next_step)


def _flat(error: Exception) -> str:
    return " ".join(str(error).split())
