"""Spans of a text, [start, end) in characters, and good places to cut them; pure.

Line ends are "\\n" (see `decoding`); nothing else ends a line.
"""

import re
from collections.abc import Iterable, Iterator

from xxhash import xxh3_64_intdigest

Span = tuple[int, int]

_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")
_BLANK_LINES_BEFORE = re.compile(r"(?:[^\S\n]*\n)*")
_SPACES_BEFORE = re.compile(r"\s*")

# Where a sentence ends: closing punctuation with what may close behind it, then a space; a full stop of
# Chinese or Japanese, which needs no space; or the end of a line, since list items and code end without a
# full stop.
_SENTENCE_END = re.compile(r"[.!?\u2026][)\]\"'\u00bb\u201d\u2019]*\s|[\u3002\uff01\uff1f][\u300d\u300f\u201d]?|\n")
_SPACE = re.compile(r"\s")

# Characters on each side of a place that its rank follows from: enough that few places of a text share one, few
# enough that an edit inside a paragraph leaves the ranks of its ends alone.
_RANKED_NUM_CHARS = 32


def trimmed(text: str, start: int, end: int) -> Span | None:
    """The span without blank lines before it and spaces around it; None when nothing is left.

    The indentation of a whole first line stays: in code and lists it carries meaning.
    """
    # No slices: the text between may be megabytes long, and is trimmed once for each piece cut from it.
    while end > start and text[end - 1].isspace():
        end -= 1
    if start == end:
        return None
    first_line = _end_of(_BLANK_LINES_BEFORE, text, start, end)
    is_whole_line = first_line == 0 or text[first_line - 1] == "\n"
    return (first_line if is_whole_line else first_word(text, first_line, end)), end


def first_word(text: str, start: int, end: int) -> int:
    """Where the spaces that the span begins with end."""
    return _end_of(_SPACES_BEFORE, text, start, end)


def _end_of(pattern: re.Pattern[str], text: str, start: int, end: int) -> int:
    match = pattern.match(text, start, end)
    return match.end() if match else start


def paragraphs(text: str, start: int, end: int) -> Iterator[Span]:
    """The runs of lines between blank lines, trimmed."""
    gaps = [gap.span() for gap in _BLANK_LINES.finditer(text, start, end)]
    for first, last in zip([start, *(gap[1] for gap in gaps)], [*(gap[0] for gap in gaps), end], strict=True):
        if span := trimmed(text, first, last):
            yield span


def bounded(text: str, start: int, end: int, max_num_chars: int) -> Iterator[Span]:
    """The span cut into trimmed spans of at most `max_num_chars` characters each.

    An edit moves the next few cuts only; see `rank`.
    """
    while start < end:
        cut = cut_position(text, start, min(end, start + max_num_chars)) if end - start > max_num_chars else end
        if span := trimmed(text, start, cut):
            yield span
        start = cut


def cut_position(text: str, start: int, end: int) -> int:
    """The best place in (start, end] to end a piece that starts at `start` and must not pass `end`.

    That is a sentence end in the second half (pieces should not get small), else a space there, else the last space
    before, because a broken word is worse than a small piece, else any place in the second half. Of several the one
    of the highest rank is taken, the last of equals.
    """
    middle = (start + end) // 2
    for pattern in (_SENTENCE_END, _SPACE):
        if places := _ends(pattern, text, middle, end):
            return _highest(text, places)
    spaces = _ends(_SPACE, text, start, middle)
    return spaces[-1] if spaces else _highest(text, range(middle + 1, end + 1))


def _ends(pattern: re.Pattern[str], text: str, start: int, end: int) -> list[int]:
    return [match.end() for match in pattern.finditer(text, start, end)]


def _highest(text: str, places: Iterable[int]) -> int:
    return max(places, key=lambda place: (rank(text, place, place), place))


def rank(text: str, end: int, start: int) -> int:
    """How much the gap [end, start) wants to be a border: a hash of the characters before and behind it.

    It is as good as random, and the same wherever the same words stand. Whoever takes the place of the highest rank
    within some reach cuts two versions of a text in the same places soon after they agree again. Places at a fixed
    distance from the last one would stay apart until the end.
    """
    around = text[max(end - _RANKED_NUM_CHARS, 0) : end] + text[start : start + _RANKED_NUM_CHARS]
    return xxh3_64_intdigest(around.encode(errors="surrogatepass"))


def ends_sentence(text: str, end: int, start: int) -> bool:
    """Whether a sentence or a line ends at the gap [end, start), which may be empty."""
    # Three characters hold a full stop and what may close behind it; a sentence end before them ends too early.
    return any(match.end() >= end for match in _SENTENCE_END.finditer(text, max(end - 3, 0), start))


def line_starts(text: str) -> list[int]:
    """Where each line starts, and where the text ends: line i is [starts[i], starts[i + 1])."""
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    return starts if starts[-1] == len(text) else [*starts, len(text)]
