"""States behind a filler: two per chunk, and a blend that takes the one that fits the place."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.bindings import FloatArray
from engine.load_plan import ChunkToPlace
from engine.loader import Loader, Loading
from engine.model import ContextOptions
from engine.ports import StateSource
from engine.requests import AnswerDone, AnswerRequest, ContextChunk, GateDone, GateQuestion, GateRequest, Mode
from engine.runtime import Runtime
from engine.session import Session, SessionOptions
from tests.fakes import MemoryShelf
from tests.tiny_model import write_tiny_model

TEXTS = (
    "The bakery opens at six.",
    "The cat of the bakery is called Biscuit. It is seven years old and sleeps in the flour.",
    "The harbour has three piers and a crane that nobody has used since the war.",
)
NUM_FILLER_TOKENS = 64
CELLS = ContextOptions(num_cells=1536, batch_tokens=128, num_threads=1)


def open_session(model: Path, shelf: MemoryShelf, num_filler_tokens: int = NUM_FILLER_TOKENS) -> Session:
    return Session(SessionOptions(model, "test", CELLS, num_filler_tokens=num_filler_tokens), shelf.opened)


@pytest.fixture
def shelf() -> MemoryShelf:
    return MemoryShelf()


@pytest.fixture
def session(tiny_model: Path, shelf: MemoryShelf) -> Iterator[Session]:
    with open_session(tiny_model, shelf) as session:
        yield session


def chunks_of(session: Session) -> tuple[ContextChunk, ...]:
    return tuple(ContextChunk(number, session.frame.chunk(text)) for number, text in enumerate(TEXTS))


def steep_all(session: Session) -> None:
    for first_position in session.frame.first_positions:
        for chunk in chunks_of(session):
            session.steep(chunk, first_position=first_position)


def ask(session: Session, **options: object) -> AnswerDone:
    request = AnswerRequest("Who sleeps?", chunks_of(session), **{"max_answer_tokens": 1, **options})
    return session.answer(request, lambda _: None)


def logits_at(session: Session, **options: object) -> FloatArray:
    ask(session, **options)
    return session.context.logits().copy()


def test_a_chunk_is_steeped_for_any_place_and_for_the_first_one_when_that_is_asked_for(
    session: Session, shelf: MemoryShelf
) -> None:
    filled, front = session.frame.first_positions
    assert (filled, front) == (len(session.frame.preamble) + NUM_FILLER_TOKENS, len(session.frame.preamble))
    chunk = chunks_of(session)[0]
    for first_position, asked in ((filled, None), (front, front)):
        assert (first_position, chunk.token_ids) not in shelf.blobs
        steeped = session.steep(chunk, first_position=asked)
        assert steeped.num_bytes == len(shelf.blobs[first_position, chunk.token_ids])
        assert session.steep(chunk, first_position=asked).num_bytes == 0, "it is there"


def test_what_chunks_are_encoded_behind_is_kept_and_every_prompt_begins_with_the_shorter_one(
    session: Session, shelf: MemoryShelf
) -> None:
    session.steep(chunks_of(session)[0])
    leads = {token_ids for first_position, token_ids in shelf.blobs if first_position == 0}
    assert leads == {session.frame.preamble, session.frame.preamble + session.frame.filler}
    assert len(session.frame.filler) == NUM_FILLER_TOKENS


def test_without_a_filler_there_is_one_state_and_it_is_that_for_the_first_place(
    tiny_model: Path, session: Session
) -> None:
    shelf = MemoryShelf()
    with open_session(tiny_model, shelf, 0) as plain:
        steep_all(plain)
        assert len(shelf.blobs) == 1 + len(TEXTS)
        ((position, facts),) = plain.facts.items()
    (_, filled_facts), (front, front_facts) = session.facts.items()
    assert (position, facts) == (front, front_facts), "switching a filler on steeps nothing of that again"
    assert filled_facts != facts


def test_a_short_window_leaves_little_room_for_a_filler(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "short.gguf", context_length=320)
    with open_session(model, MemoryShelf()) as session:
        assert len(session.frame.filler) == 40


def test_the_first_chunk_is_exact_as_loaded_and_the_others_come_from_behind_the_filler(
    session: Session, shelf: MemoryShelf
) -> None:
    steep_all(session)
    filled, front = session.frame.first_positions
    first, *others = chunks_of(session)
    reused = logits_at(session, ratio=0.0)
    for chunk in others:
        del shelf.blobs[front, chunk.token_ids]
    del shelf.blobs[filled, first.token_ids]
    assert (logits_at(session, ratio=0.0) == reused).all(), "those were not used"
    half = ask(session, ratio=0.5)
    assert half.uses[0].num_recomputed == 0
    assert sum(use.num_recomputed for use in half.uses) > 0


def test_a_chunk_without_the_state_of_its_place_is_computed_and_told_to_be_missing(
    session: Session, shelf: MemoryShelf
) -> None:
    steep_all(session)
    filled, front = session.frame.first_positions
    first, second, third = chunks_of(session)
    del shelf.blobs[front, first.token_ids]
    del shelf.blobs[filled, third.token_ids]
    done = ask(session, ratio=0.5)
    assert [chunk.token_ids for chunk in done.missing] == [first.token_ids, third.token_ids]
    assert [use.num_computed for use in done.uses] == [len(first.token_ids), 0, len(third.token_ids)]
    assert done.uses[1].num_loaded + done.uses[1].num_recomputed == len(second.token_ids)


def test_loader_threads_know_which_one_is_exact(
    session: Session, shelf: MemoryShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    steep_all(session)
    del shelf.blobs[session.frame.first_positions[0], chunks_of(session)[1].token_ids]
    load, asked = Loader.load, list[tuple[bool, bool]]()

    def noted(
        loader: Loader,
        chunks: Sequence[ChunkToPlace],
        sources: Sequence[StateSource | None],
        *rest: Any,
        **options: Any,
    ) -> Loading:
        asked.extend((part.is_exact, source is not None) for part, source in zip(chunks, sources, strict=True))
        return load(loader, chunks, sources, *rest, **options)

    monkeypatch.setattr(Loader, "load", noted)
    ask(session, ratio=0.5)
    assert asked == [(True, True), (False, False), (False, True)]


def test_recomputing_everything_is_exact(session: Session) -> None:
    steep_all(session)
    exact = logits_at(session, mode=Mode.EXACT)
    reused = logits_at(session, ratio=0.0)
    assert np.abs(logits_at(session, ratio=1.0) - exact).max() < 0.01 * np.abs(reused - exact).max()


def test_the_gate_measures_them(tiny_model: Path) -> None:
    questions = (GateQuestion("Who sleeps?", TEXTS), GateQuestion("Which piers?", TEXTS[::-1]))
    options = SessionOptions(tiny_model, "test", CELLS, num_filler_tokens=NUM_FILLER_TOKENS)
    with Runtime(options, MemoryShelf().opened) as runtime:
        done = list(runtime.gate(GateRequest(questions, ratios=(0.0, 1.0))))[-1]
    with Runtime(SessionOptions(tiny_model, "test", CELLS), MemoryShelf().opened) as runtime:
        plain = list(runtime.gate(GateRequest(questions, ratios=(0.0, 1.0))))[-1]
    assert isinstance(done, GateDone)
    assert isinstance(plain, GateDone)
    assert done.tried[1].kl < 1e-4
    assert done.tried[0].kl != plain.tried[0].kl


@pytest.mark.model
def test_they_come_closer_to_a_full_prefill(starter_model: Path) -> None:
    def deviation(num_filler_tokens: int) -> float:
        with open_session(starter_model, MemoryShelf(), num_filler_tokens) as session:
            steep_all(session)
            exact = logits_at(session, mode=Mode.EXACT)
            return float(np.abs(logits_at(session, ratio=0.0) - exact).mean())

    assert deviation(128) < deviation(0)
