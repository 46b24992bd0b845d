"""`steep bench ttft`: time to the first token, by how much of the context is computed.

One question over the user's own documents, once per way and round, the ways in turn within each round, so that a
machine that is slow for a while is slow for all of them. States come from disk every time (the page cache is warm).
Quote the ratios; absolute times are this machine's, this minute's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from app.commands.steeping import steep
from app.errors import NothingIndexed, WrongUse
from app.prompt_chunks import fitting_chunks
from app.search.retrieval import retrieve
from app.settings import Settings, Value
from app.terminal import Terminal
from app.wiring import Engine, open_engine, open_parts
from app.wording import counted

if TYPE_CHECKING:
    from engine.requests import AnswerDone, ContextChunk

DEFAULT_QUESTION = "What are the most important facts, names, dates and numbers in these documents?"
RATIOS = (0.05, 0.10, 0.15, 0.20)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to get the context into the cache."""

    name: str
    mode: str
    strategy: str = "none"
    ratio: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """Medians over all rounds, milliseconds."""

    way: Way
    ttft_ms: float
    load_ms: float
    score_ms: float
    recompute_ms: float
    recomputed_tokens: int
    speedup: float
    """Median time of the full way over this one's."""


def ways(strategy: str) -> list[Way]:
    """Full prefill, plain reuse, and the blends."""
    blends = [Way(f"blend {ratio:.0%}", "blend", strategy, ratio) for ratio in RATIOS]
    return [Way("full", "exact"), Way("plain reuse", "blend"), *blends]


def run(
    flags: Mapping[str, Value | None], terminal: Terminal, *, question: str, num_rounds: int, as_json: bool
) -> None:
    """Measure and print a table."""
    with open_parts(flags, for_engine=True) as parts:
        if not parts.index.counts().num_chunks:
            raise NothingIndexed("there are no documents to measure with: steep add FOLDER, steep index")
        settings = parts.settings
        with open_engine(parts, terminal, context_tokens=settings.context_tokens, question=question) as engine:
            if not engine.ready.blendability.possible:
                raise WrongUse(f"{engine.ready.model_name} cannot be blended: there is nothing to compare.")
            hits = retrieve(parts.index, question, settings.context_tokens).hits
            chunks = fitting_chunks(engine.ready.frame, hits, settings.context_tokens)
            waiting = {chunk.id for chunk in parts.index.chunks_without_state(engine.fingerprint)}
            missing = [chunk for chunk in chunks if chunk.chunk_id in waiting]
            if missing:
                steep(engine, missing, terminal)
            bench = _Bench(engine, settings, question, chunks)
            rows = bench.measure(num_rounds, terminal)
    if as_json:
        terminal.json(_as_json(bench, rows, num_rounds))
    else:
        _print(bench, rows, num_rounds, terminal)


class _Bench:
    def __init__(self, engine: Engine, settings: Settings, question: str, chunks: "tuple[ContextChunk, ...]") -> None:
        self.engine, self.settings, self.question = engine, settings, question
        self.chunks = chunks
        self.num_context_tokens = sum(len(chunk.token_ids) for chunk in self.chunks)

    def measure(self, num_rounds: int, terminal: Terminal) -> list[Row]:
        from engine.requests import AnswerDone

        tried = ways(self.settings.strategy)
        answers: dict[str, list[AnswerDone]] = {way.name: [] for way in tried}
        with terminal.progress("Measuring", "answers") as show:
            for number in range(num_rounds * len(tried)):
                way = tried[number % len(tried)]
                answers[way.name].append(self._ask(way))
                show(number + 1, num_rounds * len(tried))
        full_ms = median(answer.times.first_token_ms for answer in answers[tried[0].name])
        return [_row(way, answers[way.name], full_ms) for way in tried]

    def _ask(self, way: Way) -> "AnswerDone":
        from engine.requests import AnswerDone, AnswerRequest, Mode

        request = AnswerRequest(
            question=self.question,
            chunks=self.chunks,
            mode=Mode(way.mode),
            ratio=way.ratio,
            strategy=way.strategy,
            max_answer_tokens=1,
        )
        done = [event for event in self.engine.runtime.answer(request) if isinstance(event, AnswerDone)]
        return done[-1]


def _row(way: Way, answers: "list[AnswerDone]", full_ms: float) -> Row:
    ttft_ms = median(answer.times.first_token_ms for answer in answers)
    return Row(
        way=way,
        ttft_ms=ttft_ms,
        load_ms=median(answer.times.load_ms for answer in answers),
        score_ms=median(answer.times.score_ms for answer in answers),
        recompute_ms=median(answer.times.recompute_ms for answer in answers),
        recomputed_tokens=sum(use.num_recomputed + use.num_computed for use in answers[-1].uses),
        speedup=full_ms / ttft_ms,
    )


def _as_json(bench: _Bench, rows: list[Row], num_rounds: int) -> dict[str, object]:
    return {
        "model": bench.engine.ready.model_name,
        "context_tokens": bench.num_context_tokens,
        "chunks": len(bench.chunks),
        "rounds": num_rounds,
        "strategy": bench.settings.strategy,
        "ways": [
            {
                "name": row.way.name,
                "ratio": row.way.ratio,
                "ttft_ms": round(row.ttft_ms, 1),
                "load_ms": round(row.load_ms, 1),
                "score_ms": round(row.score_ms, 1),
                "recompute_ms": round(row.recompute_ms, 1),
                "computed_tokens": row.recomputed_tokens,
                "speedup": round(row.speedup, 2),
            }
            for row in rows
        ],
    }


def _print(bench: _Bench, rows: list[Row], num_rounds: int, terminal: Terminal) -> None:
    terminal.data(
        f"{bench.engine.ready.model_name}: {counted(bench.num_context_tokens, 'context token')} in "
        f"{counted(len(bench.chunks), 'chunk')}, medians of {counted(num_rounds, 'round')}"
    )
    terminal.data(f"{'':12}{'first token':>13}{'load':>10}{'score':>10}{'recompute':>12}{'computed':>10}{'sooner':>9}")
    for row in rows:
        terminal.data(
            f"{row.way.name:12}{row.ttft_ms:>10,.0f} ms{row.load_ms:>7,.0f} ms{row.score_ms:>7,.0f} ms"
            f"{row.recompute_ms:>9,.0f} ms{row.recomputed_tokens:>10,}{row.speedup:>8.2f}x"
        )
