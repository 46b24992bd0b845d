"""Rows of a column of a PDF page → paragraphs: where one ends, and how its lines are joined.

A line that ends where the next word would still have fitted was ended on purpose: by a list, a poem, an address. Such
a line stays a line. The others are joined by a space, or over a hyphen.
"""

import re
from collections.abc import Container
from dataclasses import dataclass
from itertools import pairwise

from app.formats.pdf.rows import Row

# Letters on the lines of one paragraph differ less in size. A superscript changes the mean a little.
_MAX_SIZE_RATIO = 1.13

# A wider step down than the column's usual one ends a paragraph. Word adds half a line, LaTeX a third or nothing.
_MAX_STEP_RATIO = 1.25

# A column's usual step is the one that is wider than so many of its steps: those between paragraphs are the widest.
_STEP_QUANTILE = 0.3
# In heights of the letters: what it is where a column has too few lines to tell, and more than it ever is.
_USUAL_STEP = 1.3
_MAX_STEP = 2.5
_MIN_NUM_STEPS = 3

# The right edge of a column is farther right than so many of its lines: a formula or line of code may go beyond.
_EDGE_QUANTILE = 0.9
# Lines before and after one that show the edge where it is nearer, as in a quotation.
_NUM_NEAR_LINES = 2

# A shift to the left or right that means something, in heights of the letters.
_MIN_SHIFT = 0.6

# What a space takes, in heights of the letters.
_SPACE = 0.3

# Footnotes below one column; more are notes of their own.
_MAX_NUM_FOOTNOTES = 6

_CELL_SEPARATOR = " | "
_SOFT_HYPHEN = "\u00ad"

# Dots that lead to a page number, and lines to be filled in.
_LEADERS = re.compile(r" ?(?:[._\u2026\u00b7] ?){5,}")
_SENTENCE_END = re.compile(r"[.!?:;\u2026\u3002\uff01\uff1f][)\]\"'\u201d\u2019\u00bb]*$")
_BROKEN_WORD = re.compile(r"\w[-\u2010]$")
_COMPOUND = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)+")

# Chinese and Japanese, which have no spaces.
_WITHOUT_SPACES = re.compile(r"[\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef]")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text with "\\n" where a line was ended on purpose, and the size of its letters in points. It may be empty."""

    text: str
    size: float


def paragraphs(rows: list[Row], compounds: Container[str]) -> list[Paragraph]:
    """The paragraphs of one column; `compounds` are words of the document that are spelt with a hyphen."""
    column = _Column(rows)
    groups: list[list[int]] = []
    for index in range(len(rows)):
        if not groups or column.ends_before(index, is_second_line=len(groups[-1]) == 1):
            groups.append([])
        groups[-1].append(index)
    return [column.paragraph(group, compounds) for group in groups]


def joined(columns: list[list[Paragraph]], compounds: Container[str]) -> list[Paragraph]:
    """The paragraphs of all columns; one that goes on at the top of the next column is made whole."""
    whole: list[Paragraph] = []
    for column in columns:
        first, *others = column
        index = _last_but_footnotes(whole, first.size)
        if index is not None and _goes_on(whole[index], first):
            last, separator = _joint(whole[index].text, first.text, " ", compounds)
            whole[index] = Paragraph(last + separator + first.text, first.size)
        else:
            whole.append(first)
        whole += others
    return whole


def _last_but_footnotes(whole: list[Paragraph], size: float) -> int | None:
    """Where the last paragraph of these letters is, if nothing but smaller ones stand behind it."""
    for index in range(len(whole) - 1, max(-1, len(whole) - 1 - _MAX_NUM_FOOTNOTES), -1):
        if _are_alike(whole[index].size, size):
            return index
        if whole[index].size > size:
            return None
    return None


def compounds_in(text: str) -> list[str]:
    """The words of a text that are spelt with a hyphen, in small letters."""
    return _COMPOUND.findall(text.lower()) if "-" in text else []


def _goes_on(last: Paragraph, following: Paragraph) -> bool:
    return following.text[:1].islower() and not _SENTENCE_END.search(last.text)


def _are_alike(size: float, other: float) -> bool:
    return max(size, other) <= _MAX_SIZE_RATIO * min(size, other)


class _Column:
    """Rows with what is usual among them."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows
        rights = sorted(row.right for row in rows)
        self._edge = rights[int(_EDGE_QUANTILE * (len(rows) - 1))] if rows else 0.0
        steps = sorted((last.y - row.y) / row.size for last, row in pairwise(rows))
        steps = [step for step in steps if step <= _MAX_STEP]
        self._step = steps[int(_STEP_QUANTILE * len(steps))] if len(steps) >= _MIN_NUM_STEPS else _USUAL_STEP

    def ends_before(self, index: int, is_second_line: bool) -> bool:
        """Whether a paragraph ends before this row; `is_second_line`: it would be the second of its paragraph."""
        last, row = self._rows[index - 1], self._rows[index]
        size = max(last.size, row.size)
        if not _are_alike(last.size, row.size) or last.y - row.y > _MAX_STEP_RATIO * self._step * size:
            return True
        if row.is_item or len(last.cells) > 1 or len(row.cells) > 1:
            return False
        shift = (row.left - last.left) / size
        if shift >= _MIN_SHIFT:
            # A paragraph's first line, unless it is the second of an entry whose first line hangs out.
            return self._is_ended(index - 1) or (
                _SENTENCE_END.search(last.text) is not None and self._returns_left(index)
            )
        # Back at the margin: behind an indented first line it goes on, behind hanging lines it is the next entry.
        return shift <= -_MIN_SHIFT and not (is_second_line or last.is_item)

    def paragraph(self, group: list[int], compounds: Container[str]) -> Paragraph:
        """The paragraph of these rows, which follow each other."""
        parts: list[str] = []
        for index in group:
            line = self._line(index, group)
            if parts:
                parts[-1], separator = _joint(parts[-1], line, self._separator(index), compounds)
                parts.append(separator)
            parts.append(line)
        text = _LEADERS.sub(" ... ", "".join(parts).replace(_SOFT_HYPHEN, ""))
        return Paragraph(text.strip(), self._rows[group[0]].size)

    def _line(self, index: int, group: list[int]) -> str:
        row = self._rows[index]
        near = [self._rows[each] for each in (index - 1, index + 1) if group[0] <= each <= group[-1]]
        # A gap in a single row is none between cells: a page number, the number of a formula.
        is_table = any(len(each.cells) > 1 for each in near)
        return _CELL_SEPARATOR.join(row.cells) if is_table else row.text

    def _separator(self, index: int) -> str:
        """What stands between this row and the one before it, unless a word goes on."""
        last, row = self._rows[index - 1], self._rows[index]
        is_ended = row.is_item or len(last.cells) > 1 or len(row.cells) > 1 or self._is_ended(index - 1)
        return "\n" if is_ended else " "

    def _is_ended(self, index: int) -> bool:
        """Whether the first word of the next row would have fitted on this one."""
        row, following = self._rows[index], self._rows[index + 1]
        near = self._rows[max(0, index - _NUM_NEAR_LINES) : index + _NUM_NEAR_LINES + 1]
        edge = min(self._edge, max(each.right for each in near))
        share = len(following.text.split(" ", 1)[0]) / len(following.text)
        return edge - row.right > (following.right - following.left) * share + _SPACE * row.size

    def _returns_left(self, index: int) -> bool:
        """Whether the row below this one starts farther left."""
        rows = self._rows[index : index + 2]
        return len(rows) == 2 and rows[0].left - rows[1].left >= _MIN_SHIFT * rows[0].size


def _joint(last: str, following: str, separator: str, compounds: Container[str]) -> tuple[str, str]:
    """The line before, perhaps without its hyphen, and what stands between it and the one that follows."""
    if last.endswith(_SOFT_HYPHEN):
        return last, ""
    if _BROKEN_WORD.search(last) and following[0].isalnum():
        return last if _keeps_hyphen(last, following, compounds) else last[:-1], ""
    if separator == " " and _WITHOUT_SPACES.match(last[-1]) and _WITHOUT_SPACES.match(following[0]):
        return last, ""
    return last, separator


def _keeps_hyphen(last: str, following: str, compounds: Container[str]) -> bool:
    """Whether the hyphen belongs to the word: Jean-Pierre, state-of-the-art."""
    start = last.rsplit(None, 1)[-1]
    word = _COMPOUND.search((start + following.split(None, 1)[0]).lower())
    is_compound = word is not None and word[0] in compounds
    return not following[0].islower() or "-" in start[:-1] or is_compound
