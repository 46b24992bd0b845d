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
    for chunk in chunks_of(session):
        session.steep(chunk)


def ask(session: Session, **options: object) -> AnswerDone:
    request = AnswerRequest("Who sleeps?", chunks_of(session), **{"max_answer_tokens": 1, **options})
    return session.answer(request, lambda _: None)


def logits_at(session: Session, **options: object) -> FloatArray:
    ask(session, **options)
    return session.context.logits().copy()


def test_a_chunk_gets_a_state_for_the_first_place_and_one_for_the_others(session: Session, shelf: MemoryShelf) -> None:
    plain = len(session.frame.preamble)
    chunk = chunks_of(session)[0]
    steeped = session.steep(chunk)
    assert session.frame.first_positions == (plain + NUM_FILLER_TOKENS, plain)
    starts = [start for start, token_ids in shelf.blobs if token_ids == chunk.token_ids]
    assert sorted(starts) == [plain, plain + NUM_FILLER_TOKENS]
    assert steeped.num_bytes == sum(len(shelf.blobs[start, chunk.token_ids]) for start in starts)
    assert session.steep(chunk).num_bytes == 0, "both are there"


def test_without_a_filler_there_is_one(tiny_model: Path, shelf: MemoryShelf) -> None:
    with open_session(tiny_model, shelf, 0) as session:
        facts = session.facts
        steep_all(session)
        assert len(shelf.blobs) == 1 + len(TEXTS)
    with open_session(tiny_model, MemoryShelf()) as filled:
        assert filled.facts != facts, "states of the one are none of the other's"


def test_the_first_chunk_is_exact_as_loaded_and_the_others_come_from_behind_the_filler(
    session: Session, shelf: MemoryShelf
) -> None:
    steep_all(session)
    plain, filled = len(session.frame.preamble), session.frame.first_positions[0]
    first, *others = chunks_of(session)
    reused = logits_at(session, ratio=0.0)
    for chunk in others:
        del shelf.blobs[plain, chunk.token_ids]
    del shelf.blobs[filled, first.token_ids]
    assert (logits_at(session, ratio=0.0) == reused).all(), "those were not used"
    half = ask(session, ratio=0.5)
    assert half.uses[0].num_recomputed == 0
    assert sum(use.num_recomputed for use in half.uses) > 0


@pytest.mark.parametrize("gone", [0, 1], ids=["behind the filler", "behind the preamble"])
def test_one_state_serves_for_the_other(session: Session, shelf: MemoryShelf, gone: int) -> None:
    steep_all(session)
    for chunk in chunks_of(session):
        del shelf.blobs[session.frame.first_positions[gone], chunk.token_ids]
    done = ask(session, ratio=0.5)
    assert not done.missing
    assert all(use.num_loaded + use.num_recomputed == use.num_tokens for use in done.uses)


def test_loader_threads_read_whichever_there_is(
    session: Session, shelf: MemoryShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    steep_all(session)
    plain, filled = len(session.frame.preamble), session.frame.first_positions[0]
    del shelf.blobs[filled, chunks_of(session)[1].token_ids]
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
    del shelf.blobs[plain, chunks_of(session)[0].token_ids]
    ask(session, ratio=0.5)
    assert asked == [(True, True), (False, True), (False, True), (False, True), (False, True), (False, True)]


def test_a_damaged_state_makes_way_for_the_other(session: Session, shelf: MemoryShelf) -> None:
    steep_all(session)
    key = (session.frame.first_positions[0], chunks_of(session)[1].token_ids)
    shelf.blobs[key] = shelf.blobs[key][:-1]
    done = ask(session, ratio=0.5)
    assert shelf.rejected
    assert not done.missing
    assert done.uses[1].num_computed == 0


@pytest.mark.parametrize("filled_only", [False, True])
def test_recomputing_everything_is_exact(session: Session, shelf: MemoryShelf, *, filled_only: bool) -> None:
    steep_all(session)
    if filled_only:  # then the first chunk is not exact as loaded, and has to be recomputed, too
        del shelf.blobs[len(session.frame.preamble), chunks_of(session)[0].token_ids]
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
