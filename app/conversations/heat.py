"""Which words of a passage the question attended to, from the attention on its tokens. Pure.

The engine gives a weight per token of the chunk's prompt text. Words are what people read, so a word is as warm as the
warmest of its tokens. Punctuation, line ends and a chunk's very first token are left out: models park attention there
that they have no use for (attention sinks, arXiv 2309.17453). Levels 1 to 9 are shares of a scale that all passages of
an answer have in common, so that a passage which the question ignored stays cold; below level 1 there is no span.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from app.conversations.account import Heat

_HIGH_SHARE = 0.98
"""The weight at this quantile of all words is level 9: a few words are far above everything else."""

_MAX_LEVEL = 9

_MOST_SPANS = 200
"""Of a passage: they are kept with every turn, and more than that is a pattern without a message."""

_WORD = re.compile(r"\w+")

Weights = Sequence[float]


def weights_of_words(text: str, pieces: Iterable[bytes], weights: Weights) -> list[tuple[int, int, float]]:
    """Words of a prompt text as [start, end) in its characters, each with its weight.

    `pieces` are the bytes of the tokens in order, which begin with the text; there may be more of them than text.
    """
    of_characters = _of_characters(text, pieces, weights)
    return [
        (match.start(), match.end(), max(of_characters[match.start() : match.end()])) for match in _WORD.finditer(text)
    ]


def scale_of(weights: Iterable[float]) -> float:
    """The weight that is level 9, from the weights of all words of all passages; 0 where there are none."""
    ordered = sorted(weights)
    return ordered[min(int(len(ordered) * _HIGH_SHARE), len(ordered) - 1)] if ordered else 0.0


def heat_of(words: Sequence[tuple[int, int, float]], scale: float, first: int, start: int) -> tuple[Heat, ...]:
    """Spans of the document: the prompt text's character `first` is the document's character `start`.

    What stands before `first` (a heading that is shown above the passage) is left out. Neighbours of the same level are
    one span. Where that makes too many, the weakest levels are left out.
    """
    levels = [(begin, end, _level(weight, scale)) for begin, end, weight in words if begin >= first]
    spans = _spans(levels)
    weakest = 1
    while len(spans) > _MOST_SPANS and weakest < _MAX_LEVEL:
        weakest += 1
        spans = _spans((begin, end, level if level >= weakest else 0) for begin, end, level in levels)
    return tuple(Heat(begin - first + start, end - first + start, level) for begin, end, level in spans)


def _spans(levels: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    spans: list[tuple[int, int, int]] = []
    for level, run in groupby(levels, key=lambda word: word[2]):
        members = list(run)
        if level:
            spans.append((members[0][0], members[-1][1], level))
    return spans


def _level(weight: float, scale: float) -> int:
    return min(_MAX_LEVEL, int(weight / scale * _MAX_LEVEL)) if scale > 0 else 0


def _of_characters(text: str, pieces: Iterable[bytes], weights: Weights) -> list[float]:
    """The weight of each character: that of the token which its first byte is in."""
    given = list(pieces)
    of_bytes = list(_of_bytes(given, weights))
    result: list[float] = []
    # SentencePiece vocabularies put a space before the text.
    at = 1 if given and given[0][:1] == b" " and text[:1] != " " else 0
    for character in text:
        result.append(of_bytes[at] if at < len(of_bytes) else 0.0)
        at += len(character.encode("utf-8", "surrogatepass"))
    return result


def _of_bytes(pieces: Iterable[bytes], weights: Weights) -> Iterator[float]:
    for number, (piece, weight) in enumerate(zip(pieces, weights, strict=False)):
        is_sink = number == 0 or not _WORD.search(piece.decode("utf-8", "replace").replace("\ufffd", "x"))
        for _ in piece:
            yield 0.0 if is_sink else weight
