"""Markdown: the top-level elements (heading, paragraph, list, fence, table ...) as passages.

The document's text is the decoded source, so spans are characters of the source. Every line that is not blank
is in a passage, except front matter and thematic breaks.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import PurePath

from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.formats.decoding import decode
from app.formats.extracted import ExtractedDocument, Passage
from app.formats.headings import HeadingTrail, one_line
from app.formats.spans import line_starts, trimmed

# A key must follow: a text may begin with a thematic break.
_FRONT_MATTER = re.compile(r"---[ \t]*\n(?=[\w-]+[ \t]*:)(?:.*\n)*?(?:---|\.\.\.)[ \t]*(?:\n|\Z)")

# Only block structure is needed for the whole text; inline markup is parsed for headings alone.
_INLINE = MarkdownIt("commonmark")
_STRUCTURE = MarkdownIt("commonmark").enable("table")
_STRUCTURE.core.ruler.enableOnly(["normalize", "block"])


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises NotText. The title is the first level-1 heading, else the file name without its suffix."""
    text = decode(data, name)
    front_matter = _FRONT_MATTER.match(text)
    body_start = front_matter.end() if front_matter else 0
    tokens = [token for token in _STRUCTURE.parse(text[body_start:]) if token.level <= 1]
    passages = tuple(_passages(text, body_start, tokens))
    return ExtractedDocument(_title(tokens) or PurePath(name).stem, text, passages)


def _passages(text: str, body_start: int, tokens: list[Token]) -> Iterator[Passage]:
    trail = HeadingTrail()
    line_at = [body_start + start for start in line_starts(text[body_start:])]
    next_line = 0
    for index, token in enumerate(tokens):
        if token.level > 0 or token.map is None:
            continue
        first, last = token.map
        # Lines without a token are definitions of link targets: they belong to the section before.
        yield from _passage(text, line_at[next_line], line_at[first], trail)
        if token.type == "heading_open":
            trail.enter(int(token.tag[1]), _plain(tokens[index + 1].content))
        if token.type != "hr":
            yield from _passage(text, line_at[first], line_at[last], trail)
        next_line = last
    yield from _passage(text, line_at[next_line], len(text), trail)


def _passage(text: str, start: int, end: int, trail: HeadingTrail) -> Iterator[Passage]:
    """One passage, or none when the lines are blank."""
    if span := trimmed(text, start, end):
        yield Passage(*span, heading=trail.breadcrumb)


def _title(tokens: list[Token]) -> str | None:
    for token, following in pairwise(tokens):
        if token.tag == "h1" and token.nesting > 0 and token.level == 0:
            return one_line(_plain(following.content)) or None
    return None


def _plain(inline_source: str) -> str:
    """The words of inline markup, without its marks and link targets."""
    (inline,) = _INLINE.parseInline(inline_source)
    words = (" " if child.type in {"softbreak", "hardbreak"} else _words(child) for child in inline.children or [])
    return "".join(words)


def _words(token: Token) -> str:
    return token.content if token.type in {"text", "code_inline", "image"} else ""
