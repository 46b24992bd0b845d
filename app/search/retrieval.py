"""Question → the chunks to answer from, in prompt order: search by words and by meaning, joined.

Two lists are found, the best first in each: by BM25 over the question's words, and by the nearness of its vector,
where there is an embedding model. They are joined by reciprocal rank fusion, as their scores do not compare. Chunks are
taken best first until the context is full; one that does not fit is passed over for smaller ones behind it, and so is
one that says nearly the same as a better one.

The best match stands last, next to the question: with the best first, the small model's own full-prefill F1 fell from
.203 to .113, with the best last it was .199 (MuSiQue, 50 questions). Neighbours in a document stand side by side, in
its order: a table with its heading, the second half of a sentence behind the first. A chunk that is missing between two
of them is filled in, if there is still room.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from app.search.question_words import search_terms
from storage.index import Index
from storage.search_words import separated, words_of
from storage.values import Hit, StoredChunk

DenseSearch = Callable[[str, int, Collection[int] | None], list[Hit]]
"""Search by meaning: the question, how many hits at most, and the documents to look in; the nearest first."""

NUM_SEARCHED = 50
"""Hits looked at per question and list: several times what a context holds, so that small chunks can fill the rest."""

_GAP_TOKENS = 16
"""Room per chunk for its heading line and the separator, which num_tokens does not count."""

_RANK_OFFSET = 10
"""How little the first ranks stand out: a list's entries count 1/11, 1/12, 1/13 and so on. The usual 60 is for
hundreds of results; a context holds ten. By words, by meaning (MiniLM), by both with 10, by both with 60: a right
passage is among the first 6 in .82, .74, .90, .87 of cases, among the first 10 in 1.00, .92, 1.00, .97 (MuSiQue, 39
questions); the section whose heading was put into a question in .79, .77, .82, .82 and .85, .84, .89, .87 (300
questions, 508 sections). Both lists count the same: no other weights were better on both sets."""

_SHINGLE_WORDS = 5
"""Words in a row that are compared; shorter runs are shared by texts that merely treat the same subject."""

_SAME_TEXT = 0.8
"""Share of common shingles from which two chunks are the same text: copies and versions of a document."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What a question found; `hits` in prompt order, the best last (see the module for neighbours)."""

    hits: tuple[Hit, ...]
    matched: bool
    """False: nothing is like the question, and these are just the beginnings of documents."""


def retrieve(
    index: Index,
    question: str,
    context_tokens: int,
    *,
    dense: DenseSearch | None = None,
    document_ids: Collection[int] | None = None,
) -> Retrieved:
    """Find chunks for a question, at most `context_tokens` of them together, in all documents or in these."""
    hits = ranked(index, question, NUM_SEARCHED, dense=dense, document_ids=document_ids)
    if hits:
        return Retrieved(_in_prompt_order(_with_gaps_filled(index, *_fill(hits, context_tokens))), matched=True)
    openings = [Hit(chunk, 0.0) for chunk in index.first_chunks(NUM_SEARCHED, document_ids)]
    return Retrieved(_in_prompt_order(_fill(openings, context_tokens)[0]), matched=False)


def ranked(
    index: Index,
    question: str,
    limit: int,
    *,
    dense: DenseSearch | None = None,
    document_ids: Collection[int] | None = None,
) -> list[Hit]:
    """The best `limit` chunks, best first; scored by BM25, or by their ranks where there are two lists."""
    # A question may consist of small words only: "Who?"
    by_words = index.search(search_terms(question) or words_of(question), limit, document_ids)
    if dense is None:
        return by_words
    return fused([by_words, dense(question, limit, document_ids)])[:limit]


def fused(lists: Iterable[Sequence[Hit]]) -> list[Hit]:
    """Reciprocal rank fusion: every list adds 1/(10 + rank) to the score of a chunk. Best first, ties by id."""
    scores: dict[int, float] = {}
    chunks: dict[int, StoredChunk] = {}
    for hits in lists:
        for rank, hit in enumerate(hits, start=1):
            chunks[hit.chunk.id] = hit.chunk
            scores[hit.chunk.id] = scores.get(hit.chunk.id, 0.0) + 1 / (_RANK_OFFSET + rank)
    joined = (Hit(chunks[chunk_id], score) for chunk_id, score in scores.items())
    return sorted(joined, key=lambda hit: (-hit.score, hit.chunk.id))


def _fill(hits: Iterable[Hit], context_tokens: int) -> tuple[list[Hit], int]:
    """The hits to take, in the order given, and the tokens that are left."""
    taken: list[Hit] = []
    texts: list[_Words] = []
    room = context_tokens
    for hit in hits:
        if _num_needed(hit.chunk) > room:
            continue
        words = _Words.of(hit.chunk.chunk.text)
        if not any(words.say_the_same_as(other) for other in texts):
            taken.append(hit)
            texts.append(words)
            room -= _num_needed(hit.chunk)
    return taken, room


def _num_needed(chunk: StoredChunk) -> int:
    return chunk.chunk.num_tokens + _GAP_TOKENS


@dataclass(frozen=True, slots=True)
class _Words:
    """What a text is compared by."""

    shingles: frozenset[tuple[str, ...]]
    numbers: frozenset[str]

    @classmethod
    def of(cls, text: str) -> "_Words":
        words = words_of((separated(text) or text).lower())
        starts = range(min(_SHINGLE_WORDS, len(words)))
        shingles = frozenset(zip(*(words[start:] for start in starts), strict=False))
        return cls(shingles, frozenset(word for word in words if any(map(str.isdigit, word))))

    def say_the_same_as(self, other: "_Words") -> bool:
        """Nearly the same words; texts with other numbers (two years' timetables) are two, however alike."""
        num_all = len(self.shingles | other.shingles)
        return self.numbers == other.numbers and len(self.shingles & other.shingles) >= _SAME_TEXT * num_all


def _with_gaps_filled(index: Index, taken: list[Hit], room: int) -> list[Hit]:
    """With the chunks between two taken ones, as far as there is room; the matches of the best first."""
    filled = list(taken)
    places = {_place(hit): hit for hit in taken}
    for hit in taken:
        path, ordinal = _place(hit)
        for between, beyond in ((ordinal - 1, ordinal - 2), (ordinal + 1, ordinal + 2)):
            other = places.get((path, beyond))
            if other is None or (path, between) in places:
                continue
            chunk = index.chunk_at(path, between)
            if chunk is not None and _num_needed(chunk) <= room:
                found = Hit(chunk, min(hit.score, other.score))
                filled.append(found)
                places[path, between] = found
                room -= _num_needed(chunk)
    return filled


def _in_prompt_order(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """Hits, best first → runs of neighbours, each in the document's order; the run of the best last."""
    ranks = {hit.chunk.id: rank for rank, hit in enumerate(hits)}
    runs: list[list[Hit]] = []
    for hit in sorted(hits, key=_place):
        path, ordinal = _place(hit)
        if runs and _place(runs[-1][-1]) == (path, ordinal - 1):
            runs[-1].append(hit)
        else:
            runs.append([hit])
    runs.sort(key=lambda run: min(ranks[hit.chunk.id] for hit in run), reverse=True)
    return tuple(chain.from_iterable(runs))


def _place(hit: Hit) -> tuple[Path, int]:
    return hit.chunk.document_path, hit.chunk.ordinal
