"""Rows of a column of a PDF page: fragments on one line, from left to right."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from app.formats.pdf.fragments import Fragment

# How far the middles of fragments on one line may lie apart, as a share of the height of the larger letters: less than
# half a line, and superscripts are lifted by .4. They are at least .42 as high; what is lower stands beside an initial
# of several lines, and its own height counts.
_MAX_OFFSET = 0.45
_MIN_SUPERSCRIPT = 0.42

# Where there is no space: a word, or a word and its superscript, that the page draws in two.
_MIN_SPACE = 0.12

# What lies further apart than words do when a narrow line is filled stands in two cells of a table.
_MIN_CELL_GAP = 1.5

# Bullets, "1.", "(a)", "[12]".
_MARK = r"[\u2022\u25e6\u25aa\u2023\u25cf\u25cb\u25a0\u25a1\u00b7\u2013\u2014*-]|[(\[]?(?:\d{1,3}|[A-Za-z])[.)\]]"
_MARK_ALONE = re.compile(_MARK)
_MARK_BEFORE = re.compile(rf"(?:{_MARK})\s")

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff]")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a column. Lengths are in points; `y` and `size` as in Fragment, of the row's longest fragment."""

    cells: tuple[str, ...]
    """Its text: several where it is a row of a table."""
    left: float
    right: float
    y: float
    size: float
    is_item: bool
    """Whether it begins with the mark of a list item."""

    @property
    def text(self) -> str:
        return " ".join(self.cells)


def rows_of(fragments: Iterable[Fragment]) -> list[Row]:
    """The fragments as rows from top to bottom."""
    return [row_of(group) for group in grouped(fragments)]


def grouped(fragments: Iterable[Fragment]) -> list[list[Fragment]]:
    """The fragments of each row, from top to bottom, in no order within a row."""
    groups: list[list[Fragment]] = []
    longest: Fragment | None = None
    for fragment in sorted(fragments, key=lambda each: -each.y):
        if longest is None or not are_on_one_line(longest, fragment):
            groups.append([])
            longest = fragment
        groups[-1].append(fragment)
        longest = max(longest, fragment, key=_length)
    return groups


def are_on_one_line(fragment: Fragment, other: Fragment) -> bool:
    """Whether they would be on one row, if they stood beside each other."""
    larger, smaller = max(fragment.size, other.size), min(fragment.size, other.size)
    size = larger if smaller >= _MIN_SUPERSCRIPT * larger else smaller
    return abs(fragment.y - other.y) <= _MAX_OFFSET * size


def row_of(group: list[Fragment]) -> Row:
    """The row of these fragments."""
    longest = max(group, key=_length)
    ordered = sorted(group, key=lambda each: each.left)
    text = "".join(each.text for each in ordered)
    is_reversed = len(_RIGHT_TO_LEFT.findall(text)) > len(text) / 2
    if is_reversed:
        ordered.reverse()
    return Row(
        cells=_cells(ordered, longest.size, is_reversed),
        left=min(each.left for each in group),
        right=max(each.right for each in group),
        y=longest.y,
        size=longest.size,
        is_item=_is_mark(ordered[0]) or _MARK_BEFORE.match(ordered[0].text) is not None,
    )


def _length(fragment: Fragment) -> float:
    return fragment.right - fragment.left


def _cells(ordered: list[Fragment], size: float, is_reversed: bool) -> tuple[str, ...]:
    cells = [[ordered[0].text]]
    for index, (last, fragment) in enumerate(pairwise(ordered)):
        gap = last.left - fragment.right if is_reversed else fragment.left - last.right
        # The mark of a list item stands as far from it as it likes.
        if gap > _MIN_CELL_GAP * size and not (index == 0 and _is_mark(last)):
            cells.append([fragment.text])
        else:
            cells[-1] += [" " if gap > _MIN_SPACE * size else "", fragment.text]
    return tuple("".join(cell) for cell in cells)


def _is_mark(fragment: Fragment) -> bool:
    return _MARK_ALONE.fullmatch(fragment.text) is not None
