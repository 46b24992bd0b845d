"""Source code of any language: its top-level definitions as passages. The text is the decoded file.

No language is parsed. A definition starts at a line in column 0 behind a blank line and reaches to the next
such start, so comments and decorators directly above it and the indented lines below it belong to it.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from app.formats.decoding import decode
from app.formats.extracted import ExtractedDocument, Passage
from app.formats.headings import SEPARATOR, one_line
from app.formats.spans import line_starts, trimmed

# A bracket or keyword that closes what stands above it is no start, even behind a blank line.
_CLOSES = re.compile(r"[})\]]|end\b|\{\s*$")

# Comments, decorators and the like: they describe the definition below them and do not name it.
_DESCRIBES = re.compile(r"""\s|//|/\*|\*|--|;|%|@|#|\"{3}|'{3}""")


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises NotText. The title is the file name: its suffix tells the language."""
    text = decode(data, name)
    return ExtractedDocument(name, text, tuple(_passages(text)))


def _passages(text: str) -> Iterator[Passage]:
    starts = [*_definition_starts(text), len(text)]
    for start, end in pairwise(starts):
        if span := trimmed(text, start, end):
            yield Passage(*span, heading=_heading(text[span[0] : span[1]]))


def _definition_starts(text: str) -> Iterator[int]:
    yield 0
    after_blank = False
    starts = line_starts(text)
    for start, end in pairwise(starts):
        line = text[start:end]
        if after_blank and not line[0].isspace() and not _CLOSES.match(line):
            yield start
        after_blank = line.isspace()


def _heading(definition: str) -> str:
    lines = definition.split("\n")
    naming = (line for line in lines if line and not _DESCRIBES.match(line) and not _CLOSES.match(line))
    return one_line(next(naming, lines[0]).replace(SEPARATOR, ">"))
