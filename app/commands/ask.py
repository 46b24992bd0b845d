"""`steep ask`: one question, one answer, with its sources and where its milliseconds went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from app.commands.steeping import steep
from app.errors import NothingIndexed, WrongUse
from app.indexer import display_path
from app.prompt_chunks import context_chunks
from app.retrieval import Retrieved, retrieve
from app.settings import Settings, Value
from app.terminal import Terminal
from app.wiring import Engine, Parts, open_engine, open_parts
from storage.values import Hit

if TYPE_CHECKING:
    from engine.requests import AnswerDone, ChunkUse


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer with what the app adds: the passages by chunk, and retrieval's time."""

    done: "AnswerDone"
    hits: Mapping[int, Hit]
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
) -> None:
    """Answer on stdout; afterwards steep the chunks that had no state."""
    if not question.strip():
        raise WrongUse("the question is empty")
    with open_parts(flags, for_engine=True) as parts:
        if not parts.index.counts().num_chunks:
            raise NothingIndexed(
                "there are no documents to answer from. Add a folder and read it: steep add FOLDER, steep index"
            )
        context_tokens = parts.settings.context_tokens
        with open_engine(parts, terminal, context_tokens=context_tokens, question=question) as engine:
            answered = _answer(question, parts, engine, terminal, stream=not as_json)
            if as_json:
                terminal.json(as_object(answered))
            else:
                _print_account(answered, terminal)
            if steep_missing and answered.done.missing:
                steep(engine, answered.done.missing, terminal)


def _answer(question: str, parts: Parts, engine: Engine, terminal: Terminal, *, stream: bool) -> Answered:
    started = perf_counter()
    found = retrieve(parts.index, question, parts.settings.context_tokens)
    retrieve_ms = (perf_counter() - started) * 1e3
    done = _stream(question, found, parts.settings, engine, terminal, stream=stream)
    notices = done.notices
    if not found.matched:
        notices = ("no passage matches the question's words; these are the beginnings of documents", *notices)
    return Answered(
        done=done,
        hits={hit.chunk.id: hit for hit in found.hits},
        retrieve_ms=retrieve_ms,
        model_name=engine.ready.model_name,
        model_load_ms=engine.ready.load_ms,
        notices=notices,
    )


def _stream(
    question: str, found: Retrieved, settings: Settings, engine: Engine, terminal: Terminal, *, stream: bool
) -> "AnswerDone":
    from engine.errors import Cancelled
    from engine.requests import AnswerDone, AnswerRequest, AnswerText, Mode, Prefilled, Sampling

    request = AnswerRequest(
        question=question,
        chunks=context_chunks(engine.ready.frame, (hit.chunk for hit in found.hits)),
        mode=Mode(settings.mode),
        ratio=settings.ratio,
        strategy=settings.strategy,
        sampling=Sampling(settings.temperature, settings.top_p, settings.seed),
        max_answer_tokens=settings.max_answer_tokens,
        instructions=settings.instructions,
    )
    job = engine.runtime.answer(request)
    events = iter(job)
    try:
        with terminal.progress("Reading", 1.0, "prompts") as show:
            for event in events:
                if isinstance(event, Prefilled):
                    show(event.num_done / event.num_total)
                else:
                    break
            else:
                raise AssertionError("an answer ends with its account")
        while not isinstance(event, AnswerDone):
            if stream and isinstance(event, AnswerText):
                terminal.piece(event.text)
            event = next(events)
    except KeyboardInterrupt:
        job.cancel()
        try:
            for _ in events:
                pass
        except Cancelled:
            pass
        raise
    if stream:
        terminal.piece("\n")
    return event


# --- for people


def _print_account(answered: Answered, terminal: Terminal) -> None:
    terminal.data("")
    terminal.data("Sources", style="bold")
    for use in _by_attention(answered.done.uses):
        terminal.data(f"  {_source_line(use, answered.hits[use.chunk_id])}")
    terminal.data(_timing_line(answered), style="dim")
    for notice in answered.notices:
        terminal.remark(notice, style="yellow")


def _by_attention(uses: "Sequence[ChunkUse]") -> "list[ChunkUse]":
    return sorted(uses, key=lambda use: use.attention or 0.0, reverse=True)


def _source_line(use: "ChunkUse", hit: Hit) -> str:
    chunk = hit.chunk.chunk
    place = f", page {chunk.page}" if chunk.page else f", {chunk.heading}" if chunk.heading else ""
    origins = [
        f"{count} {name}"
        for count, name in (
            (use.num_loaded, "loaded"),
            (use.num_recomputed, "recomputed"),
            (use.num_computed, "computed"),
        )
        if count
    ]
    share = f"{use.attention:4.0%}  " if use.attention is not None else ""
    return f"{share}{display_path(hit.chunk.document_path)}{place}  ({', '.join(origins)})"


def _timing_line(answered: Answered) -> str:
    done, times = answered.done, answered.done.times
    first_token_s = (answered.retrieve_ms + times.first_token_ms) / 1e3
    kv = _kv(done.uses)
    return (
        f"First token after {first_token_s:.2f} s: "
        f"retrieve {answered.retrieve_ms:.0f} ms, load {times.load_ms:.0f} ms, "
        f"score {times.score_ms:.0f} ms, recompute {times.recompute_ms:.0f} ms ({done.mode}). "
        f"{times.tokens_per_s:.1f} tokens/s. "
        f"Context {kv['context_tokens']} tokens: {kv['loaded_tokens']} loaded, {kv['recomputed_tokens']} recomputed, "
        f"{kv['computed_tokens']} computed."
    )


# --- for programs


def as_object(answered: Answered) -> dict[str, object]:
    """The contract of `steep ask --json`."""
    done = answered.done
    return {
        "answer": done.text,
        "mode": str(done.mode),
        "model": answered.model_name,
        "sources": [_source(use, answered.hits[use.chunk_id]) for use in _by_attention(done.uses)],
        "kv": {**_kv(done.uses), "loaded_bytes": done.num_loaded_bytes},
        "timing": _timing(answered),
        "notices": list(answered.notices),
    }


def _source(use: "ChunkUse", hit: Hit) -> dict[str, object]:
    chunk = hit.chunk.chunk
    return {
        "path": str(hit.chunk.document_path),
        "page": chunk.page,
        "heading": chunk.heading,
        "start": chunk.start,
        "end": chunk.end,
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
