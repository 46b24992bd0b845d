"""What is steeped in the background, and what is left out of it; the runtime is a stand-in that encodes at once."""

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.locations import Locations
from app.settings import Settings
from app.steeper import ChunkSteeped, Steeper, SteeperEvent, SteepingTrouble
from app.wiring import Engine
from engine.errors import Cancelled, DecodeFailed
from engine.requests import Steeped, SteepRequest
from storage.content_key import fingerprint, state_key
from storage.errors import StoreUnusable
from storage.index import Index
from tests.waiting import wait_until

FINGERPRINT, OF_FRONT = fingerprint({"model": "m"}), fingerprint({"model": "m", "preamble": (1,)})
LONGEST_CHUNK = 5


class Job:
    """Ends at once, or fails, or waits until it is cancelled."""

    def __init__(self, events: Iterable[Steeped] = (), failure: Exception | None = None, waits: bool = False) -> None:
        self._events, self._failure, self._waits = events, failure, waits
        self._cancelled = threading.Event()

    def __iter__(self) -> Iterator[Steeped]:
        yield from self._events
        if self._failure:
            raise self._failure
        if self._waits:
            self._cancelled.wait(30)
            raise Cancelled("stopped")

    def cancel(self) -> None:
        self._cancelled.set()


class InstantRuntime:
    """Records a state for each chunk, in the index that the steeper looks at."""

    def __init__(self, index_file: Path) -> None:
        self._index_file = index_file
        self.fingerprints = {3: FINGERPRINT}
        self.requests: list[list[int]] = []
        self.first_positions: list[int | None] = []
        self.failures: list[Exception] = []
        self.waits = False
        self.num_bytes = 1
        """Of each state."""

    def steep(self, request: SteepRequest) -> Job:
        self.requests.append([chunk.chunk_id for chunk in request.chunks])
        self.first_positions.append(request.first_position)
        if self.failures:
            return Job(failure=self.failures.pop())
        if self.waits:
            return Job(waits=True)
        with Index(self._index_file) as index:
            for chunk in request.chunks:
                first = request.first_position or 3
                key, num_tokens = state_key(self.fingerprints[first], first, (chunk.chunk_id,)), len(chunk.token_ids)
                index.record_state(key, "chunk", num_tokens, self.num_bytes, [chunk.chunk_id])
        return Job(Steeped(chunk.chunk_id, len(chunk.token_ids), 1) for chunk in request.chunks)


class Told:
    """The events, and a way to wait for them."""

    def __init__(self) -> None:
        self.events: list[SteeperEvent] = []
        self._changed = threading.Condition()

    def __call__(self, event: SteeperEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait_for(self, number: int) -> list[SteeperEvent]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.events) >= number, 30), self.events
            return self.events


@pytest.fixture
def runtime(locations: Locations, index: Index) -> InstantRuntime:
    return InstantRuntime(locations.index_file)


@pytest.fixture
def engine(runtime: InstantRuntime) -> Engine:
    frame = SimpleNamespace(chunk=lambda text: tuple(range(len(text.split()))))
    ready: Any = SimpleNamespace(frame=frame, blendability=SimpleNamespace(possible=True))
    stand_in: Any = runtime
    return Engine(stand_in, ready, Path("m.gguf"), runtime.fingerprints, 100, LONGEST_CHUNK)


def test_all_chunks_that_fit_are_steeped_and_those_too_long_hold_nobody_up(
    put_texts: Callable[..., None], locations: Locations, index: Index, engine: Engine, runtime: InstantRuntime
):
    put_texts("a.txt", "a goat", "a text that is much too long for this model", "a ferry")
    told = Told()
    with Steeper(locations, Settings(), engine, told) as steeper:
        assert {event.num_tokens for event in told.wait_for(2) if isinstance(event, ChunkSteeped)} == {2}
        put_texts("b.txt", "a boat")
        steeper.wake()
        told.wait_for(3)
    assert [stored.chunk.text[:10] for stored in index.chunks_without_state(FINGERPRINT)] == ["a text tha"]
    assert sum(len(request) for request in runtime.requests) == 3


def test_what_is_for_the_first_place_comes_when_every_chunk_has_a_state_for_any(
    put_texts: Callable[..., None], locations: Locations, index: Index, engine: Engine, runtime: InstantRuntime
):
    runtime.fingerprints[1] = OF_FRONT
    put_texts("a.txt", *(f"goat {number}" for number in range(6)))
    told = Told()
    with Steeper(locations, Settings(), engine, told) as steeper:
        told.wait_for(12)
        num_requests = len(runtime.first_positions)
        assert runtime.first_positions == sorted(runtime.first_positions, reverse=True)
        assert set(runtime.first_positions) == {3, 1}
        put_texts("b.txt", "a boat")
        steeper.wake()
        told.wait_for(14)
    assert sorted(runtime.first_positions[num_requests:]) == [1, 3], "in which order, when it came decides"
    assert index.backlog(FINGERPRINT, OF_FRONT).num_chunks == 0


def test_what_is_for_the_first_place_waits_until_there_is_time(
    put_texts: Callable[..., None],
    locations: Locations,
    engine: Engine,
    runtime: InstantRuntime,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("app.steeper._RETRY_SECONDS", 0.01)
    runtime.fingerprints[1] = OF_FRONT
    put_texts("a.txt", "a goat")
    has_time, asked = threading.Event(), list[None]()

    def may_dawdle() -> bool:
        asked.append(None)
        return has_time.is_set()

    told = Told()
    with Steeper(locations, Settings(), engine, told, may_dawdle):
        wait_until(lambda: len(asked) > 9)
        assert runtime.first_positions == [3]
        has_time.set()
        told.wait_for(2)
    assert runtime.first_positions == [3, 1]


def test_no_room_for_what_is_for_the_first_place_is_nothing_to_be_told_of(
    put_texts: Callable[..., None], locations: Locations, index: Index, engine: Engine, runtime: InstantRuntime
):
    runtime.fingerprints[1], runtime.num_bytes = OF_FRONT, 400_000
    put_texts("a.txt", "a goat", "a boat")
    told = Told()
    with Steeper(locations, Settings(budget_gb=0.001), engine, told) as steeper:
        assert {type(event) for event in told.wait_for(2)} == {ChunkSteeped}
        wait_until(lambda: steeper.is_full)
        put_texts("b.txt", "a ferry")
        steeper.wake()
        notice = told.wait_for(3)[2]
    assert isinstance(notice, SteepingTrouble), "of the third chunk, which has no state at all"
    assert "1 chunk" in notice.reason


def test_what_cannot_be_encoded_is_told_once_and_left_out(
    put_texts: Callable[..., None], locations: Locations, engine: Engine, runtime: InstantRuntime
):
    put_texts("a.txt", "a goat")
    runtime.failures.append(DecodeFailed("refused"))
    told = Told()
    with Steeper(locations, Settings(), engine, told) as steeper:
        assert told.wait_for(1) == [SteepingTrouble("refused")]
        put_texts("b.txt", "a boat")
        steeper.wake()
        assert isinstance(told.wait_for(2)[1], ChunkSteeped)
    assert len(runtime.requests) == 2


def test_a_disk_that_is_full_is_told_and_tried_again(
    put_texts: Callable[..., None],
    locations: Locations,
    engine: Engine,
    runtime: InstantRuntime,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("app.steeper._RETRY_SECONDS", 0.01)
    put_texts("a.txt", "a goat")
    runtime.failures.append(StoreUnusable("the disk is full"))
    told = Told()
    with Steeper(locations, Settings(), engine, told):
        first, second = told.wait_for(2)
    assert (first, isinstance(second, ChunkSteeped)) == (SteepingTrouble("the disk is full"), True)


def test_a_full_budget_is_told_once_and_steeping_goes_on_when_there_is_room(
    put_texts: Callable[..., None], locations: Locations, index: Index, engine: Engine, runtime: InstantRuntime
):
    runtime.num_bytes = 400_000
    for name in ("a", "b", "c", "d"):
        put_texts(f"{name}.txt", f"a {name}")
    told = Told()
    with Steeper(locations, Settings(budget_gb=0.001), engine, told) as steeper:
        first, second, notice = told.wait_for(3)
        assert isinstance(first, ChunkSteeped)
        assert isinstance(second, ChunkSteeped)
        assert isinstance(notice, SteepingTrouble)
        assert "The budget of 1 MB is full" in notice.reason
        assert "2 chunks" in notice.reason
        steeper.wake()
        wait_until(lambda: not steeper._awake.is_set())
        index.forget_state(index.state_keys()[0])
        steeper.wake()
        assert isinstance(told.wait_for(4)[3], ChunkSteeped), "and nothing else was told meanwhile"
        assert "2 chunks" in [event for event in told.wait_for(5) if isinstance(event, SteepingTrouble)][1].reason
    assert len(index.state_keys()) == 2


def test_a_mistake_of_ours_is_raised_where_somebody_looks(
    put_texts: Callable[..., None], locations: Locations, engine: Engine, runtime: InstantRuntime
):
    put_texts("a.txt", "a goat")
    runtime.failures.append(ZeroDivisionError("ours"))

    def look() -> bool:
        steeper.check()
        return False

    with Steeper(locations, Settings(), engine, Told()) as steeper, pytest.raises(ZeroDivisionError, match="ours"):
        wait_until(look)


def test_closing_cancels_what_runs(
    put_texts: Callable[..., None], locations: Locations, engine: Engine, runtime: InstantRuntime
):
    put_texts("a.txt", "a goat")
    runtime.waits = True
    steeper = Steeper(locations, Settings(), engine, Told())
    wait_until(lambda: runtime.requests)
    steeper.close()
    steeper.close()
