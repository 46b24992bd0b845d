"""Questions whose states come slowly, not at all, or broken, over a real session with the tiny model."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from engine.errors import Cancelled
from engine.load_plan import ChunkToPlace, LoadPlan
from engine.model import ContextOptions
from engine.ports import StateReading
from engine.requests import AnswerDone, AnswerRequest, ContextChunk, Loading, Mode
from engine.session import Session, SessionOptions
from storage.values import Lookup, Miss, Pace, Rates
from tests.fakes import MemoryShelf, MemorySource
from tests.waiting import wait_until

NUM_CHUNKS, CHUNK_TOKENS = 4, 60
SLOW_READING = Rates(0.001, 0.0, 1.0, 1e12)
"""Computing is always sooner."""


@dataclass(frozen=True)
class HeldUp:
    """A source that waits at a gate, or finds nothing behind it."""

    source: MemorySource
    gate: threading.Event
    miss: bool = False

    @property
    def num_bytes(self) -> int:
        return self.source.num_bytes

    def open(self, memory: memoryview) -> "HeldUpReading":
        return HeldUpReading(self, self.source.open(memory))

    def warm(self) -> None:
        """It is in memory."""


@dataclass(frozen=True)
class HeldUpReading:
    held_up: HeldUp
    reading: StateReading
    num_pieces: int = 1

    def read(self, piece: int, pace: Pace) -> Lookup | None:
        while not self.held_up.gate.wait(0.005):
            pace(0)
        if self.held_up.miss:
            return Miss(None, "it was deleted meanwhile")
        return self.reading.read(piece, pace)

    def close(self) -> None:
        self.reading.close()


class SlowShelf(MemoryShelf):
    """A shelf whose chunk states come when the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.vanishing: set[tuple[int, ...]] = set()

    def find(self, first_position: int, token_ids: tuple[int, ...]) -> HeldUp | None:  # type: ignore[override]
        source = super().find(first_position, token_ids)
        if source and token_ids in self.vanishing:
            del self.blobs[first_position, token_ids]
        return HeldUp(source, self.gate, token_ids in self.vanishing) if source else None


@pytest.fixture
def shelf() -> SlowShelf:
    return SlowShelf()


@pytest.fixture
def session(tiny_model: Path, shelf: SlowShelf) -> Iterator[Session]:
    with Session(SessionOptions(tiny_model, "test", ContextOptions(1024, 128)), shelf.opened) as session:
        for chunk in chunks():
            session.steep(chunk)
        yield session


def chunks() -> tuple[ContextChunk, ...]:
    return tuple(
        ContextChunk(i, tuple(40 + (7 * i + 3 * j) % 200 for j in range(CHUNK_TOKENS))) for i in range(NUM_CHUNKS)
    )


def request(**options: object) -> AnswerRequest:
    return AnswerRequest("what is it?", chunks(), **{"max_answer_tokens": 2, **options})


def ask(session: Session, **options: object) -> AnswerDone:
    return session.answer(request(**options), lambda _: None)


def is_nothing_loading() -> bool:
    return not any(thread.name.startswith("steep-loader") for thread in threading.enumerate())


def test_what_is_read_in_time_is_loaded(session: Session, shelf: SlowShelf) -> None:
    shelf.gate.set()
    done = ask(session)
    assert [use.num_computed for use in done.uses] == [0] * NUM_CHUNKS
    wait_until(is_nothing_loading)


def test_what_would_come_too_late_is_computed_and_stays_steeped(session: Session, shelf: SlowShelf) -> None:
    session._speeds.__init__(SLOW_READING)  # type: ignore[misc]
    done = ask(session)
    assert [use.num_computed for use in done.uses] == [CHUNK_TOKENS] * NUM_CHUNKS
    assert done.missing == ()
    assert done.num_loaded_bytes == len(shelf.blobs[0, session.frame.preamble])
    wait_until(is_nothing_loading)


def test_computed_in_place_of_loaded_it_is_what_a_prefill_gives(session: Session, shelf: SlowShelf) -> None:
    session._speeds.__init__(SLOW_READING)  # type: ignore[misc]
    computed = ask(session, max_answer_tokens=12)
    assert computed.text == ask(session, mode=Mode.EXACT, max_answer_tokens=12).text


def test_told_to_load_everything_it_waits(session: Session, shelf: SlowShelf) -> None:
    session._speeds.__init__(SLOW_READING)  # type: ignore[misc]
    threading.Timer(0.2, shelf.gate.set).start()
    done = ask(session, loading=Loading.ALL)
    assert [use.num_computed for use in done.uses] == [0] * NUM_CHUNKS
    assert done.times.load_ms > 150


def test_a_state_that_vanishes_between_plan_and_load_costs_one_computation(session: Session, shelf: SlowShelf) -> None:
    shelf.gate.set()
    gone = chunks()[2]
    shelf.vanishing = {gone.token_ids}
    done = ask(session)
    assert [use.num_computed for use in done.uses] == [0, 0, CHUNK_TOKENS, 0]
    assert [chunk.chunk_id for chunk in done.missing] == [gone.chunk_id]


def test_the_ratio_is_of_what_was_not_computed(session: Session, shelf: SlowShelf) -> None:
    shelf.gate.set()
    del shelf.blobs[len(session.frame.preamble), chunks()[1].token_ids]
    done = ask(session, ratio=0.1)
    assert sum(use.num_recomputed for use in done.uses) == round(0.1 * NUM_CHUNKS * CHUNK_TOKENS)


def test_the_ratio_is_not_of_what_was_computed_by_choice(
    session: Session, shelf: SlowShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_only(left: Sequence[ChunkToPlace], *_: object, **__: object) -> LoadPlan:
        return LoadPlan(int(len(left) == NUM_CHUNKS), 0.0)

    monkeypatch.setattr("engine.schedule.plan", first_only)
    threading.Timer(0.1, shelf.gate.set).start()
    done = ask(session, ratio=0.1)
    assert [use.num_computed for use in done.uses] == [CHUNK_TOKENS, 0, 0, 0]
    assert sum(use.num_recomputed for use in done.uses) == round(0.1 * (NUM_CHUNKS - 1) * CHUNK_TOKENS)


def test_cancelled_while_loading_it_stops_at_once_and_goes_on_afterwards(session: Session, shelf: SlowShelf) -> None:
    cancelled_at: list[float] = []

    def cancel() -> None:
        cancelled_at.append(time.monotonic())
        session.cancel()

    threading.Timer(0.1, cancel).start()
    with pytest.raises(Cancelled):
        ask(session, loading=Loading.ALL)
    assert time.monotonic() - cancelled_at[0] < 1  # a fifth of it on a machine that is not busy
    wait_until(is_nothing_loading)
    session.allow()
    shelf.gate.set()
    assert ask(session).num_answer_tokens > 0


def test_rates_are_kept_for_the_device(session: Session, shelf: SlowShelf) -> None:
    shelf.gate.set()
    ask(session, mode=Mode.EXACT)
    (device,) = shelf.noted_rates
    assert device.startswith("CPU") or "layers" in device
    assert replace(shelf.noted_rates[device], read_bytes_per_s=1.0).prefill_ms_per_token > 0


def test_an_answer_is_worth_more_than_the_rates_that_a_full_disk_does_not_take(
    session: Session, shelf: SlowShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(device: str, rates: Rates) -> None:
        raise OSError("no space left on device")

    shelf.gate.set()
    monkeypatch.setattr(shelf, "note_rates", full)
    assert ask(session, mode=Mode.EXACT).num_answer_tokens > 0
