"""YAML source → its entries, told apart by indentation.

No YAML is parsed: files with templates, tags or mistakes in them are read like all others.
"""

import re
from dataclasses import dataclass

from app.formats.data.outline import LONG_NUM_CHARS, MAX_DEPTH, NAME_KEYS, Entry
from app.formats.spans import line_starts

_KEY = re.compile(
    r"""\s*+(?:-\s++)*+(?:"(?P<double>[^"\n]*+)"|'(?P<single>[^'\n]*+)'|(?P<plain>[^\s\#\[\]{}"'][^:\n]*+))\s*+:(?=\s|$)"""
)
_ITEM = re.compile(r"\s*+-(?=\s|$)")
_BLOCK_SCALAR = re.compile(r"[|>][-+0-9]*+\s*+(?:\#.*)?$")
_VALUE = re.compile(r"""[^\s"'|>&*{\[\#][^\#\n]*|"[^"\n]*"|'[^'\n]*'""")


@dataclass(frozen=True, slots=True)
class _Line:
    """One line that is neither blank nor a comment."""

    number: int
    indentation: int
    is_item: bool
    is_border: bool
    """Begins a document ("---")."""


def entries(text: str) -> list[Entry]:
    """The entries of the source: the keys or items of its outermost level, those that are long with parts."""
    return _Source(text).entries()


class _Source:
    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = line_starts(text)
        self._lines = self._significant_lines()

    def entries(self) -> list[Entry]:
        if len(self._text) <= LONG_NUM_CHARS or not self._lines:
            return [Entry(0, len(self._text))]
        return self._entries(self._lines, 0, len(self._text), 1)

    def _significant_lines(self) -> list[_Line]:
        lines: list[_Line] = []
        for number in range(len(self._starts) - 1):
            line = self._line_text(number)
            words = line.lstrip()
            if words and not words.startswith("#"):
                is_item = _ITEM.match(line) is not None
                lines.append(_Line(number, len(line) - len(words), is_item, line.startswith("---")))
        return lines

    def _line_text(self, number: int) -> str:
        return self._text[self._starts[number] : self._starts[number + 1]].rstrip("\n")

    def _entries(self, lines: list[_Line], start: int, end: int, depth: int) -> list[Entry]:
        """The entries among these lines, which stand in [start, end)."""
        if not lines:
            return []
        firsts = _first_lines(lines)
        starts = [start, *(self._start_of_entry(lines[first], start) for first in firsts[1:]), end]
        ends_at = [*firsts[1:], len(lines)]
        num_items = 0
        found: list[Entry] = []
        for index, (first, last) in enumerate(zip(firsts, ends_at, strict=True)):
            number = num_items
            num_items += lines[first].is_item
            found.append(self._entry(lines[first:last], starts[index], starts[index + 1], number, depth))
        return found

    def _start_of_entry(self, line: _Line, at_least: int) -> int:
        """Where the comments directly above the line start."""
        number = line.number
        while number > 0 and self._starts[number - 1] >= at_least and self._line_text(number - 1).lstrip()[:1] == "#":
            number -= 1
        return self._starts[number]

    def _entry(self, lines: list[_Line], start: int, end: int, number: int, depth: int) -> Entry:
        first, rest = lines[0], lines[1:]
        key = _KEY.match(self._line_text(first.number))
        is_long = end - start > LONG_NUM_CHARS
        if first.is_item:
            if not is_long:
                return Entry(start, end)
            label = self._name(lines) or f"[{number}]"
        elif key is None or first.is_border:
            return Entry(start, end)
        else:
            label = key["double"] or key["single"] or (key["plain"] or "").strip()
            if not rest and not is_long:
                return Entry(start, end)
        is_text = key is not None and _BLOCK_SCALAR.match(self._line_text(first.number)[key.end() :].strip())
        if not is_long or is_text or not rest or depth == MAX_DEPTH:
            return Entry(start, end, label)
        inner_start = self._start_of_entry(rest[0], self._starts[first.number + 1])
        opening = [Entry(start, inner_start)] if first.is_item else []
        return Entry(start, end, label, opening + self._entries(rest, inner_start, end, depth + 1))

    def _name(self, lines: list[_Line]) -> str | None:
        """What an item calls itself, by a key of its own."""
        own_indentation = min((line.indentation for line in lines[1:]), default=0)
        values: dict[str, str] = {}
        for line in (line for line in lines if line is lines[0] or line.indentation == own_indentation):
            source = self._line_text(line.number)
            key = _KEY.match(source)
            value = _VALUE.match(source[key.end() :].strip()) if key else None
            if key and value:
                values.setdefault((key["plain"] or "").strip(), value[0].strip(" \"'"))
        return next((values[key] for key in NAME_KEYS if values.get(key)), None)


def _first_lines(lines: list[_Line]) -> list[int]:
    """Indices of the lines that begin an entry of the outermost level among these."""
    outermost = min(line.indentation for line in lines)
    # A list may stand as far left as the key it belongs to.
    are_items = all(line.is_item for line in lines if line.indentation == outermost and not line.is_border)
    firsts = [
        index
        for index, line in enumerate(lines)
        if line.indentation == outermost and (line.is_border or line.is_item == are_items)
    ]
    return firsts if firsts[0] == 0 else [0, *firsts]
