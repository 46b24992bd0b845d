"""`steep ask`: one question, one answer, with its sources and where its milliseconds went."""

import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from app.citation import Quote, quote
from app.commands.ask_account import source_lines, timing_lines
from app.commands.steeping import steep
from app.errors import NothingIndexed, WrongUse
from app.precedence import QuestionsFirst, asking
from app.prompt_chunks import fitting_chunks
from app.search.dense import open_dense
from app.search.document_filter import documents_in
from app.search.retrieval import Retrieved, retrieve
from app.settings import Settings, Value
from app.terminal import ShowProgress, Terminal
from app.wiring import Engine, Parts, open_engine, open_parts
from app.wording import counted
from storage.values import Hit

if TYPE_CHECKING:
    from engine.requests import AnswerDone, AnswerEvent, AnswerRequest, ChunkUse


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer with what the app adds: passages and quotes by chunk, and retrieval's time."""

    done: "AnswerDone"
    hits: Mapping[int, Hit]
    quotes: Mapping[int, Quote]
    retrieve_ms: float
    model_name: str
    model_load_ms: float
    notices: tuple[str, ...]


def run(
    question: str,
    flags: Mapping[str, Value | None],
    terminal: Terminal,
    *,
    as_json: bool,
    steep_missing: bool,
    only_in: Sequence[str] = (),
) -> None:
    """Answer on stdout, from the documents that `only_in` names or else all; afterwards steep what had no state."""
    if not question.strip():
        raise WrongUse("the question is empty")
    with open_parts(flags, for_engine=True) as parts:
        if not parts.index.counts().num_chunks:
            raise NothingIndexed(
                "there are no documents to answer from. Add a folder and read it: steep add FOLDER, steep index"
            )
        document_ids = documents_in(only_in, parts.index.documents(), Path.cwd()) if only_in else None
        context_tokens = parts.settings.context_tokens
        with ExitStack() as stack:
            with asking(parts.locations):
                engine = stack.enter_context(
                    open_engine(parts, terminal, context_tokens=context_tokens, question=question)
                )
                answered = _answer(question, document_ids, parts, engine, terminal, stream=not as_json)
            if as_json:
                terminal.json(as_object(answered))
            else:
                _print_account(answered, terminal)
            parts.index.note_use(use.chunk_id for use in answered.done.uses)
            if steep_missing and answered.done.missing:
                stack.enter_context(QuestionsFirst(parts.locations, parts.settings, engine.runtime))
                steep(engine, answered.done.missing, terminal)


def _answer(
    question: str,
    document_ids: Collection[int] | None,
    parts: Parts,
    engine: Engine,
    terminal: Terminal,
    *,
    stream: bool,
) -> Answered:
    started = perf_counter()
    context_tokens, notices = _context_tokens(question, parts.settings, engine)
    with open_dense(parts) as dense:
        search = dense.search if dense else None
        found = retrieve(parts.index, question, context_tokens, dense=search, document_ids=document_ids)
    if not found.matched:
        notices.append("No passage matches the question's words; these are the beginnings of documents.")
    retrieve_ms = (perf_counter() - started) * 1e3
    done = _stream(_request(question, found, parts.settings, engine, context_tokens), engine, terminal, stream=stream)
    hits = {hit.chunk.id: hit for hit in found.hits}
    return Answered(
        done=done,
        hits=hits,
        quotes=_quotes(question, done, hits),
        retrieve_ms=retrieve_ms,
        model_name=engine.ready.model_name,
        model_load_ms=engine.ready.load_ms,
        notices=(*notices, *done.notices),
    )


def _quotes(question: str, done: "AnswerDone", hits: Mapping[int, Hit]) -> dict[int, Quote]:
    """What supports the answer, of each chunk that does."""
    chunks = {use.chunk_id: hits[use.chunk_id].chunk.chunk for use in done.uses}
    quotes = {chunk_id: quote(chunk, question, done.text) for chunk_id, chunk in chunks.items()}
    return {chunk_id: found for chunk_id, found in quotes.items() if found}


def _context_tokens(question: str, settings: Settings, engine: Engine) -> tuple[int, list[str]]:
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
        return settings.context_tokens, []
    notice = (
        f"{name} can hold {engine.window:,} tokens: documents got {room:,} of them instead of "
        f"{settings.context_tokens:,} (context_tokens)."
    )
    return room, [notice]


def _request(
    question: str, found: Retrieved, settings: Settings, engine: Engine, context_tokens: int
) -> "AnswerRequest":
    from engine.requests import AnswerRequest, Mode, Sampling

    return AnswerRequest(
        question=question,
        chunks=fitting_chunks(engine.ready.frame, found.hits, context_tokens),
        mode=Mode(settings.mode),
        ratio=settings.ratio,
        strategy=settings.strategy,
        sampling=Sampling(settings.temperature, settings.top_p, settings.seed),
        max_answer_tokens=settings.max_answer_tokens,
        instructions=settings.instructions,
    )


def _stream(request: "AnswerRequest", engine: Engine, terminal: Terminal, *, stream: bool) -> "AnswerDone":
    """Follow an answer to its end. On Ctrl-C whoever opened the engine closes it, which stops the answer."""
    num_context_tokens = sum(len(chunk.token_ids) for chunk in request.chunks)
    events = iter(engine.runtime.answer(request))
    with terminal.progress(f"Reading {counted(len(request.chunks), 'passage')}", "tokens") as show:
        event = _follow_prompt(events, len(engine.ready.frame.preamble) + num_context_tokens, show)
    return _follow_answer(event, events, terminal if stream else None)


def _follow_prompt(events: "Iterator[AnswerEvent]", num_tokens: int, show: ShowProgress) -> "AnswerEvent":
    """Show how the first `num_tokens` get into the cache; how long the rest takes is not known. The event after it."""
    from engine.requests import Prefilled

    event = next(events)
    while isinstance(event, Prefilled):
        show(event.num_done, num_tokens if event.num_done < num_tokens else None)
        event = next(events)
    return event


def _follow_answer(event: "AnswerEvent", events: "Iterator[AnswerEvent]", terminal: Terminal | None) -> "AnswerDone":
    """Write the answer as it comes, if there is a terminal for it; returns the account."""
    from engine.requests import AnswerDone, AnswerText

    try:
        while not isinstance(event, AnswerDone):
            if terminal and isinstance(event, AnswerText):
                terminal.piece(event.text)
            event = next(events)
    finally:
        if terminal:
            terminal.piece("\n")
    return event


# --- for people


def _print_account(answered: Answered, terminal: Terminal) -> None:
    terminal.data("")
    uses, host = _most_used_first(answered), socket.gethostname()
    for line in source_lines(uses, answered.hits, answered.quotes, terminal.width, host):
        terminal.data(line.text, line.style, line.links)
    terminal.data("")
    for line in timing_lines(answered.done, answered.retrieve_ms):
        terminal.data(line, style="dim")
    for notice in answered.notices:
        terminal.remark(notice, style="yellow")


def _most_used_first(answered: Answered) -> "list[ChunkUse]":
    """By the question's attention; where that was not measured, by the match."""
    return sorted(
        answered.done.uses, key=lambda use: (use.attention or 0.0, answered.hits[use.chunk_id].score), reverse=True
    )


# --- for programs


def as_object(answered: Answered) -> dict[str, object]:
    """The contract of `steep ask --json`."""
    done = answered.done
    return {
        "answer": done.text,
        "mode": str(done.mode),
        "model": answered.model_name,
        "sources": [_source(use, answered) for use in _most_used_first(answered)],
        "kv": {**_kv(done.uses), "loaded_bytes": done.num_loaded_bytes},
        "timing": _timing(answered),
        "notices": list(answered.notices),
    }


def _source(use: "ChunkUse", answered: Answered) -> dict[str, object]:
    hit, found = answered.hits[use.chunk_id], answered.quotes.get(use.chunk_id)
    chunk = hit.chunk.chunk
    return {
        "path": str(hit.chunk.document_path),
        "page": chunk.page,
        "heading": chunk.heading,
        "start": chunk.start,
        "end": chunk.end,
        "quote": found and asdict(found),
        "score": round(hit.score, 4),
        "attention": None if use.attention is None else round(use.attention, 4),
        "tokens": use.num_tokens,
        "loaded": use.num_loaded,
        "recomputed": use.num_recomputed,
        "computed": use.num_computed,
    }


def _kv(uses: "Sequence[ChunkUse]") -> dict[str, int]:
    return {
        "context_tokens": sum(use.num_tokens for use in uses),
        "loaded_tokens": sum(use.num_loaded for use in uses),
        "recomputed_tokens": sum(use.num_recomputed for use in uses),
        "computed_tokens": sum(use.num_computed for use in uses),
    }


def _timing(answered: Answered) -> dict[str, float]:
    times = answered.done.times
    figures = {
        "retrieve_ms": answered.retrieve_ms,
        "load_ms": times.load_ms,
        "score_ms": times.score_ms,
        "recompute_ms": times.recompute_ms,
        "ttft_ms": answered.retrieve_ms + times.first_token_ms,
        "total_ms": answered.retrieve_ms + times.total_ms,
        "tokens_per_s": times.tokens_per_s,
        "model_load_ms": answered.model_load_ms,
    }
    return {name: round(value, 3) for name, value in figures.items()}
