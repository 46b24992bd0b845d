"""The throttle reads at its rate, however many threads there are, and lets go of who is not wanted any more."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import pytest

from app.bench.throttle import Bucket, ThrottledReading, ThrottledShelf, ThrottledSource
from engine.ports import StateSource
from storage.values import ChunkState, Miss, Rates
from tests.fakes import MemoryShelf

PIECE = 4 << 20
TOLERANCE = 0.03


class Clock:
    """Time that passes when somebody sleeps, a little longer than they wanted; or when a test says so."""

    def __init__(self, oversleep: float = 0.0) -> None:
        self.now, self.oversleep, self.sleeps = 100.0, oversleep, list[float]()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds + self.oversleep


@pytest.mark.parametrize("gbit", [7, 25, 32, 56, 100])
@pytest.mark.parametrize("oversleep", [0.0, 0.0001])
def test_fifty_megabytes_take_as_long_as_the_rate_says(gbit: float, oversleep: float):
    clock = Clock(oversleep)
    bucket = Bucket(clock, clock.sleep)
    bucket.limit(gbit * 1e9 / 8)
    began, num_bytes = clock.now, 0
    with bucket.reading():
        while num_bytes < 50e6:
            clock.now += 0.0002  # a piece is read, faster than the rate
            bucket.take(PIECE)
            num_bytes += PIECE
    assert clock.now - began == pytest.approx(num_bytes / (gbit * 1e9 / 8), rel=TOLERANCE)


def test_several_readers_share_the_rate():
    clock = Clock()
    bucket = Bucket(clock, clock.sleep)
    bucket.limit(1e9)
    with bucket.reading(), bucket.reading(), bucket.reading():
        for _ in range(30):
            bucket.take(PIECE)
    assert clock.now - 100 == pytest.approx(30 * PIECE / 1e9)


def test_threads_together_read_at_the_rate():
    bucket = Bucket()
    bucket.limit(500e6)

    def read() -> None:
        with bucket.reading():
            for _ in range(4):
                bucket.take(PIECE)

    threads = [threading.Thread(target=read) for _ in range(4)]
    began = perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert perf_counter() - began >= 16 * PIECE / 500e6


def test_what_was_not_read_while_nobody_reads_is_not_saved_up():
    clock = Clock()
    bucket = Bucket(clock, clock.sleep)
    bucket.limit(1e9)
    with bucket.reading():
        bucket.take(PIECE)
    clock.now += 60
    began = clock.now
    with bucket.reading():
        bucket.take(50_000_000)
    assert clock.now - began == pytest.approx(0.05)


def test_checking_a_file_before_the_next_one_does_not_slow_the_line():
    clock = Clock()
    bucket = Bucket(clock, clock.sleep)
    bucket.limit(1e9)
    for _ in range(20):
        with bucket.reading():
            bucket.take(PIECE)
            clock.now += 0.002  # its checksum
        clock.now += 0.001
    assert clock.now - 100 == pytest.approx(20 * PIECE / 1e9, rel=TOLERANCE + 0.01)


def test_waiting_is_done_in_short_sleeps_and_ends_when_the_reader_is_not_wanted():
    clock = Clock()
    bucket = Bucket(clock, clock.sleep)
    bucket.limit(1e6)

    def check() -> None:
        if clock.now > 100.1:
            raise InterruptedError

    with bucket.reading(), pytest.raises(InterruptedError):
        bucket.take(PIECE, check)
    assert max(clock.sleeps) <= 0.01
    assert clock.now < 100.12, "it would have been 4 seconds"


def test_without_a_rate_nobody_waits():
    clock = Clock()
    bucket = Bucket(clock, clock.sleep)
    with bucket.reading():
        bucket.take(1 << 40)
    assert clock.sleeps == []


@dataclass
class PieceSource:
    """10 MiB in two pieces, which come bit by bit; it is hashed in between."""

    num_bytes: int = 10 << 20
    num_pieces: int = 2
    is_open: bool = False

    def open(self, memory: memoryview) -> "PieceSource":
        assert len(memory) >= self.num_bytes
        self.is_open = True
        return self

    def read(self, piece: int, pace: Callable[[int], None]) -> Miss | None:
        for _ in range(5):
            pace(1 << 20)
            pace(0)
        return Miss(None, "it is none") if piece == 1 else None

    def close(self) -> None:
        self.is_open = False

    def warm(self) -> None:
        raise AssertionError("nobody asked")


def opened(source: StateSource, bucket: Bucket) -> ThrottledReading:
    reading = ThrottledSource(source, bucket).open(memoryview(bytearray(source.num_bytes)))
    assert isinstance(reading, ThrottledReading)
    return reading


def test_a_source_waits_for_each_piece_and_tells_the_engine_of_it():
    clock, source = Clock(), PieceSource()
    bucket = Bucket(clock, clock.sleep)
    bucket.limit(1e9)
    told: list[int] = []
    reading = opened(source, bucket)
    assert reading.num_pieces == 2
    assert [reading.read(0, told.append), reading.read(1, told.append)] == [None, Miss(None, "it is none")]
    reading.close()
    assert not source.is_open
    assert [num for num in told if num] == [1 << 20] * 10
    assert clock.now - 100 == pytest.approx((10 << 20) / 1e9)


def test_the_line_is_busy_until_a_state_is_closed_and_rests_afterwards():
    clock = Clock()
    bucket = Bucket(clock, clock.sleep)
    bucket.limit(1e9)
    first = opened(PieceSource(), bucket)
    first.read(0, lambda _: None)
    clock.now += 0.004  # the line goes on meanwhile
    first.read(1, lambda _: None)
    assert clock.now - 100 == pytest.approx((10 << 20) / 1e9)
    first.close()
    clock.now += 60
    opened(PieceSource(), bucket).read(0, lambda _: None)
    assert clock.now - 160 == pytest.approx((15 << 20) / 1e9)


def test_hashing_waits_for_no_byte_of_another_thread():
    clock = Clock()
    bucket = Bucket(clock, clock.sleep)
    bucket.limit(1e3)

    class Hashing(PieceSource):
        def read(self, piece: int, pace: Callable[[int], None]) -> Miss | None:
            pace(0)
            return None

    reading = opened(Hashing(), bucket)
    bucket._due(1 << 20)  # another thread waits for it
    reading.read(0, lambda _: None)
    assert clock.sleeps == []


def test_a_source_without_a_file_keeps_no_line_busy():
    class Gone(PieceSource):
        def open(self, memory: memoryview) -> Miss:  # type: ignore[override]
            return Miss(None, "it is gone")

    bucket = Bucket()
    assert ThrottledSource(Gone(), bucket).open(memoryview(bytearray(1))) == Miss(None, "it is gone")  # type: ignore[arg-type]
    assert bucket._num_readers == 0


def test_a_throttled_shelf_keeps_no_rates_and_serves_the_states_of_the_shelf():
    clock = Clock()
    bucket = Bucket(clock, clock.sleep)
    bucket.limit(1e3)
    inner = MemoryShelf()
    inner.put(3, (1, 2), bytearray(b"x" * 500), 1)
    shelf = ThrottledShelf(inner, bucket)
    shelf.note_rates("cpu", Rates(1.0, 0.0, 1e3, 1e9))
    assert inner.rates("cpu") is None
    source = shelf.find(3, (1, 2))
    assert source is not None
    assert source.num_bytes == 500
    reading = source.open(memoryview(bytearray(500)))
    assert isinstance(reading, ThrottledReading)
    state = reading.read(0, lambda _: None)
    reading.close()
    assert isinstance(state, ChunkState)
    assert bytes(state.blob) == b"x" * 500
    assert clock.now - 100 == pytest.approx(0.5)
    assert isinstance(shelf.get(3, (1, 2)), ChunkState)
    assert clock.now - 100 == pytest.approx(1.0)
    assert shelf.find(3, (9,)) is None
