"""The text of one PDF page as fragments with their places: runs of words that stand side by side on a line.

A page says where each character is drawn, in points from its lower left corner, and nothing about words, lines or
columns. pdfium finds the spaces; where a gap is wide enough to lie between two columns or cells, a fragment ends.
Text that runs up, down or upside down comes as if the page were turned, so that it too runs from left to right.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pypdfium2.raw as pdfium
from pypdfium2 import PdfTextPage

# A gap between words, as a share of the letters' height. Word spaces are .25 to .6 of it in justified text, the
# narrowest gutter between two columns is 1. Too many fragments do no harm, lines are put together again later.
_MAX_WORD_GAP = 0.7

# How far the middle of a word may lie off that of its line, as a share of its height: superscripts reach .5.
_MAX_OFFSET = 0.55

# How far text may lean from the four directions, in quarter turns: 9 degrees. What is at a slant is a watermark, or a
# label below a diagram.
_MAX_SLANT = 0.1

# Letters that make a word, by which the size of a line is told.
_MIN_WORD = 3

# Letters without a height are as high as one of the smallest print.
_MIN_SIZE = 0.1

# How pdfium marks a hyphen at the end of a line.
_HYPHEN_MARKS = "\x02\ufffe"
_WORD = re.compile(rf"[^\s{_HYPHEN_MARKS}]+[{_HYPHEN_MARKS}]?|[{_HYPHEN_MARKS}]")
_LINE = re.compile(r"[^\r\n]+")

# List marks of symbol fonts, which have characters of their own; ligatures; hyphens.
_MEANINGS = str.maketrans(
    {
        **dict.fromkeys(_HYPHEN_MARKS, "-"),
        **dict.fromkeys("\uf0b7\uf0a7\uf076\uf0d8\uf0fc", "\u2022"),
        "\ufb00": "ff",
        "\ufb01": "fi",
        "\ufb02": "fl",
        "\ufb03": "ffi",
        "\ufb04": "ffl",
        "\ufb05": "st",
        "\ufb06": "st",
    }
)

# Control characters, halves of characters, and others that mean nothing outside of their font.
_MEANINGLESS = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u2060\ud800-\uf8ff\ufeff\ufffd-\uffff\U000f0000-\U0010ffff]")
_NUM_CODES = 0x110000

Box = tuple[float, float, float, float]
"""Left, bottom, right and top."""


class Fragment(NamedTuple):
    """Words side by side. `y` is the middle of the letters; `size` their height, from the lowest to the highest there
    are, where they are largest."""

    text: str
    left: float
    right: float
    y: float
    size: float


class Layer(NamedTuple):
    """The text of a page in one direction, on the page turned so that it runs from left to right."""

    fragments: list[Fragment]
    """In the order in which the page draws them."""
    bottom: float
    top: float
    """The edges of the page."""


def readable(text: str) -> str:
    """The text without characters that mean nothing outside of their font."""
    if text.isascii() and text.isprintable():
        return text
    return _MEANINGLESS.sub("", text.translate(_MEANINGS))


def layers(page: PdfTextPage, visible: Box) -> list[Layer]:
    """The text of a page, in the direction of most of it first; none for a page without text.

    What lies outside the box `visible` is left out, as viewers do.
    """
    characters = _characters(page)
    by_direction: dict[int, list[Fragment]] = defaultdict(list)
    for line in _LINE.finditer(characters):
        spans = [word.span() for word in _WORD.finditer(characters, *line.span())]
        direction = _direction(page, spans[0][0]) if spans else None
        if direction is not None:
            words = (word for span in spans for word in _words(page, characters, span, visible, direction))
            by_direction[direction] += _joined(words)
    found = [_layer(fragments, visible, direction) for direction, fragments in by_direction.items() if fragments]
    return sorted(found, key=lambda layer: sum(len(each.text) for each in layer.fragments), reverse=True)


def _layer(fragments: list[Fragment], visible: Box, direction: int) -> Layer:
    _, bottom, _, top = _turned(visible, direction)
    return Layer(fragments, bottom, top)


def _characters(page: PdfTextPage) -> str:
    """One character for each of pdfium's, so that a place in the text is its index."""
    num_chars = page.count_chars()
    text = page.get_text_range() if num_chars else ""
    # All at once is ten times as fast, but leaves out what has no character; then the last one has moved.
    last_index = pdfium.FPDFText_GetTextIndexFromCharIndex(page.raw, num_chars - 1)
    if len(text) == num_chars and last_index == num_chars - 1:
        return text
    codes = (pdfium.FPDFText_GetUnicode(page.raw, index) for index in range(num_chars))
    return "".join(chr(code) if code < _NUM_CODES else "\ufffd" for code in codes)


def _direction(page: PdfTextPage, index: int) -> int | None:
    """In quarter turns clockwise; None at a slant."""
    quarters = pdfium.FPDFText_GetCharAngle(page.raw, index) / (math.pi / 2)
    nearest = round(quarters)
    return nearest % 4 if abs(quarters - nearest) < _MAX_SLANT else None


def _words(
    page: PdfTextPage, characters: str, span: tuple[int, int], visible: Box, direction: int
) -> Iterator[Fragment]:
    """The word in the span, as far as it is seen; its letters, where they stand below each other."""
    start, end = span
    first = _box(page, start)
    if not _is_inside(first, visible):
        return
    while not _is_inside(last := _box(page, end - 1), visible):
        end -= 1
    text = readable(characters[start:end])
    first, last = _turned(first, direction), _turned(last, direction)
    # A superscript at either end does not lift the word.
    _, bottom, _, top = max(first, last, key=_height)
    size = max(top - bottom, _MIN_SIZE)
    if abs(first[1] + first[3] - last[1] - last[3]) / 2 > _MAX_OFFSET * size:
        for index in range(start, end):
            yield from _words(page, characters, (index, index + 1), visible, direction)
    elif text:
        yield Fragment(text, min(first[0], last[0]), max(first[2], last[2]), (bottom + top) / 2, size)


def _box(page: PdfTextPage, index: int) -> Box:
    """The box of a character: as wide as it runs, as high as its font."""
    rectangle = pdfium.FS_RECTF()
    pdfium.FPDFText_GetLooseCharBox(page.raw, index, rectangle)
    return rectangle.left, rectangle.bottom, rectangle.right, rectangle.top


def _height(box: Box) -> float:
    return box[3] - box[1]


def _is_inside(box: Box, visible: Box) -> bool:
    # False for places that are no numbers, too.
    return visible[0] <= (box[0] + box[2]) / 2 <= visible[2] and visible[1] <= (box[1] + box[3]) / 2 <= visible[3]


def _turned(box: Box, direction: int) -> Box:
    """The box on a page that is turned so that text in this direction runs from left to right."""
    left, bottom, right, top = box
    match direction:
        case 1:
            return -top, left, -bottom, right
        case 2:
            return -right, -top, -left, -bottom
        case 3:
            return bottom, -right, top, -left
        case _:
            return box


def _joined(words: Iterable[Fragment]) -> Iterator[Fragment]:
    """Words that stand side by side become one fragment."""
    run: list[Fragment] = []
    left = right = 0.0
    for word in words:
        if run and _stands_beside(word, run[-1], left, right):
            left, right = min(left, word.left), max(right, word.right)
        else:
            if run:
                yield _fragment(run, left, right)
            run, left, right = [], word.left, word.right
        run.append(word)
    if run:
        yield _fragment(run, left, right)


def _stands_beside(word: Fragment, last: Fragment, left: float, right: float) -> bool:
    size = max(word.size, last.size)
    # Text that runs from right to left goes on at the left end.
    gap = max(word.left - right, left - word.right)
    return gap <= _MAX_WORD_GAP * size and abs(word.y - last.y) <= _MAX_OFFSET * size


def _fragment(run: list[Fragment], left: float, right: float) -> Fragment:
    if len(run) == 1:
        return run[0]
    num_chars = sum(len(word.text) for word in run)
    y = sum(word.y * len(word.text) for word in run) / num_chars
    # Small capitals do not make small print, nor does a sign of summation make large print.
    size = max((word.size for word in run if len(word.text) >= _MIN_WORD), default=run[0].size)
    return Fragment(" ".join(word.text for word in run), left, right, y, size)
