"""What is printed on every page of a PDF and belongs to none: running headers and footers, page numbers.

A line is taken for furniture when three pages show it at the same height, in the margin and outside of all else that
they hold; a number in it may count along with the pages. Its first showing is kept, unless it is a page number: what
is said only there is not lost.
"""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median_low

from app.formats.pdf.fragments import Fragment, Layer
from app.formats.pdf.rows import grouped, row_of

_MIN_NUM_PAGES = 3

# The margins, as a share of the height of the page: headers stand 0.5 to 1 inch from the edge of 11.
_MARGIN = 0.1

# How many lines from the outside are looked at: a header has one to three.
_MAX_NUM_LINES = 3

# Titles of slides are repeated too, in larger letters than the text. Running headers are not larger.
_MAX_SIZE_RATIO = 1.1

# How far the heights of the same line on two pages may differ, in points.
_TOLERANCE = 3.0

_NUMBER = re.compile(r"\d{1,6}")
_PAGE_NUMBER = re.compile(r"\W*(?:page|p)?\W*\d+\W*(?:of|/)?\W*\d*\W*|\W*[ivxlc]+\W*")
_ROMAN_NUMBER = re.compile(r"\W*([ivxlc]+)\W*")
_ROMAN_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}


@dataclass(frozen=True, slots=True)
class Cleared:
    """A page without its furniture; of that, the lines that no page before it shows."""

    top: tuple[str, ...]
    fragments: list[Fragment]
    bottom: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line in the margin of a page. `signatures`: what may be the same on other pages."""

    text: str
    signatures: tuple[str, ...]
    is_at_top: bool
    y: float
    fragments: tuple[Fragment, ...]


def without_furniture(pages: list[Layer]) -> list[Cleared]:
    """The pages of a document without running headers, footers and page numbers."""
    margins = [_margins(page, index) for index, page in enumerate(pages)]
    heights: dict[str, list[float]] = defaultdict(list)
    for line in (line for margin in margins for lines in margin for line in lines):
        for signature in line.signatures:
            heights[signature].append(line.y)
    for found in heights.values():
        found.sort()
    seen: set[str] = set()
    return [
        _cleared(page, [line for lines in margin for line in _furniture(lines, heights)], seen)
        for page, margin in zip(pages, margins, strict=True)
    ]


def _cleared(page: Layer, furniture: list[_Line], seen: set[str]) -> Cleared:
    if not furniture:
        return Cleared((), page.fragments, ())
    kept = [line for line in furniture if seen.isdisjoint(line.signatures) and not _is_page_number(line)]
    seen.update(signature for line in kept for signature in line.signatures)
    dropped = {fragment for line in furniture for fragment in line.fragments}
    return Cleared(
        tuple(line.text for line in kept if line.is_at_top),
        [fragment for fragment in page.fragments if fragment not in dropped],
        tuple(line.text for line in reversed(kept) if not line.is_at_top),
    )


def _is_page_number(line: _Line) -> bool:
    return _PAGE_NUMBER.fullmatch(line.text.lower()) is not None


def _margins(page: Layer, index: int) -> tuple[list[_Line], list[_Line]]:
    """The lines in the margins at the top and at the bottom, each from the outside."""
    if not page.fragments:
        return [], []
    max_size = _MAX_SIZE_RATIO * median_low(fragment.size for fragment in page.fragments)
    width = _MARGIN * (page.top - page.bottom)
    top = grouped(each for each in page.fragments if each.y > page.top - width)
    bottom = grouped(each for each in page.fragments if each.y < page.bottom + width)
    return (
        list(_lines(top, index, max_size, is_at_top=True)),
        list(_lines(bottom[::-1], index, max_size, is_at_top=False)),
    )


def _lines(groups: list[list[Fragment]], index: int, max_size: float, is_at_top: bool) -> Iterator[_Line]:
    for group in groups[:_MAX_NUM_LINES]:
        row = row_of(group)
        if row.size > max_size:
            return
        yield _Line(row.text, tuple(_signatures(row.text.lower(), index)), is_at_top, row.y, tuple(group))


def _signatures(text: str, index: int) -> Iterator[str]:
    """The text, and the text with each of its numbers as how far it is ahead of the page's index."""
    yield text
    for number in _NUMBER.finditer(text):
        yield f"{text[: number.start()]}#{int(number[0]) - index}{text[number.end() :]}"
    if roman := _ROMAN_NUMBER.fullmatch(text):
        yield f"#{_roman_value(roman[1]) - index}"


def _roman_value(number: str) -> int:
    values = [_ROMAN_VALUES[letter] for letter in number]
    # A letter before a greater one counts against it: iv.
    following = [*values[1:], 0]
    return sum(value if value >= after else -value for value, after in zip(values, following, strict=True))


def _furniture(lines: list[_Line], heights: dict[str, list[float]]) -> Iterator[_Line]:
    """The lines up to the first that is no furniture: what stands inside of it belongs to the page."""
    for line in lines:
        if max(_num_pages(heights[signature], line.y) for signature in line.signatures) < _MIN_NUM_PAGES:
            return
        yield line


def _num_pages(heights: list[float], y: float) -> int:
    """How many of these heights, in order, are about this one."""
    return bisect_right(heights, y + _TOLERANCE) - bisect_left(heights, y - _TOLERANCE)
