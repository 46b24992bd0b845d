"""reStructuredText: headings, paragraphs and directives in their sections.

The document's text is the decoded source. Left out are comments, link targets without a link, and directives that only
list what stands elsewhere.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

from app.formats.decoding import decode
from app.formats.extracted import ExtractedDocument, Passage
from app.formats.headings import HeadingTrail, one_line
from app.formats.spans import Span, line_starts, paragraphs, trimmed

# A directive with all that is indented below it is one passage up to this length, about the size of a chunk. Longer
# ones hold whole chapters.
_WHOLE_NUM_CHARS = 2000

# A shorter line below a longer title is none: "Example:" and "::".
_MIN_ADORNMENT_NUM_CHARS = 4

# A longer line is no title.
_MAX_TITLE_NUM_CHARS = 300

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*[ \t]*")
_NO_ADORNMENTS = {"::", ".."}
_EXPLICIT = re.compile(r"\.\.(?:\s|$)")
_READ = re.compile(
    r"\.\. (?:\[[^\]]+\]|\|[^|]+\| |_[^:]*(?:`[^`]*`)?: *\S|__ |"
    r"(?!(?i:contents|toctree|index|highlight|currentmodule|tabularcolumns)::)[\w:+.-]+::)"
)
_ROLE = re.compile(r":[\w:+.-]+:(?=`)")
_LINK = re.compile(r"`([^`<]*)(?:<[^`>]*>)?`_{0,2}")


@dataclass(frozen=True, slots=True)
class _Heading:
    """Lines [first, last): a title with the adornments around it, whose style tells its level."""

    first: int
    last: int
    title: str
    style: str


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines [first, last): a paragraph or directive with all that is indented below it."""

    first: int
    last: int


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises NotText. The title is the first heading, else the file name without its suffix."""
    text = decode(data, name)
    starts = line_starts(text)
    lines = [text[start:end].rstrip() for start, end in pairwise(starts)]
    elements = list(_elements(lines))
    titles = (element.title for element in elements if isinstance(element, _Heading))
    title = next(titles, None) or PurePath(name).stem
    return ExtractedDocument(title, text, tuple(_passages(text, starts, lines, elements)))


def _passages(text: str, starts: list[int], lines: list[str], elements: list[_Heading | _Block]) -> Iterator[Passage]:
    trail = HeadingTrail()
    # In the order of their first use: the first one is the outermost.
    styles: list[str] = []
    for element in elements:
        start, end = starts[element.first], starts[element.last]
        if isinstance(element, _Heading):
            if element.style not in styles:
                styles.append(element.style)
            trail.enter(styles.index(element.style) + 1, element.title)
        elif _is_left_out(lines[element.first]):
            continue
        for span in _spans(text, start, end):
            yield Passage(*span, heading=trail.breadcrumb)


def _spans(text: str, start: int, end: int) -> Iterator[Span]:
    if end - start > _WHOLE_NUM_CHARS:
        yield from paragraphs(text, start, end)
    elif span := trimmed(text, start, end):
        yield span


def _is_left_out(first_line: str) -> bool:
    return _EXPLICIT.match(first_line) is not None and _READ.match(first_line) is None


def _elements(lines: list[str]) -> Iterator[_Heading | _Block]:
    number = 0
    while number < len(lines):
        if not lines[number]:
            number += 1
        elif heading := _heading(lines, number):
            yield heading
            number = heading.last
        elif _is_transition(lines, number):
            number += 1
        else:
            block = _Block(number, _end_of_block(lines, number))
            yield block
            number = block.last


def _heading(lines: list[str], number: int) -> _Heading | None:
    """The heading that begins at a line at the start of a block."""
    first, second, third = (lines[index] if index < len(lines) else "" for index in range(number, number + 3))
    if _is_adornment(first) and third == first and _is_title(second.strip(), first):
        return _Heading(number, number + 3, _words(second), first[0] * 2)
    if not first[0].isspace() and not _is_adornment(first) and _is_adornment(second) and _is_title(first, second):
        return _Heading(number, number + 2, _words(first), second[0])
    return None


def _is_adornment(line: str) -> bool:
    return _ADORNMENT.fullmatch(line) is not None and line not in _NO_ADORNMENTS


def _is_title(line: str, adornment: str) -> bool:
    is_wide = len(adornment) >= min(len(line), _MIN_ADORNMENT_NUM_CHARS)
    return 0 < len(line) <= _MAX_TITLE_NUM_CHARS and is_wide


def _is_transition(lines: list[str], number: int) -> bool:
    """A line between two paragraphs."""
    is_alone = number + 1 == len(lines) or not lines[number + 1]
    return is_alone and len(lines[number]) >= _MIN_ADORNMENT_NUM_CHARS and _is_adornment(lines[number])


def _end_of_block(lines: list[str], number: int) -> int:
    """Behind the paragraph that begins there and all paragraphs below it that are indented."""
    last = number + 1
    while last < len(lines):
        next_line = last
        while next_line < len(lines) and not lines[next_line]:
            next_line += 1
        is_new_block = next_line > last and (next_line == len(lines) or not lines[next_line][0].isspace())
        # A title may follow explicit markup without an empty line.
        is_title = next_line == last and _EXPLICIT.match(lines[number]) and _heading(lines, last)
        if is_new_block or is_title or next_line == len(lines):
            return last
        last = next_line + 1
    return last


def _words(title: str) -> str:
    """The words of a title, without roles, literals and link targets."""
    title = _ROLE.sub("", title.strip()).replace("``", "")
    return one_line(_LINK.sub(lambda link: link[1].rstrip(), title).replace("**", ""))
