"""Question → the chunks to answer from, in prompt order. Lexical for now: BM25 over the words of the question.

The best match stands last, next to the question: with the best first, the small model's own full-prefill F1 fell from
.203 to .113, with the best last it was .199 (MuSiQue, 50 questions). Chunks are taken best first until the context is
full; one that does not fit is passed over for smaller ones behind it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from storage.index import Index
from storage.values import Hit

_NUM_SEARCHED = 50
"""Hits looked at per question: several times what a context holds, so that small chunks can fill the rest."""

_GAP_TOKENS = 16
"""Room per chunk for its heading line and the separator, which num_tokens does not count."""

_WORD = re.compile(r"\w+", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What a question found; `hits` in prompt order, the best last."""

    hits: tuple[Hit, ...]
    matched: bool
    """False: no word of the question occurs, and these are just the beginnings of documents."""


def retrieve(index: Index, question: str, context_tokens: int) -> Retrieved:
    """Find chunks for a question, at most `context_tokens` of them together."""
    hits = index.search(_WORD.findall(question.lower()), _NUM_SEARCHED)
    if hits:
        return Retrieved(_fill(hits, context_tokens), matched=True)
    openings = (Hit(chunk, 0.0) for chunk in index.chunks() if chunk.ordinal == 0)
    return Retrieved(_fill(openings, context_tokens), matched=False)


def _fill(hits: Iterable[Hit], context_tokens: int) -> tuple[Hit, ...]:
    taken: list[Hit] = []
    room = context_tokens
    for hit in hits:
        needed = hit.chunk.chunk.num_tokens + _GAP_TOKENS
        if needed <= room:
            taken.append(hit)
            room -= needed
    return tuple(reversed(taken))
