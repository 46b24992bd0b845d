"""How long it takes from a question to what is to be loaded for it: search, tokens of the passages found, their states.

Questions are made from headings of the user's documents, or from words of their text where there is no heading; spread
over the whole index, and the same ones each time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from time import perf_counter

from app.asking import find
from app.bench.measuring import find_state
from app.formats.headings import SEPARATOR
from app.search.dense import open_dense
from app.search.question_words import search_terms
from app.terminal import Terminal
from app.wiring import Engine, Parts
from storage.index import Index
from storage.values import ChunkText

NUM_QUESTIONS = 50

_NUM_WORDS = 4
_MIN_WORD_LETTERS = 4


@dataclass(frozen=True, slots=True)
class SearchTimes:
    """Milliseconds per question, in the order asked."""

    num_chunks: int
    """In the index."""
    milliseconds: tuple[float, ...]
    by_meaning: bool
    """Whether vectors were searched, too."""


def search_times(parts: Parts, engine: Engine, terminal: Terminal) -> SearchTimes:
    """Measure; the index must have chunks."""
    questions = questions_of(parts.index)
    with open_dense(parts) as dense, terminal.progress("Searching", "questions") as show:
        search_by_meaning = dense.search if dense else None
        first_position = engine.ready.frame.first_positions[0]

        def milliseconds(question: str) -> float:
            started = perf_counter()
            found = find(question, parts, engine, search_by_meaning)
            for chunk in found.chunks:
                find_state(parts.store, engine, first_position, chunk.token_ids)
            return (perf_counter() - started) * 1e3

        milliseconds(questions[0])  # the first search opens what the later ones use
        times: list[float] = []
        for question in questions:
            times.append(milliseconds(question))
            show(len(times), len(questions))
    return SearchTimes(parts.index.counts().num_chunks, tuple(times), by_meaning=dense is not None)


def questions_of(index: Index) -> list[str]:
    """At most 50 questions, each from another chunk."""
    chunks = [stored.chunk for stored in index.chunks()]
    random = Random(20)  # noqa: S311 - the same questions every time
    return [_question(chunk, random) for chunk in _spread(chunks)]


def _spread(chunks: Sequence[ChunkText]) -> Sequence[ChunkText]:
    return chunks[:: max(1, len(chunks) // NUM_QUESTIONS)][:NUM_QUESTIONS]


def _question(chunk: ChunkText, random: Random) -> str:
    heading = (chunk.heading or "").rpartition(SEPARATOR)[2].strip()
    if search_terms(heading):
        return f"What is said about {heading}?"
    words = sorted({word for word in search_terms(chunk.text) if len(word) >= _MIN_WORD_LETTERS})
    chosen = random.sample(words, min(_NUM_WORDS, len(words)))
    return f"What is said about {' '.join(chosen)}?"
