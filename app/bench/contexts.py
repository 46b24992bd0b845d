"""What is put in front of the question: chunks of the user's own documents, or of the texts in a file.

No text comes twice, as equal chunks share one state. A context of own documents has whole chunks, those that answer the
question best first taken, and so may be a little shorter than asked for; texts of a file are cut to the token.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.bench.question_file import full_text, read_question_file
from app.prompt_chunks import context_chunks
from app.search.retrieval import retrieve
from storage.index import Index

if TYPE_CHECKING:
    from engine.prompt import PromptFrame
    from engine.requests import ContextChunk


@dataclass(frozen=True, slots=True)
class BenchContext:
    """Chunks in prompt order."""

    chunks: "tuple[ContextChunk, ...]"

    @property
    def num_tokens(self) -> int:
        return sum(len(chunk.token_ids) for chunk in self.chunks)


# --- from a file


def texts_of(path: Path) -> list[str]:
    """The distinct passages of a file of questions, in order. Raises `WrongUse`."""
    return read_question_file(path, _distinct_texts)


def _distinct_texts(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    texts = (full_text(passage) for entry in entries for passage in entry["ctxs"])
    return list(dict.fromkeys(text for text in texts if text.strip()))


def tokens_of(frame: "PromptFrame", texts: Iterable[str], limit: int) -> tuple[int, ...]:
    """Texts as one run of tokens, at most `limit` of them."""
    token_ids: list[int] = []
    for text in texts:
        if len(token_ids) >= limit:
            break
        token_ids += frame.chunk(text)
    return tuple(token_ids[:limit])


def cut_contexts(token_ids: Sequence[int], sizes: Iterable[int], chunk_tokens: int) -> list[BenchContext]:
    """One context per size that there are tokens for, cut into chunks; the last size is the rest of the tokens."""
    from engine.requests import ContextChunk

    numbers: dict[tuple[int, ...], int] = {}
    contexts: list[BenchContext] = []
    for size in sizes:
        end = min(size, len(token_ids))
        pieces = [tuple(token_ids[start : min(start + chunk_tokens, end)]) for start in range(0, end, chunk_tokens)]
        distinct = dict.fromkeys(pieces)
        contexts.append(
            BenchContext(tuple(ContextChunk(numbers.setdefault(piece, len(numbers) + 1), piece) for piece in distinct))
        )
    return _distinct(contexts)


# --- from the index


def own_chunks(index: Index, frame: "PromptFrame", question: str, longest: int, limit: int) -> "list[ContextChunk]":
    """Distinct chunks of the index, at least `limit` tokens of them if there are so many; the best matches first."""
    chosen: dict[tuple[int, ...], ContextChunk] = {}
    num_tokens = 0
    for chunk in _own_chunks(index, frame, question, limit):
        if len(chunk.token_ids) <= longest and chunk.token_ids not in chosen:
            chosen[chunk.token_ids] = chunk
            num_tokens += len(chunk.token_ids)
            if num_tokens >= limit:
                break
    return list(chosen.values())


def _own_chunks(index: Index, frame: "PromptFrame", question: str, limit: int) -> "Iterator[ContextChunk]":
    hits = retrieve(index, question, limit).hits
    yield from context_chunks(frame, (hit.chunk for hit in reversed(hits)))
    for stored in index.chunks():
        yield from context_chunks(frame, (stored,))


def fitting_contexts(chunks: "Sequence[ContextChunk]", sizes: Iterable[int]) -> list[BenchContext]:
    """One context per size: as many of the chunks as fit, the first of them last, next to the question."""
    contexts: list[BenchContext] = []
    for size in sizes:
        fitting: list[ContextChunk] = []
        room = size
        for chunk in chunks:
            if len(chunk.token_ids) <= room:
                fitting.append(chunk)
                room -= len(chunk.token_ids)
        contexts.append(BenchContext(tuple(reversed(fitting))))
    return _distinct(contexts)


def _distinct(contexts: Iterable[BenchContext]) -> list[BenchContext]:
    return list(dict.fromkeys(context for context in contexts if context.chunks))
