"""Pieces come from many threads and in any order; the state comes once, and only if every byte is right."""

import errno
import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage import chunk_file, chunk_reading
from storage.chunk_format import NUM_TRAILER_BYTES
from storage.chunk_reading import ChunkReading
from storage.errors import ChunkFileInvalid
from storage.values import ChunkState

MakeState = Callable[..., ChunkState]
PIECE_BYTES = 1000


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_reading, "PIECE_BYTES", PIECE_BYTES)


@pytest.fixture
def state(make_state: MakeState) -> ChunkState:
    return make_state(blob=random.Random(1).randbytes(20 * PIECE_BYTES))


@pytest.fixture
def path(tmp_path: Path, state: ChunkState) -> Path:
    path = tmp_path / "state.kv"
    chunk_file.write(path, state)
    return path


@pytest.fixture
def reading(path: Path, state: ChunkState) -> Iterator[ChunkReading]:
    with ChunkReading(path, state.key) as reading:
        yield reading


def ignore(num_bytes: int) -> None:
    """A pace."""


@pytest.mark.parametrize("seed", range(20))
def test_pieces_in_any_order_make_the_state_with_the_last_of_them(
    reading: ChunkReading, state: ChunkState, seed: int
) -> None:
    order = list(range(reading.num_pieces))
    random.Random(seed).shuffle(order)
    found = [reading.read(piece, ignore) for piece in order]
    assert found == [None] * (len(order) - 1) + [state]


def test_a_piece_is_hashed_as_soon_as_all_before_it_are(reading: ChunkReading) -> None:
    told: list[int] = []
    for piece in (1, 0, 2):
        reading.read(piece, told.append)
    assert told == [PIECE_BYTES, PIECE_BYTES, 0, 0, PIECE_BYTES, 0], "0: something was hashed"


@pytest.mark.parametrize("num_last", [1, NUM_TRAILER_BYTES - 1, NUM_TRAILER_BYTES, NUM_TRAILER_BYTES + 1, PIECE_BYTES])
def test_the_checksum_may_lie_in_two_pieces(tmp_path: Path, make_state: MakeState, num_last: int) -> None:
    num_other = 4096 + NUM_TRAILER_BYTES
    state = make_state(blob=random.Random(2).randbytes(9 * PIECE_BYTES + num_last - num_other))
    chunk_file.write(tmp_path / "state.kv", state)
    with ChunkReading(tmp_path / "state.kv", state.key) as reading:
        assert reading.num_pieces == 10
        assert reading.read_all() == state


@pytest.mark.parametrize("has_preadv", [True, False])
def test_threads_that_share_a_state_get_it_once(
    path: Path, state: ChunkState, monkeypatch: pytest.MonkeyPatch, has_preadv: bool
) -> None:
    if not has_preadv:
        monkeypatch.delattr(os, "preadv", raising=False)
    for _ in range(20):
        with ChunkReading(path, state.key) as reading:
            assert shared(reading, 6) == [state]


def shared(reading: ChunkReading, num_threads: int) -> list[ChunkState]:
    """What threads get that read all pieces."""
    pieces, found = iter(range(reading.num_pieces)), list[ChunkState]()
    lock, start = threading.Lock(), threading.Barrier(num_threads)

    def read() -> None:
        start.wait()
        while True:
            with lock:
                piece = next(pieces, None)
            if piece is None:
                return
            got = reading.read(piece, ignore)
            if got is not None:
                found.append(got)

    threads = [threading.Thread(target=read) for _ in range(num_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("at", [4096, 10 * PIECE_BYTES, -NUM_TRAILER_BYTES - 1, -1])
def test_a_damaged_byte_anywhere_shows_when_the_last_piece_is_there(path: Path, state: ChunkState, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    with ChunkReading(path, state.key) as reading:
        for piece in range(1, reading.num_pieces):
            assert reading.read(piece, ignore) is None
        with pytest.raises(ChunkFileInvalid, match=r"state\.kv: checksum"):
            reading.read(0, ignore)


def test_a_file_cut_while_it_is_read_is_invalid_and_never_complete(reading: ChunkReading, path: Path) -> None:
    assert reading.read(0, ignore) is None
    os.truncate(path, 5 * PIECE_BYTES + 3)
    with pytest.raises(ChunkFileInvalid, match=rf"ended at {5 * PIECE_BYTES + 3} bytes"):
        reading.read(5, ignore)
    assert [reading.read(piece, ignore) for piece in range(1, 5)] == [None] * 4, "other threads read on"


def test_short_reads_are_continued(reading: ChunkReading, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, told = [3, 1, 99_999], list[int]()
    really = os.preadv

    def short(descriptor: int, views: list[memoryview], offset: int) -> int:
        return really(descriptor, [views[0][: answers.pop(0)]], offset)

    monkeypatch.setattr(os, "preadv", short)
    reading.read(4, told.append)
    assert told == [3, 1, PIECE_BYTES - 4]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EIO, "Input/output error"), ChunkFileInvalid),
        (PermissionError(errno.EACCES, "no"), PermissionError),
    ],
)
def test_a_bad_sector_is_damage_and_any_other_refusal_is_not(
    reading: ChunkReading, monkeypatch: pytest.MonkeyPatch, error: OSError, expected: type[Exception]
) -> None:
    def broken(*_: object) -> int:
        raise error

    monkeypatch.setattr(os, "preadv", broken)
    with pytest.raises(expected):
        reading.read(0, ignore)


def test_a_file_larger_than_the_memory_for_it_is_not_the_one_that_was_found(path: Path, state: ChunkState) -> None:
    memory = memoryview(bytearray(path.stat().st_size - 1))
    with pytest.raises(ChunkFileInvalid, match="not the file found"):
        ChunkReading(path, state.key, memory)


def test_a_reader_that_is_not_wanted_breaks_off_before_it_hashes_everything(reading: ChunkReading) -> None:
    for piece in range(1, reading.num_pieces - 1):
        reading.read(piece, ignore)
    told: list[int] = []

    def unwanted(num_bytes: int) -> None:
        told.append(num_bytes)
        if not num_bytes:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        reading.read(0, unwanted)
    assert told == [PIECE_BYTES, 0]
    assert reading.read(reading.num_pieces - 1, ignore) is None, "it never becomes complete"
