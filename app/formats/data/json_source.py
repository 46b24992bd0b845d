"""JSON source, also with comments or as lines of records → its entries.

The source is scanned, not parsed: what matters is where members and records begin and end, at any depth and in any
dialect of JSON. All loops are linear, since short values are passed over once and long ones by a table of their ends.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.formats.data.outline import LONG_NUM_CHARS, MAX_DEPTH, NAME_KEYS, Entry
from app.formats.registry import MAX_NUM_CHARS
from app.formats.storable import storable

_STRING = r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"?'
_COMMENT = r"//[^\n]*|/\*(?:[^*]|\*(?!/))*+(?:\*/)?"
_BRACKET = re.compile(rf"{_STRING}|[\[\]{{}}]|{_COMMENT}")
_TOKEN = re.compile(rf"{_STRING}|[\[\]{{}},]|{_COMMENT}")
_GAP = re.compile(rf"(?:\s|{_COMMENT})*+")
_KEY = re.compile(rf"({_STRING}|[\w$-]++)\s*+:")
_COMMA = re.compile(r"\s*+,")
_CLOSED_BY = {"[": "]", "{": "}"}

# No word of any language: pictures and keys written as characters.
_BLOB = re.compile(r'"[^"\s]{500}')

# Of long lists of numbers and of blobs, this much shows what they are; nobody asks about the rest.
_DATA_NUM_CHARS = 200

# Written by programs without line ends: such source is laid out before it is read.
_LONG_LINE_NUM_CHARS = 500

# A list or object up to this length stays on its line.
_INLINE_NUM_CHARS = 100

_MAX_GROWTH = 3
"""Times the source. Usual data grows by a fifth to a half."""

# Of two spaces each. Deeper levels are not shown by indentation, which would outgrow the source.
_MAX_NUM_INDENTATIONS = 10


@dataclass(frozen=True, slots=True)
class _Container:
    """An object or list: where it ends, and whether it holds strings (else it is a list of numbers)."""

    end: int
    has_words: bool


@dataclass(frozen=True, slots=True)
class _Member:
    """One value in a container, with its key and its comma."""

    start: int
    value_start: int
    end: int
    key: str | None


def entries(text: str) -> list[Entry] | None:
    """The entries of the source; None when it is no JSON: it does not begin so, or its brackets do not match."""
    return _entries(text, 0)


def entries_of_lines(text: str) -> list[Entry]:
    """The entries of source in which each line is meant to be JSON, and some are not."""
    found: list[Entry] = []
    for index, line in enumerate(re.finditer(r"[^\n]+\n?", text)):
        of_line = _entries(line[0], index) or [Entry(0, len(line[0]))]
        of_line[-1] = replace(of_line[-1], end=len(line[0]))
        found += (_shifted(entry, line.start()) for entry in of_line)
    return found


def _entries(text: str, first_index: int) -> list[Entry] | None:
    if text[(start := _end_of_gap(text, 0)) : start + 1] not in {"[", "{"}:
        return None
    long = _containers(text, LONG_NUM_CHARS)
    return None if long is None else _Source(text, long).roots(first_index)


def laid_out(text: str) -> str:
    """The source with one member or item on each line if it is written in few long lines, else as it is."""
    if text.count("\n") * _LONG_LINE_NUM_CHARS >= len(text):
        return text
    long = _containers(text, _INLINE_NUM_CHARS)
    laid_out = "".join(_lines(text, long)) if long is not None else text
    # Brackets in brackets and little else, or data that fits into a document only as it is.
    return text if len(laid_out) > min(_MAX_GROWTH * len(text), MAX_NUM_CHARS) else laid_out


def _end_of_gap(text: str, position: int) -> int:
    match = _GAP.match(text, position)
    return match.end() if match else position


def _containers(text: str, min_num_chars: int) -> dict[int, _Container] | None:
    """The containers longer than that, and long lists of numbers, by their start; None when brackets do not match."""
    found: dict[int, _Container] = {}
    open_at: list[int] = []
    has_words: list[bool] = [False]
    for match in _BRACKET.finditer(text):
        start = match.start()
        character = text[start]
        if character in "[{":
            open_at.append(start)
            has_words.append(character == "{")
        elif character in "]}":
            if not open_at or _CLOSED_BY[text[open_at[-1]]] != character:
                return None
            first, has_inner_words = open_at.pop(), has_words.pop()
            has_words[-1] |= has_inner_words
            if match.end() - first > (min_num_chars if has_inner_words else min(min_num_chars, _DATA_NUM_CHARS)):
                found[first] = _Container(match.end(), has_inner_words)
        elif character == '"':
            has_words[-1] = True
    return None if open_at else found


class _Source:
    def __init__(self, text: str, long: dict[int, _Container]) -> None:
        self._text = text
        self._long = long

    def roots(self, first_index: int) -> list[Entry]:
        """The entries of the whole source: one value, which needs no name, or records numbered from `first_index`."""
        members = list(self._members(0, len(self._text)))
        container = self._long.get(members[0].value_start)
        if len(members) == 1 and first_index == 0 and container and container.has_words:
            inner = self._inner(members[0].value_start + 1, container.end - 1, 1)
            return [Entry(members[0].start, members[0].end, None, inner)]
        return [self._entry(member, index, 1) for index, member in enumerate(members, first_index)]

    def _inner(self, start: int, end: int, depth: int) -> list[Entry]:
        """The entries of what stands between the brackets of a container."""
        return [self._entry(member, index, depth) for index, member in enumerate(self._members(start, end))]

    def _entry(self, member: _Member, index: int, depth: int) -> Entry:
        text = self._text
        container = self._long.get(member.value_start)
        if container is None:
            is_container = text[member.value_start : member.value_start + 1] in {"[", "{"}
            is_section = is_container or member.end - member.start > LONG_NUM_CHARS
            is_blob = _BLOB.match(text, member.value_start) is not None
            end = member.value_start + _DATA_NUM_CHARS if is_blob else member.end
            return Entry(member.start, end, member.key if is_section else None)
        if not container.has_words:
            return Entry(member.start, member.value_start + _DATA_NUM_CHARS, member.key)
        inner = (member.value_start + 1, container.end - 1)
        label = member.key or self._name(*inner) or f"[{index}]"
        parts = self._inner(*inner, depth + 1) if depth < MAX_DEPTH else []
        return Entry(member.start, member.end, label, parts)

    def _name(self, start: int, end: int) -> str | None:
        """What the record between these brackets calls itself."""
        values = {member.key: self._scalar(member) for member in self._members(start, end) if member.key in NAME_KEYS}
        return next((values[key] for key in NAME_KEYS if values.get(key)), None)

    def _scalar(self, member: _Member) -> str | None:
        value = self._text[member.value_start : member.end].strip().removesuffix(",").rstrip()
        return None if value[:1] in {"[", "{"} else _unquoted(value)

    def _members(self, start: int, end: int) -> Iterator[_Member]:
        """What stands side by side in [start, end): members of an object, items of a list, records of a file."""
        member_start = position = start
        depth = 0
        while match := _TOKEN.search(self._text, position, end):
            position = match.end()
            character = self._text[match.start()]
            if character in "[{":
                container = self._long.get(match.start())
                if container is None:
                    depth += 1
                    continue
                position = container.end
            elif character in "]}":
                depth -= 1
            elif character != ",":
                continue
            if depth == 0:
                comma = _COMMA.match(self._text, position, end) if character != "," else None
                position = comma.end() if comma else position
                yield self._member(member_start, position)
                member_start = position
        if self._text[member_start:end].strip():
            yield self._member(member_start, end)

    def _member(self, start: int, end: int) -> _Member:
        key_start = _end_of_gap(self._text, start)
        key = _KEY.match(self._text, key_start, end)
        value_start = _end_of_gap(self._text, key.end()) if key else key_start
        return _Member(start, value_start, end, _unquoted(key[1]) if key else None)


def _unquoted(source: str) -> str:
    if not source.startswith('"'):
        return source
    try:
        return storable(str(json.loads(source)))
    except ValueError:
        return source.strip('"')


def _shifted(entry: Entry, by: int) -> Entry:
    return Entry(entry.start + by, entry.end + by, entry.label, [_shifted(part, by) for part in entry.parts])


def _lines(text: str, long: dict[int, _Container]) -> Iterator[str]:
    """The source in pieces: line ends and indentation are put into long containers, nothing else changes."""
    written = depth = num_open_inline = stays_until = 0
    for match in _TOKEN.finditer(text):
        start, end = match.span()
        character = text[start]
        if start < stays_until:
            continue
        if character in "[{":
            container = long.get(start)
            if container is None:
                num_open_inline += 1
                continue
            if not container.has_words:
                stays_until = container.end
                continue
            depth += 1
        elif character in "]}":
            if num_open_inline:
                num_open_inline -= 1
                continue
            depth -= 1
            yield from (text[written:start].strip(), _line_end(depth))
            written = start
            continue
        elif character != "," or num_open_inline:
            continue
        yield from (text[written:end].strip(), _line_end(depth))
        written = end
    yield text[written:].strip()


def _line_end(depth: int) -> str:
    return "\n" + "  " * min(depth, _MAX_NUM_INDENTATIONS)
