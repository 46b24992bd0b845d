"""Plain text: paragraphs between blank lines. The document's text is the decoded file."""

from collections.abc import Iterator
from pathlib import PurePath

from app.formats.decoding import decode
from app.formats.extracted import ExtractedDocument, Passage
from app.formats.spans import Span, bounded, paragraphs

# About 500 tokens of English, the size of one chunk. Some files hold a whole book in one line: as one passage
# it could be shown nowhere. Ordinary paragraphs are a tenth of it and stay whole.
MAX_PARAGRAPH_NUM_CHARS = 2000

# What a longer paragraph is cut into: a few sentences, about 100 tokens, so that several fill a chunk well.
PIECE_NUM_CHARS = 400


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises NotText. The title is the file name without its suffix."""
    text = decode(data, name)
    spans = (piece for paragraph in paragraphs(text, 0, len(text)) for piece in _pieces(text, *paragraph))
    return ExtractedDocument(PurePath(name).stem, text, tuple(Passage(start, end) for start, end in spans))


def _pieces(text: str, start: int, end: int) -> Iterator[Span]:
    if end - start <= MAX_PARAGRAPH_NUM_CHARS:
        yield start, end
    else:
        yield from bounded(text, start, end, PIECE_NUM_CHARS)
