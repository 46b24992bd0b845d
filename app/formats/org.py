"""Org: paragraphs, lists, tables and blocks in their sections.

The document's text is the decoded source. Left out are drawers (properties, log books), comments, and settings of the
exporter.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto
from itertools import pairwise
from pathlib import PurePath

from app.formats.decoding import decode
from app.formats.extracted import ExtractedDocument, Passage
from app.formats.headings import HeadingTrail, one_line
from app.formats.spans import line_starts, trimmed

# What may stand before the words of a heading: its state, its priority; and behind them: its tags.
_STATE = re.compile(r"^(?:TODO|DONE|NEXT|STARTED|WAITING|HOLD|SOMEDAY|CANCELL?ED)(?:[ \t]+|$)")
_PRIORITY = re.compile(r"^\[#\w\][ \t]*")
_TAGS = re.compile(r"(?:^|[ \t]+):[\w@#%:]+:$")
_LINK = re.compile(r"\[\[([^\[\]]*)\](?:\[([^\[\]]*)\])?\]")
_EMPHASIS = re.compile(r"(?<!\S)([*/_=~+])(\S(?:[^\n]*?\S)?)\1(?!\w)")

_HEADING = re.compile(r"\*+[ \t]+\S")
_BLOCK_BEGIN = re.compile(r"[ \t]*#\+begin_(\S+)", re.IGNORECASE)
_DRAWER_BEGIN = re.compile(r"[ \t]*:[\w-]+:[ \t]*$")
_DRAWER_END = re.compile(r"[ \t]*:end:[ \t]*$", re.IGNORECASE)
_KEYWORD = re.compile(r"[ \t]*#\+(\w+)(?:\[[^\]]*\])?:[ \t]*(.*)")
_COMMENT = re.compile(r"[ \t]*#(?:[ \t]|$)")

# Keywords whose values are words of the author; all others are settings.
_READ_KEYWORDS = {"author", "date", "description", "subtitle", "caption", "filetags", "keywords"}


# More of a line is no heading, and is not searched for markup.
_MAX_HEADING_NUM_CHARS = 300


class _Kind(Enum):
    TEXT = auto()
    BLANK = auto()
    HEADING = auto()
    LEFT_OUT = auto()


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises NotText. The title is that of "#+TITLE:", else the file name without its suffix.

    A title of its own is the outermost section, since it stands in no passage.
    """
    text = decode(data, name)
    starts = line_starts(text)
    lines = [text[start:end].rstrip("\n") for start, end in pairwise(starts)]
    title = _title(lines)
    return ExtractedDocument(title or PurePath(name).stem, text, tuple(_passages(text, starts, lines, title)))


def _title(lines: list[str]) -> str:
    keywords = (_KEYWORD.match(line) for line in lines if line.lstrip()[:2] == "#+")
    return next((_words(keyword[2]) for keyword in keywords if keyword and keyword[1].lower() == "title"), "")


def _passages(text: str, starts: list[int], lines: list[str], title: str) -> Iterator[Passage]:
    trail = HeadingTrail()
    trail.enter(0, title)
    first = None
    for number, kind in enumerate([*_kinds(lines), _Kind.BLANK]):
        if kind is _Kind.TEXT:
            first = number if first is None else first
            continue
        if first is not None and (span := trimmed(text, starts[first], starts[number])):
            yield Passage(*span, heading=trail.breadcrumb)
        first = None
        if kind is _Kind.HEADING:
            stars, words = lines[number].split(maxsplit=1)
            trail.enter(len(stars), _heading_words(words))
            yield Passage(starts[number], starts[number] + len(lines[number].rstrip()), heading=trail.breadcrumb)


def _kinds(lines: list[str]) -> list[_Kind]:
    """What each line is. Blocks are text with all that is in them."""
    kinds: list[_Kind] = []
    block_end: str | None = None
    drawer_start: int | None = None
    for number, line in enumerate(lines):
        kind = _kind(line)
        if kind is _Kind.HEADING:
            # No block or drawer reaches beyond its section: this one was never closed.
            block_end = drawer_start = None
        elif drawer_start is not None:
            kind = _Kind.TEXT
            if _DRAWER_END.match(line):
                kinds[drawer_start:] = [_Kind.LEFT_OUT] * (number - drawer_start)
                kind, drawer_start = _Kind.LEFT_OUT, None
        elif block_end is not None:
            kind = _Kind.TEXT
            block_end = None if line.strip().lower() == block_end else block_end
        elif begin := _BLOCK_BEGIN.match(line):
            kind, block_end = _Kind.TEXT, f"#+end_{begin[1].lower()}"
        elif _DRAWER_BEGIN.match(line):
            drawer_start = number
        kinds.append(kind)
    return kinds


def _kind(line: str) -> _Kind:
    """What a line outside of blocks and drawers is."""
    if not line or line.isspace():
        return _Kind.BLANK
    if _HEADING.match(line):
        return _Kind.HEADING
    keyword = _KEYWORD.match(line)
    is_setting = keyword is not None and keyword[1].lower() not in _READ_KEYWORDS
    return _Kind.LEFT_OUT if is_setting or _COMMENT.match(line) else _Kind.TEXT


def _heading_words(source: str) -> str:
    source = _PRIORITY.sub("", _STATE.sub("", source.strip()[:_MAX_HEADING_NUM_CHARS], count=1), count=1)
    return _words(_TAGS.sub("", source))


def _words(source: str) -> str:
    """The words of a heading, without marks and link targets."""
    words = _LINK.sub(lambda link: link[2] or link[1], source[:_MAX_HEADING_NUM_CHARS])
    return one_line(_EMPHASIS.sub(r"\2", words))
