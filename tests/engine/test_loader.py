"""Loader threads, over states in memory whose reading the tests can hold up."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from engine.buffers import BufferPool
from engine.errors import Cancelled
from engine.kv_layout import KvLayout, RowLayout
from engine.load_plan import ChunkToPlace, Work
from engine.loader import Loader, Loading
from engine.rates import Speeds
from storage.values import Allocate, ChunkState, Lookup, Miss, Pace, Rates, StateKey
from tests.engine.test_kv_layout import blob_of
from tests.waiting import wait_until

LAYOUT = KvLayout((RowLayout(1, 8),), (RowLayout(1, 8),))
NUM_TOKENS = 4
KEY = StateKey("0" * 32, "0" * 40)
FAST, SLOW = Rates(100.0, 0.0, 1e9, 1e12), Rates(0.001, 0.0, 1.0, 1e12)
"""Reading is sooner than computing, and the other way round."""


@dataclass
class Source:
    """One state; `gate` is passed before each of two pieces."""

    number: int
    gate: threading.Event | None = None
    result: Lookup | BaseException | None = None
    num_pieces: int = 0
    buffers: list[memoryview] = field(default_factory=list)

    @property
    def num_bytes(self) -> int:
        return len(blob_of(LAYOUT, 10, NUM_TOKENS))

    def read(self, allocate: Allocate, pace: Pace) -> Lookup:
        blob = blob_of(LAYOUT, 10, NUM_TOKENS)
        memory = memoryview(allocate(len(blob)))
        self.buffers.append(memory)
        for _ in range(2):
            if self.gate:
                self.gate.wait()
            self.num_pieces += 1
            pace(len(blob) // 2)
        if isinstance(self.result, BaseException):
            raise self.result
        if self.result is not None:
            return self.result
        memory[: len(blob)] = blob
        return ChunkState(KEY, tuple(range(NUM_TOKENS)), memory[: len(blob)], 10)

    def warm(self) -> None:
        """It is in memory."""


@pytest.fixture
def load() -> Iterator[Callable[..., Loading]]:
    """Begins a load, and ends it after the test."""
    loader = Loader(LAYOUT, Speeds(), 2, None)
    loadings: list[Loading] = []

    def begin(
        sources: list[Source | None],
        *,
        rates: Rates = FAST,
        may_choose: bool = True,
        check_cancelled: Callable[[], None] = lambda: None,
    ) -> Loading:
        loader.speeds = Speeds(rates)
        parts = [
            ChunkToPlace(NUM_TOKENS * i, NUM_TOKENS, source.num_bytes if source else None)
            for i, source in enumerate(sources)
        ]
        loadings.append(loader.load(parts, sources, Work(0.0), check_cancelled, may_choose=may_choose))
        return loadings[-1]

    yield begin
    for loading in loadings:
        loading.close()
    loader.close()


def no_threads_left() -> bool:
    return not any(thread.name.startswith("steep-loader") for thread in threading.enumerate())


def placed(loading: Loading, number: int) -> list[ChunkState | None]:
    states: list[ChunkState | None] = []
    for _ in range(number):
        states.append(loading.next_state())
        loading.placed()
    return states


def test_states_come_in_prompt_order_with_their_bytes(load: Callable[..., Loading]) -> None:
    states = []
    loading = load([Source(i) for i in range(5)])
    for _ in range(5):
        state = loading.next_state()
        assert state is not None
        states.append(bytes(state.blob))
        loading.placed()
    assert states == [blob_of(LAYOUT, 10, NUM_TOKENS)] * 5
    wait_until(no_threads_left)


def test_a_chunk_without_a_state_is_computed_and_was_not_chosen(load: Callable[..., Loading]) -> None:
    loading = load([Source(0), None, Source(2)])
    assert loading.next_state() is not None
    loading.placed()
    assert loading.next_state() is None
    assert not loading.was_chosen
    loading.placed()
    assert loading.next_state() is not None
    assert loading.num_chosen_tokens == 0


def test_what_is_slow_to_read_is_computed_and_its_reading_broken_off(load: Callable[..., Loading]) -> None:
    gate = threading.Event()
    sources = [Source(i, gate) for i in range(3)]
    loading = load(list(sources), rates=SLOW)
    for _ in range(3):
        assert loading.next_state() is None
        assert loading.was_chosen
        loading.placed()
    assert loading.num_chosen_tokens == 3 * NUM_TOKENS
    gate.set()
    wait_until(no_threads_left)
    assert all(source.num_pieces <= 1 for source in sources)


def test_without_a_choice_it_waits(load: Callable[..., Loading]) -> None:
    gate = threading.Event()
    loading = load([Source(0, gate)], rates=SLOW, may_choose=False)
    threading.Timer(0.1, gate.set).start()
    assert loading.next_state() is not None


@pytest.mark.parametrize(
    "result",
    [
        Miss(KEY, "there is no file"),
        Miss(KEY, "checksum", damaged=True),
        ChunkState(KEY, (1, 2, 3, 4), b"not a state", 10),
        ChunkState(KEY, (1, 2, 3, 4), blob_of(LAYOUT, 11, NUM_TOKENS), 10),
    ],
    ids=["gone", "damaged", "no state", "other positions"],
)
def test_a_bad_state_costs_one_computation(load: Callable[..., Loading], result: Lookup) -> None:
    loading = load([Source(0), Source(1, result=result), Source(2)])
    states = placed(loading, 3)
    assert [state is None for state in states] == [False, True, False]


def test_a_reader_that_breaks_leaves_everything_to_be_computed(load: Callable[..., Loading]) -> None:
    loading = load([Source(i, result=RuntimeError("a bug")) for i in range(3)])
    assert placed(loading, 3) == [None, None, None]


def test_cancelled_while_waiting_it_stops_within_a_moment(load: Callable[..., Loading]) -> None:
    gate, cancelled = threading.Event(), threading.Event()

    def check() -> None:
        if cancelled.is_set():
            raise Cancelled("stopped on request")

    loading = load([Source(0, gate)], may_choose=False, check_cancelled=check)
    threading.Timer(0.05, cancelled.set).start()
    with pytest.raises(Cancelled):
        loading.next_state()
    began = time.monotonic()
    loading.close()
    assert time.monotonic() - began < 1
    gate.set()
    wait_until(no_threads_left)


def test_ended_early_its_buffers_go_back(load: Callable[..., Loading]) -> None:
    loading = load([Source(i) for i in range(4)])
    loading.next_state()
    loading.close()
    wait_until(no_threads_left)
    pool = loading._loader.buffers
    assert 1 <= len(pool._idle) <= 4


def test_the_next_load_reads_into_the_same_memory(load: Callable[..., Loading]) -> None:
    first, second = Source(0), Source(0)
    placed(load([first]), 1)
    placed(load([second]), 1)
    assert first.buffers[0].obj is second.buffers[0].obj


def test_what_was_read_is_a_measurement(load: Callable[..., Loading], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.rates._MIN_SEEN_BYTES", 1)
    loading = load([Source(i) for i in range(4)])
    before = loading._loader.speeds.reading.bytes_per_s
    placed(loading, 4)
    loading.close()
    assert loading._loader.speeds.reading.bytes_per_s != before


def test_buffers_are_used_for_what_is_not_much_smaller() -> None:
    with BufferPool(None) as pool:
        large = pool.take(1000)
        pool.give_back(large)
        assert pool.take(400) is not large
        assert pool.take(600) is large


def test_too_much_idle_memory_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.buffers._MOST_IDLE_BYTES", 1500)
    with BufferPool(None) as pool:
        buffers = [pool.take(1000) for _ in range(3)]
        for buffer in buffers:
            pool.give_back(buffer)
        assert pool._idle == [buffers[-1]]
