"""A question over the documents: what the engine is asked, and the account of what it answered.

Shared by `steep ask` and by the app's conversations. Belongs to the thread of `parts.index`; the engine's own work is
not done here, only put into words.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from app.citation import quote
from app.conversations.account import Account, MemoryFill, Source, Timing
from app.errors import WrongUse
from app.gate.course import Course
from app.prompt_chunks import fitting_chunks
from app.search.question_words import search_terms
from app.search.retrieval import DenseSearch, Retrieved, retrieve
from app.settings import Settings
from app.wiring import Engine, Parts
from app.wording import counted
from storage.values import Hit

if TYPE_CHECKING:
    from engine.requests import AnswerDone, AnswerRequest, ChunkUse, ContextChunk

_FEW_TERMS = 3
"""A question behind another one with fewer words to search for ("And when does it leave?") leans on the one before."""


@dataclass(frozen=True, slots=True)
class Found:
    """What retrieval brings to a question: chunks in prompt order, and the passages behind them by chunk."""

    chunks: "tuple[ContextChunk, ...]"
    hits: Mapping[int, Hit]
    retrieve_ms: float
    notices: tuple[str, ...] = ()


def find(
    question: str,
    parts: Parts,
    engine: Engine,
    search_by_meaning: DenseSearch | None,
    *,
    document_ids: Collection[int] | None = None,
    earlier: str | None = None,
) -> Found:
    """The passages for a question; `earlier` is the question before it in a conversation.

    The first question gets the beginnings of documents when nothing matches, with a notice; a later one gets nothing
    then, because it has what was found before. Raises `WrongUse` or `NothingFits` where there is no room.
    """
    started = perf_counter()
    context_tokens, notices = _context_tokens(question, parts.settings, engine)
    text = question if earlier is None else _leaning(question, earlier)
    found = retrieve(parts.index, text, context_tokens, dense=search_by_meaning, document_ids=document_ids)
    if not found.matched:
        if earlier is not None:
            found = Retrieved((), matched=False)
        else:
            notices = (*notices, "No passage matches the question's words; these are the beginnings of documents.")
    retrieve_ms = (perf_counter() - started) * 1e3
    chunks = fitting_chunks(engine.ready.frame, found.hits, context_tokens) if found.hits or earlier is None else ()
    return Found(chunks, {hit.chunk.id: hit for hit in found.hits}, retrieve_ms, notices)


def _leaning(question: str, earlier: str) -> str:
    return question if len(search_terms(question)) >= _FEW_TERMS else f"{earlier}\n{question}"


def _context_tokens(question: str, settings: Settings, engine: Engine) -> tuple[int, tuple[str, ...]]:
    """Tokens that are left for documents, and a notice if those are fewer than the settings say."""
    frame, name = engine.ready.frame, engine.ready.model_name
    num_question_tokens = len(frame.question(question, settings.instructions))
    room = engine.window - len(frame.preamble) - num_question_tokens - settings.max_answer_tokens
    if room < 1:
        raise WrongUse(
            f"the question ({counted(num_question_tokens, 'token')}) and its answer (max_answer_tokens = "
            f"{settings.max_answer_tokens:,}) leave no room for documents in the {engine.window:,} tokens that "
            f"{name} can hold. Ask a shorter question, or lower max_answer_tokens."
        )
    if room >= settings.context_tokens:
        return settings.context_tokens, ()
    notice = (
        f"{name} can hold {engine.window:,} tokens: documents got {room:,} of them instead of "
        f"{settings.context_tokens:,} (context_tokens)."
    )
    return room, (notice,)


def request_of(question: str, found: Found, settings: Settings, course: Course) -> "AnswerRequest":
    """The question as the engine takes it, with everything the user has set."""
    from engine.requests import AnswerRequest, Mode, Sampling

    return AnswerRequest(
        question=question,
        chunks=found.chunks,
        mode=Mode(course.mode),
        ratio=course.ratio,
        strategy=settings.strategy,
        sampling=Sampling(settings.temperature, settings.top_p, settings.seed),
        max_answer_tokens=settings.max_answer_tokens,
        instructions=settings.instructions,
    )


def account_of(question: str, found: Found, engine: Engine, done: "AnswerDone", course: Course) -> Account:
    """What became of the question. Chunks of which `found` has no passage are left out."""
    times, memory = done.times, done.memory
    sources = (
        _source(use, found.hits[use.chunk_id], question, done.text) for use in done.uses if use.chunk_id in found.hits
    )
    return Account(
        mode=str(done.mode),
        model=engine.ready.model_name,
        sources=most_used_first(sources),
        timing=Timing(
            retrieve_ms=found.retrieve_ms,
            load_ms=times.load_ms,
            score_ms=times.score_ms,
            recompute_ms=times.recompute_ms,
            ttft_ms=found.retrieve_ms + times.first_token_ms,
            total_ms=found.retrieve_ms + times.total_ms,
            tokens_per_s=times.tokens_per_s,
            model_load_ms=engine.ready.load_ms,
            cold_ttft_ms=_plus(times.cold_first_token_ms, found.retrieve_ms),
        ),
        num_loaded_bytes=done.num_loaded_bytes,
        num_answer_tokens=done.num_answer_tokens,
        notices=(*found.notices, *filter(None, (course.notice,)), *done.notices),
        stopped=done.stopped,
        num_history_tokens=done.num_history_tokens,
        memory=MemoryFill(memory.num_tokens, memory.capacity) if memory else None,
        gate=course.gate,
    )


def _plus(milliseconds: float | None, more: float) -> float | None:
    return None if milliseconds is None else milliseconds + more


def most_used_first(sources: Iterable[Source]) -> tuple[Source, ...]:
    """By the question's attention; where that was not measured, by the match."""
    return tuple(sorted(sources, key=lambda source: (source.attention or 0.0, source.score), reverse=True))


def _source(use: "ChunkUse", hit: Hit, question: str, answer: str) -> Source:
    chunk = hit.chunk.chunk
    return Source(
        chunk_id=use.chunk_id,
        path=hit.chunk.document_path,
        page=chunk.page,
        heading=chunk.heading,
        start=chunk.start,
        end=chunk.end,
        quote=quote(chunk, question, answer),
        score=hit.score,
        attention=use.attention,
        num_tokens=use.num_tokens,
        num_kept=use.num_kept,
        num_loaded=use.num_loaded,
        num_recomputed=use.num_recomputed,
        num_computed=use.num_computed,
    )
