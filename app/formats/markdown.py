"""Markdown: the top-level elements (heading, paragraph, list, fence, table ...) as passages.

The document's text is the decoded source, so spans are characters of the source. Every line that is not blank
is in a passage, except front matter and thematic breaks; pictures written as text (data URIs) are left out too.
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
_FRONT_MATTER = re.compile(
    r"---[ \t]*\n(?=[\w-]+[ \t]*:)(?:.*\n)*?(?:---|\.\.\.)[ \t]*(?:\n|\Z)"
    r"|\+\+\+[ \t]*\n(?=[\w-]+[ \t]*=)(?:.*\n)*?\+\+\+[ \t]*(?:\n|\Z)"
)

# Only block structure is needed for the whole text; inline markup is parsed for headings alone.
_INLINE = MarkdownIt("commonmark")
_STRUCTURE = MarkdownIt("commonmark").enable("table")
_STRUCTURE.core.ruler.enableOnly(["normalize", "block"])


# The title of YAML or TOML front matter, on one line.
_FRONT_TITLE = re.compile(r"""^title[ \t]*[:=][ \t]*(?:"([^"\n]*)"|'([^'\n]*)'|([^"'|>\s][^\n]*))""", re.MULTILINE)

# Without any of these a heading is its own words, found without a parser.
_MARKUP = re.compile(r"[\\`*_\[\]<>&!\n]")

_WIKI_LINK = re.compile(r"!?\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]")

# The characters of a picture inside the text. Shorter ones are not worth a cut.
_BLOB = re.compile(r";base64,([A-Za-z0-9+/=]{200,}+)")


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises NotText. The title is the only level-1 heading, else the front matter's title, else the first level-1
    heading, else the file name without its suffix.

    A title from the front matter is the outermost section, since it stands in no passage.
    """
    text = decode(data, name)
    front_matter = _FRONT_MATTER.match(text)
    body_start = front_matter.end() if front_matter else 0
    tokens = _block_tokens(text[body_start:])
    titles = _titles(tokens)
    front_title = _front_title(front_matter[0]) if front_matter and len(titles) != 1 else None
    trail = HeadingTrail()
    if front_title:
        trail.enter(0 if titles else 1, front_title)
    title = front_title or next(iter(titles), None) or PurePath(name).stem
    return ExtractedDocument(title, text, tuple(_passages(text, body_start, tokens, trail)))


def read_part(text: str, trail: HeadingTrail) -> tuple[list[Passage], str | None]:
    """The passages of a Markdown text that goes on in the sections of `trail`, and its first level-1 heading."""
    tokens = _block_tokens(text)
    return list(_passages(text, 0, tokens, trail)), next(iter(_titles(tokens)), None)


def _block_tokens(text: str) -> list[Token]:
    return [token for token in _STRUCTURE.parse(text) if token.level <= 1]


def _passages(text: str, body_start: int, tokens: list[Token], trail: HeadingTrail) -> Iterator[Passage]:
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
    """One passage, none when the lines are blank, or those around the pictures in it."""
    blobs = [blob.span(1) for blob in _BLOB.finditer(text, start, end)]
    for first, last in zip([start, *(blob[1] for blob in blobs)], [*(blob[0] for blob in blobs), end], strict=True):
        if span := trimmed(text, first, last):
            yield Passage(*span, heading=trail.breadcrumb)


def _titles(tokens: list[Token]) -> list[str]:
    """The level-1 headings that have words."""
    titles = (
        one_line(_plain(following.content))
        for token, following in pairwise(tokens)
        if token.tag == "h1" and token.nesting > 0 and token.level == 0
    )
    return [title for title in titles if title]


def _front_title(front_matter: str) -> str | None:
    title = _FRONT_TITLE.search(front_matter)
    return one_line(title[1] or title[2] or title[3] or "") or None if title else None


def _plain(inline_source: str) -> str:
    """The words of inline markup, without its marks and link targets."""
    if not _MARKUP.search(inline_source):
        return inline_source
    (inline,) = _INLINE.parseInline(inline_source)
    words = (" " if child.type in {"softbreak", "hardbreak"} else _words(child) for child in inline.children or [])
    return _WIKI_LINK.sub(r"\1", "".join(words))


def _words(token: Token) -> str:
    return token.content if token.type in {"text", "code_inline", "image"} else ""
