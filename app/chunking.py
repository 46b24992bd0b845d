"""A document's passages → chunks: runs of text that a model reads in one piece; pure.

* A chunk is a span of the document's text, at most `max_num_tokens` long. The count of its whole text is the
  truth: the tokens of joined texts differ from the sum of the parts'.
* Passages are packed in order while they fit. A section of the two outermost levels starts a chunk of its
  own, unless the chunk before it is still small: many small sections share one.
* A passage too long for one chunk is split at sentence ends, else at spaces, else between characters.
* Every character that is not white space and stands in a passage is in exactly one chunk; what lies between
  two passages comes along when both are in the same chunk.

Counting tokens is what costs time here. Each passage is counted once, each chunk of several passages once
more, and a miss is followed by a smaller attempt, so the work grows with the length of the document and no
faster.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from app.formats.extracted import ExtractedDocument, Passage
from app.formats.headings import outer_sections
from app.formats.spans import cut_position, first_word, trimmed
from storage.values import ChunkText

CountTokens = Callable[[str], int]

DEFAULT_MAX_NUM_TOKENS = 512

# How deep a section may lie to start a chunk of its own: chapters and their parts. Deeper ones are a few
# lines each.
_SECTION_DEPTH = 2

# A chunk below a quarter of the limit is small: it goes on into the next section. Every chunk costs a file, a
# header and a shift; a higher share mixes subjects, a lower one leaves chunks of a single line.
_SMALL_SHARE = 1 / 4

# Characters of a token: 3 to 5 in most languages. The first guess for a passage too long to be counted at
# once.
_USUAL_CHARS_PER_TOKEN = 4.0

# More characters per token than any real text has (runs of spaces come close): a longer passage is too long
# for one chunk without counting it, and no piece is tried with more.
_MAX_CHARS_PER_TOKEN = 32.0


@dataclass(frozen=True, slots=True)
class _Piece:
    """A passage, or a part of one, that fits into a chunk."""

    start: int
    end: int
    num_tokens: int
    passage: Passage


def cut(
    document: ExtractedDocument, count_tokens: CountTokens, max_num_tokens: int = DEFAULT_MAX_NUM_TOKENS
) -> list[ChunkText]:
    """The chunks of the document, in order. Heading and page of a chunk are those of its first passage.

    `count_tokens` must depend on its argument alone. Raises ValueError when not even one character fits.
    """
    return list(_Cutter(document.text, count_tokens, max_num_tokens).chunks(document.passages))


class _Cutter:
    def __init__(self, text: str, count_tokens: CountTokens, max_num_tokens: int) -> None:
        self._text = text
        self._count_tokens = count_tokens
        self._max_num_tokens = max_num_tokens

    def chunks(self, passages: tuple[Passage, ...]) -> Iterator[ChunkText]:
        packed: list[_Piece] = []
        num_tokens = 0
        for piece in (piece for passage in passages for piece in self._pieces(passage)):
            while packed and not self._may_join(num_tokens, packed[-1], piece):
                chunk, packed = self._longest_fit(packed)
                num_tokens = _joined_num_tokens(packed)
                yield chunk
            num_tokens += piece.num_tokens + (_gap_num_tokens(packed[-1], piece) if packed else 0)
            packed.append(piece)
        while packed:
            chunk, packed = self._longest_fit(packed)
            yield chunk

    def _may_join(self, num_tokens: int, last: _Piece, piece: _Piece) -> bool:
        if num_tokens + _gap_num_tokens(last, piece) + piece.num_tokens > self._max_num_tokens:
            return False
        is_small = num_tokens < _SMALL_SHARE * self._max_num_tokens
        return is_small or _section(last) == _section(piece)

    def _longest_fit(self, packed: list[_Piece]) -> tuple[ChunkText, list[_Piece]]:
        """The chunk of the first pieces that fit together, and the pieces left for the next.

        The joined text seldom counts higher than guessed. What is dropped then doubles, so few attempts are
        counted.
        """
        num_taken, num_dropped = len(packed), 1
        chunk = self._chunk(packed)
        while chunk.num_tokens > self._max_num_tokens:
            num_taken, num_dropped = max(1, num_taken - num_dropped), num_dropped * 2
            chunk = self._chunk(packed[:num_taken])
        return chunk, packed[num_taken:]

    def _chunk(self, pieces: list[_Piece]) -> ChunkText:
        first, last = pieces[0], pieces[-1]
        text = self._text[first.start : last.end]
        num_tokens = first.num_tokens if first is last else self._count_tokens(text)
        return ChunkText(first.start, last.end, first.passage.page, first.passage.heading, text, num_tokens)

    def _pieces(self, passage: Passage) -> Iterator[_Piece]:
        span = trimmed(self._text, passage.start, passage.end)
        if span is None:
            return
        chars_per_token = _USUAL_CHARS_PER_TOKEN
        if span[1] - span[0] <= self._max_num_tokens * _MAX_CHARS_PER_TOKEN:
            whole = self._piece(*span, passage)
            if whole.num_tokens <= self._max_num_tokens:
                yield whole
                return
            chars_per_token = (span[1] - span[0]) / whole.num_tokens
        yield from self._split(*span, passage, chars_per_token)

    def _split(self, start: int, end: int, passage: Passage, chars_per_token: float) -> Iterator[_Piece]:
        """Pieces of a passage that does not fit; each guesses its length from the piece before it."""
        while span := trimmed(self._text, start, end):
            piece = self._first_piece(span[0], end, passage, chars_per_token)
            yield piece
            chars_per_token = min((piece.end - piece.start) / max(1, piece.num_tokens), _MAX_CHARS_PER_TOKEN)
            start = piece.end

    def _first_piece(self, start: int, end: int, passage: Passage, chars_per_token: float) -> _Piece:
        num_chars = max(1, int(self._max_num_tokens * chars_per_token))
        while True:
            stop = start + num_chars
            stop = cut_position(self._text, start, stop) if stop < end else end
            span = trimmed(self._text, start, stop)
            if span is None:
                # The indentation alone fills the piece: go without it.
                start = first_word(self._text, start, end)
                continue
            piece = self._piece(*span, passage)
            if piece.num_tokens <= self._max_num_tokens:
                return piece
            num_chars = self._smaller(piece)

    def _smaller(self, piece: _Piece) -> int:
        """How many characters to try after a piece that was too long."""
        num_chars = piece.end - piece.start
        if num_chars == 1:
            raise ValueError(f"one character takes {piece.num_tokens} tokens, more than {self._max_num_tokens}")
        # Slightly less than the proportional length: tokens are not spread evenly, and a second miss costs
        # more.
        fitting = int(num_chars * 0.95 * self._max_num_tokens / piece.num_tokens)
        return min(max(1, fitting), num_chars - 1)

    def _piece(self, start: int, end: int, passage: Passage) -> _Piece:
        return _Piece(start, end, self._count_tokens(self._text[start:end]), passage)


def _section(piece: _Piece) -> tuple[str, ...]:
    return outer_sections(piece.passage.heading, _SECTION_DEPTH)


def _joined_num_tokens(pieces: list[_Piece]) -> int:
    """A guess at the tokens of the text from the first piece to the last."""
    gaps = sum(_gap_num_tokens(last, piece) for last, piece in pairwise(pieces))
    return gaps + sum(piece.num_tokens for piece in pieces)


def _gap_num_tokens(last: _Piece, piece: _Piece) -> int:
    """A guess at what lies between two pieces: an empty line is one token, anything else rather too much."""
    num_chars = piece.start - last.end
    return num_chars if num_chars > 2 else min(num_chars, 1)
