"""Loader threads, over states in memory whose reading the tests can hold up."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.buffers import BufferPool, pageable
from engine.errors import Cancelled
from engine.kv_layout import KvLayout, RowLayout
from engine.load_plan import ChunkToPlace, LoadPlan, Work
from engine.loader import Loader, Loading
from engine.rates import Speeds
from storage import chunk_file
from storage.content_key import state_key
from storage.state_file import StateFile
from storage.values import ChunkState, Lookup, Miss, Pace, Rates, StateKey
from tests.engine.test_kv_layout import blob_of
from tests.waiting import wait_until

LAYOUT = KvLayout((RowLayout(1, 8),), (RowLayout(1, 8),))
NUM_TOKENS = 4
KEY = StateKey("0" * 32, "0" * 40)
FAST, SLOW = Rates(100.0, 0.0, 1e9, 1e12), Rates(0.001, 0.0, 1.0, 1e12)
"""Reading is sooner than computing, and the other way round."""


@dataclass
class Source:
    """One state, and its own reading; `gate` is passed before each of its pieces."""

    number: int
    gate: threading.Event | None = None
    result: Lookup | BaseException | None = None
    """When all pieces are read, unless it is the state."""
    num_pieces: int = 2
    bad_piece: int | None = None
    """Whoever reads it finds that the state is no good."""
    seconds: float = 0.0
    """What a piece takes."""
    begun: list[int] = field(default_factory=list)
    num_read: int = 0
    """Pieces."""
    memory: memoryview | None = None
    num_readers: int = 0
    num_closed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def num_bytes(self) -> int:
        return len(blob_of(LAYOUT, 10, NUM_TOKENS))

    def open(self, memory: memoryview) -> "Source":
        assert memory.nbytes >= self.num_bytes
        self.memory = memory
        return self

    def read(self, piece: int, pace: Pace) -> Lookup | None:
        with self.lock:
            self.begun.append(piece)
            self.num_readers += 1
        try:
            if self.gate:
                self.gate.wait()
            time.sleep(self.seconds)
            if piece == self.bad_piece:
                return Miss(KEY, "cut short", damaged=True)
            pace(self.num_bytes // self.num_pieces)
            with self.lock:
                self.num_read += 1
                is_complete = self.num_read == self.num_pieces
            return self._answer() if is_complete else None
        finally:
            with self.lock:
                self.num_readers -= 1

    def _answer(self) -> Lookup:
        if isinstance(self.result, BaseException):
            raise self.result
        if self.result is not None:
            return self.result
        assert self.memory is not None
        blob = blob_of(LAYOUT, 10, NUM_TOKENS)
        self.memory[: len(blob)] = blob
        return ChunkState(KEY, tuple(range(NUM_TOKENS)), self.memory[: len(blob)], 10)

    def close(self) -> None:
        assert not self.num_readers, "somebody reads"
        self.num_closed += 1

    def warm(self) -> None:
        """It is in memory."""


@pytest.fixture(autouse=True)
def threads_for_small_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.loader._BYTES_WORTH_A_THREAD", 1)


@pytest.fixture
def load() -> Iterator[Callable[..., Loading]]:
    """Begins a load, and ends it after the test."""
    loader = Loader(LAYOUT, Speeds(), 2, pageable)
    loadings: list[Loading] = []

    def begin(
        sources: list[Source | None],
        *,
        rates: Rates = FAST,
        may_choose: bool = True,
        check_cancelled: Callable[[], None] = lambda: None,
        num_threads: int = 2,
    ) -> Loading:
        loader.speeds, loader.num_threads = Speeds(rates), num_threads
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
    assert all(len(source.begun) <= 2 for source in sources), "one piece of each thread"
    assert sum(source.num_read for source in sources) == 0
    assert all(source.num_closed == (source.memory is not None) for source in sources)


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
    assert first.memory is second.memory


def test_what_was_read_is_a_measurement(load: Callable[..., Loading], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.rates._MIN_SEEN_BYTES", 1)
    loading = load([Source(i) for i in range(4)])
    before = loading._loader.speeds.reading.bytes_per_s
    placed(loading, 4)
    loading.close()
    assert loading._loader.speeds.reading.bytes_per_s != before


# --- threads share a state


def test_one_thread_reads_one_state_after_the_other_from_beginning_to_end(
    load: Callable[..., Loading], monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[tuple[int, int]] = []

    class Noted(Source):
        def read(self, piece: int, pace: Pace) -> Lookup | None:
            order.append((self.number, piece))
            return super().read(piece, pace)

    placed(load([Noted(i, num_pieces=3) for i in range(3)], num_threads=1), 3)
    assert order == [(i, piece) for i in range(3) for piece in range(3)]


def test_threads_take_pieces_of_one_state_in_the_order_of_its_file(load: Callable[..., Loading]) -> None:
    gate = threading.Event()
    source = Source(0, gate, num_pieces=5)
    loading = load([source], num_threads=4)
    wait_until(lambda: len(source.begun) == 4)
    assert sorted(source.begun) == [0, 1, 2, 3]
    assert source.num_readers == 4
    gate.set()
    assert loading.next_state() is not None
    assert sorted(source.begun) == [0, 1, 2, 3, 4]
    assert source.num_closed == 1


def test_the_first_state_is_there_before_the_second_is_complete(load: Callable[..., Loading]) -> None:
    both_at_once = threading.Barrier(2, timeout=30)

    class Shared(Source):
        def read(self, piece: int, pace: Pace) -> Lookup | None:
            both_at_once.wait()
            return super().read(piece, pace)

    first, second = Shared(0, num_pieces=4), Source(1, num_pieces=40, seconds=0.02)
    loading = load([first, second])
    assert loading.next_state() is not None
    assert second.num_read < second.num_pieces
    loading.placed()
    assert loading.next_state() is not None
    assert second.num_read == second.num_pieces


def test_a_state_that_is_cut_short_is_computed_and_frees_its_memory_when_its_last_reader_leaves(
    load: Callable[..., Loading],
) -> None:
    gate = threading.Event()

    class HeldUpElsewhere(Source):
        def read(self, piece: int, pace: Pace) -> Lookup | None:
            if piece != self.bad_piece:
                gate.wait()
            return super().read(piece, pace)

    broken, good = HeldUpElsewhere(0, num_pieces=6, bad_piece=1), Source(1)
    loading = load([broken, good], num_threads=3)
    assert loading.next_state() is None
    assert not loading.was_chosen
    assert broken.num_closed == 0, "others are still reading into it"
    loading.placed()
    assert loading.next_state() is not None, "other states are read meanwhile"
    gate.set()
    wait_until(no_threads_left)
    assert broken.num_closed == 1
    assert broken.num_read == 0, "they broke off"
    assert max(broken.begun) <= 2, "nobody took another piece"
    assert [each.view for each in loading._loader.buffers._idle] == [broken.memory]


def test_cancelled_in_the_middle_of_a_state_all_its_memory_comes_back(load: Callable[..., Loading]) -> None:
    gate = threading.Event()
    sources = [Source(i, gate, num_pieces=3) for i in range(2)]
    loading = load(list(sources), num_threads=4)
    wait_until(lambda: sum(source.num_readers for source in sources) == 4)
    loading.close()
    assert sum(source.num_closed for source in sources) == 0
    gate.set()
    wait_until(no_threads_left)
    assert [source.num_closed for source in sources] == [1, 1]
    assert sum(source.num_read for source in sources) == 0
    assert len(loading._loader.buffers._idle) == 2


def test_a_state_that_is_computed_while_nobody_reads_it_frees_its_memory_at_once(
    load: Callable[..., Loading], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread has begun the first state, and is sent to the last."""
    front, back = threading.Event(), threading.Event()
    first, last = Source(0, front), Source(1, back)
    loading = load([first, last], num_threads=1)
    wait_until(lambda: first.num_readers == 1)
    monkeypatch.setattr("engine.schedule.plan", lambda *_, **__: LoadPlan(1, 0.0))
    monkeypatch.setattr("engine.schedule._PLAN_MS", 0.0)
    front.set()
    wait_until(lambda: last.num_readers == 1)
    assert (first.num_read, first.num_closed) == (1, 0)
    assert loading.next_state() is None
    assert loading.was_chosen
    assert first.num_closed == 1
    back.set()


def test_threads_that_have_nothing_to_do_end_when_all_is_read_although_nothing_is_placed(
    load: Callable[..., Loading],
) -> None:
    gate = threading.Event()
    source = Source(0, gate, num_pieces=1)
    load([source], num_threads=3)
    wait_until(lambda: source.num_readers == 1)
    gate.set()
    wait_until(no_threads_left)
    assert source.num_closed == 1


def test_no_more_states_are_open_than_may_be_in_flight(
    load: Callable[..., Loading], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [Source(i, num_pieces=4) for i in range(6)]
    monkeypatch.setattr("engine.loader.MAX_BYTES_IN_FLIGHT", int(2.5 * sources[0].num_bytes))
    loading = load(list(sources), num_threads=4, may_choose=False)
    for num_placed in range(6):
        num_allowed = min(num_placed + 2, 6)
        wait_until(lambda: sum(source.num_closed for source in sources) == num_allowed)  # noqa: B023
        time.sleep(0.02)
        assert sum(source.memory is not None for source in sources) == num_allowed
        assert loading.next_state() is not None
        loading.placed()


def test_many_threads_and_many_states_give_the_bytes_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real files, whose pieces are small; one is damaged."""
    monkeypatch.setattr("storage.chunk_reading.PIECE_BYTES", 512)
    files, blobs = [], []
    for i in range(12):
        token_ids = tuple(range(i, i + NUM_TOKENS))
        blob, key = bytes(blob_of(LAYOUT, 10, NUM_TOKENS)), state_key("5e" * 16, 10, token_ids)
        path = tmp_path / f"{i}.kv"
        chunk_file.write(path, ChunkState(key, token_ids, blob, 10))
        files.append(StateFile(path, key, token_ids, path.stat().st_size))
        blobs.append(blob)
    with files[5].path.open("r+b") as damaged:
        damaged.seek(4096)
        damaged.write(b"damage")
    parts = [ChunkToPlace(NUM_TOKENS * i, NUM_TOKENS, file.num_bytes) for i, file in enumerate(files)]
    with Loader(LAYOUT, Speeds(FAST), 6, pageable) as loader:
        for _ in range(5):
            with loader.load(parts, files, Work(0.0), lambda: None, may_choose=False) as loading:
                found = []
                for _ in files:
                    state = loading.next_state()
                    found.append(None if state is None else (bytes(state.blob), state.token_ids))
                    loading.placed()
            expected = [(blob, file.token_ids) for blob, file in zip(blobs, files, strict=True)]
            assert found == [*expected[:5], None, *expected[6:]]


# --- buffers


def test_buffers_are_used_for_what_is_not_much_smaller() -> None:
    with BufferPool(pageable) as pool:
        large = pool.take(1000)
        pool.give_back(large)
        assert pool.take(400) is not large
        assert pool.take(600) is large


def test_too_much_idle_memory_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.buffers._MOST_IDLE_BYTES", 1500)
    with BufferPool(pageable) as pool:
        buffers = [pool.take(1000) for _ in range(3)]
        for buffer in buffers:
            pool.give_back(buffer)
        assert pool._idle == [buffers[-1]]
