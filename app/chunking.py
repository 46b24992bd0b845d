"""A document's passages → chunks: runs of text that a model reads in one piece; pure.

* A chunk is a span of the document's text, at most `max_num_tokens` long. The count of its whole text is the
  truth: the tokens of joined texts differ from the sum of the parts'.
* Where chunks end follows from the words around each border, not from how far it is from the document's start: an
  edit changes the chunks around it, and soon both versions end their chunks in the same places again. A chunk that
  stays the same keeps its state.
* A section of the two outermost levels starts a chunk of its own, unless the chunk before it is still small: many
  small sections share one. Anywhere else a chunk is at least half full if passages allow; from there to the limit the
  border with the strongest claim ends it: the start of a section (outer before inner), else the end of a passage,
  else of a sentence; of equals the one of the highest rank (`spans.rank`).
* A passage that fits into one chunk is never parted. One that does not is split at sentence ends, else at spaces,
  else between characters, and its parts are joined like passages.
* Every character that is not white space and stands in a passage is in exactly one chunk; what lies between
  two passages comes along when both are in the same chunk.

Counting tokens is what costs time here. Each passage is counted once (a long one once more in parts), each chunk of
several once more, and a miss is followed by a smaller attempt, so the work grows with the length of the document
and no faster.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.formats.extracted import ExtractedDocument, Passage
from app.formats.headings import depth_of_start
from app.formats.spans import bounded, ends_sentence, rank, trimmed
from storage.values import ChunkText

CountTokens = Callable[[str], int]

DEFAULT_MAX_NUM_TOKENS = 512

# How deep a section may lie to start a chunk of its own: chapters and their parts. Deeper ones are a few
# lines each.
_SECTION_DEPTH = 2

# A chunk below a quarter of the limit is small: it goes on into the next section. Every chunk costs a file, a
# header and a shift; a higher share mixes subjects, a lower one leaves chunks of a single line.
_SMALL_SHARE = 1 / 4

# Of the sections that start in this part of a chunk the strongest ends it: were it always the first, two versions of a
# glossary would hardly fall into step. Up to half of the limit, so that a section that is not small stays alone.
_NEAR_SHARE = 1 / 2

# Within a section a chunk ends in its upper half: chunks are three quarters full then, as borders are as good as
# random. From .6 on they are .8 full, but an edit changes half as many chunks again (prose without headings: 3.1
# instead of 2.2); from .4 on .7 full, and 1.7.
_LEAST_SHARE = 1 / 2

# A part of a passage too long for one chunk: several of them should fit into one, or there is no choice of borders.
_PART_SHARE = 1 / 2

# Characters of a first such part, as a multiple of the limit in tokens. With the usual 4 characters per token that is a
# quarter of a chunk; scripts with 1 or 2 per token stay below `_PART_SHARE` or are parted once more.
_PART_CHARS_PER_TOKEN = 1

# More characters per token than any real text has (runs of spaces come close): a longer passage is too long
# for one chunk without counting it.
_MAX_CHARS_PER_TOKEN = 32

_SPACE = re.compile(r"\s")

# What parts two pieces, if no section starts there; a section's depth, which is less, claims more. The end of a
# passage, of a sentence in one, of a word, or of nothing.
_PASSAGE, _SENTENCE, _WORD, _NOTHING = 1000, 1001, 1002, 1003


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
    splitter = _Splitter(document.text, count_tokens, max_num_tokens)
    pieces = [piece for passage in document.passages for piece in splitter.pieces(passage)]
    return list(_Packer(document.text, pieces, count_tokens, max_num_tokens).chunks())


class _Splitter:
    """Passages → pieces."""

    def __init__(self, text: str, count_tokens: CountTokens, max_num_tokens: int) -> None:
        self._text = text
        self._count_tokens = count_tokens
        self._max_num_tokens = max_num_tokens

    def pieces(self, passage: Passage) -> Iterator[_Piece]:
        span = trimmed(self._text, passage.start, passage.end)
        if span is None:
            return
        if span[1] - span[0] <= self._max_num_tokens * _MAX_CHARS_PER_TOKEN:
            whole = self._piece(*span, passage)
            if whole.num_tokens <= self._max_num_tokens:
                yield whole
                return
        yield from self._parts(*span, passage, self._max_num_tokens * _PART_CHARS_PER_TOKEN)

    def _parts(self, start: int, end: int, passage: Passage, max_num_chars: int) -> Iterator[_Piece]:
        """Parts of a span of the passage; one that has too many tokens is split into shorter ones."""
        for span in bounded(self._text, start, end, max_num_chars):
            piece = self._piece(*span, passage)
            num_chars = piece.end - piece.start
            if self._is_part(piece):
                yield piece
            elif num_chars > 1:
                yield from self._parts(piece.start, piece.end, passage, num_chars // 2)
            else:
                raise ValueError(f"one character takes {piece.num_tokens} tokens, more than {self._max_num_tokens}")

    def _is_part(self, piece: _Piece) -> bool:
        """Small enough to be joined with others, or a word that fits: that is not broken."""
        if piece.num_tokens <= _PART_SHARE * self._max_num_tokens:
            return True
        return piece.num_tokens <= self._max_num_tokens and not _SPACE.search(self._text, piece.start, piece.end)

    def _piece(self, start: int, end: int, passage: Passage) -> _Piece:
        return _Piece(start, end, self._count_tokens(self._text[start:end]), passage)


class _Packer:
    """Pieces → chunks. Piece i stands behind border i; a chunk is the pieces [first, end) between two borders."""

    def __init__(self, text: str, pieces: Sequence[_Piece], count_tokens: CountTokens, max_num_tokens: int) -> None:
        self._text = text
        self._pieces = pieces
        self._count_tokens = count_tokens
        self._max_num_tokens = max_num_tokens
        self._kinds = [0, *(_kind(text, last, piece) for last, piece in pairwise(pieces))]
        self._sections = [border for border, kind in enumerate(self._kinds) if 0 < kind <= _SECTION_DEPTH]
        # Guessed tokens from the document's start to where each piece starts, and to where it ends.
        self._starts, self._ends = _running_num_tokens(pieces)

    def chunks(self) -> Iterator[ChunkText]:
        first = 0
        while first < len(self._pieces):
            chunk, first = self._next_chunk(first)
            yield chunk

    def _next_chunk(self, first: int) -> tuple[ChunkText, int]:
        """The chunk that starts at a border, and the border where it ends.

        The joined text seldom counts higher than guessed. Then a chunk of a smaller guess is tried.
        """
        max_guess: float = self._max_num_tokens
        while True:
            end = self._best_end(first, max_guess)
            chunk = self._chunk(self._pieces[first:end])
            if chunk.num_tokens <= self._max_num_tokens:
                return chunk, end
            guess = self._ends[end - 1] - self._starts[first]
            # Slightly less than the proportional guess: tokens are not spread evenly, and a second miss costs more.
            max_guess = min(guess * 0.95 * self._max_num_tokens / chunk.num_tokens, guess - 1)

    def _best_end(self, first: int, max_guess: float) -> int:
        """Where a chunk of at most `max_guess` guessed tokens ends best; behind one piece if none is so small."""
        last = max(self._last_end(first, max_guess), first + 1)
        sections = self._sections_in(self._first_end(first, _SMALL_SHARE * max_guess), last)
        if near := [border for border in sections if border <= self._last_end(first, _NEAR_SHARE * max_guess)]:
            return self._strongest(near)
        if sections:
            return sections[0]
        if last == len(self._pieces):
            return last
        ends = range(self._first_end(first, _LEAST_SHARE * max_guess), last + 1)
        return self._strongest(ends) if ends else last

    def _first_end(self, first: int, num_tokens: float) -> int:
        """The first border where a chunk has at least so many guessed tokens."""
        return max(bisect_left(self._ends, self._starts[first] + num_tokens), first) + 1

    def _last_end(self, first: int, num_tokens: float) -> int:
        """The last border where a chunk has at most so many guessed tokens."""
        return bisect_right(self._ends, self._starts[first] + num_tokens)

    def _sections_in(self, first: int, last: int) -> list[int]:
        """The borders in [first, last] where a section of an outer level starts."""
        return self._sections[bisect_left(self._sections, first) : bisect_right(self._sections, last)]

    def _strongest(self, borders: Iterable[int]) -> int:
        """The border with the strongest claim, the last of equals."""
        return max(borders, key=lambda border: (-self._kinds[border], self._rank(border), border))

    def _rank(self, border: int) -> int:
        return rank(self._text, self._pieces[border - 1].end, self._pieces[border].start)

    def _chunk(self, pieces: Sequence[_Piece]) -> ChunkText:
        first, last = pieces[0], pieces[-1]
        text = self._text[first.start : last.end]
        num_tokens = first.num_tokens if first is last else self._count_tokens(text)
        return ChunkText(first.start, last.end, first.passage.page, first.passage.heading, text, num_tokens)


def _kind(text: str, last: _Piece, piece: _Piece) -> int:
    """What parts two pieces: the depth of the section that starts there, or one of the weaker kinds."""
    if depth := depth_of_start(last.passage.heading, piece.passage.heading):
        return depth
    # Parts of one paragraph may be passages of their own; they stand on one line.
    if last.passage is not piece.passage and "\n" in text[last.end : piece.start]:
        return _PASSAGE
    if ends_sentence(text, last.end, piece.start):
        return _SENTENCE
    return _WORD if last.end < piece.start else _NOTHING


def _running_num_tokens(pieces: Sequence[_Piece]) -> tuple[list[int], list[int]]:
    starts, ends = [], []
    for number, piece in enumerate(pieces):
        starts.append(ends[-1] + _gap_num_tokens(pieces[number - 1], piece) if number else 0)
        ends.append(starts[-1] + piece.num_tokens)
    return starts, ends


def _gap_num_tokens(last: _Piece, piece: _Piece) -> int:
    """A guess at what lies between two pieces: an empty line is one token, anything else rather too much."""
    num_chars = piece.start - last.end
    return num_chars if num_chars > 2 else min(num_chars, 1)
