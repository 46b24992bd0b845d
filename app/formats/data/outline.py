"""Structured data as a tree of entries → passages at its natural borders, their headings being the key paths."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from app.formats.extracted import Passage
from app.formats.headings import HeadingTrail
from app.formats.spans import trimmed

# About 500 tokens, the size of one chunk: what is shorter stays whole.
LONG_NUM_CHARS = 2000

MAX_DEPTH = 8
"""Entries deeper than this are not told apart: nobody reads a longer key path, and data may nest without end."""

# Short entries next to each other are one passage: about as much as a few sentences.
_GROUP_NUM_CHARS = 400

# What may stand behind the last part of an entry: brackets that close it, and the comma behind them.
_CLOSING = "]}, \t\n"

NAME_KEYS = ("name", "title", "label", "id", "key")
"""Keys by which a record tells what it is, best first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A member of an object, item of a list, record or table: characters [start, end) of the source."""

    start: int
    end: int
    label: str | None = None
    """What it adds to the key path; None when it stands in the section around it."""
    parts: Sequence["Entry"] = ()
    """Given when the entry is long: its own entries, in order. What is before the first opens the entry."""


def passages(text: str, entries: Iterable[Entry]) -> tuple[Passage, ...]:
    """Passages of the entries, in order; an entry with parts is read part by part."""
    return tuple(_passages(text, entries, HeadingTrail(), 1))


def _passages(text: str, entries: Iterable[Entry], trail: HeadingTrail, depth: int) -> Iterator[Passage]:
    for entry in _grouped(entries):
        trail.enter(depth, entry.label or "")
        inner = list(_passages(text, entry.parts, trail, depth + 1)) if entry.parts else []
        if inner:
            yield from _enclosed(text, entry, inner)
        elif span := trimmed(text, entry.start, entry.end):
            yield Passage(*span, heading=trail.breadcrumb)


def _grouped(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries, with short ones of the same section put together."""
    start = end = 0
    for entry in entries:
        is_part = entry.label is None and not entry.parts
        if is_part and entry.start == end and entry.end - start <= _GROUP_NUM_CHARS:
            end = entry.end
            continue
        if start < end:
            yield Entry(start, end)
        start, end = (entry.start, entry.end) if is_part else (0, 0)
        if not is_part:
            yield entry
    if start < end:
        yield Entry(start, end)


def _enclosed(text: str, entry: Entry, inner: list[Passage]) -> list[Passage]:
    """The passages of an entry's parts; the first and the last one take along what opens and closes it."""
    opened = trimmed(text, entry.start, inner[0].end)
    if opened:
        inner[0] = replace(inner[0], start=opened[0])
    closed = trimmed(text, inner[-1].start, entry.end)
    if closed and not text[inner[-1].end : closed[1]].strip(_CLOSING):
        inner[-1] = replace(inner[-1], end=closed[1])
    return inner
