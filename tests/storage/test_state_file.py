"""Loading ahead, as the system's cache of files sees it."""

import ctypes
import mmap
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from storage import chunk_file, chunk_reading
from storage.content_key import state_key
from storage.state_file import StateFile, StateReading
from storage.values import ChunkState, Lookup, Miss, StateKey
from tests.waiting import wait_until

KEY = StateKey("0" * 8, "0" * 8)
NUM_BYTES = 24 << 20
"""More than a device reads at once."""


def share_in_memory(path: Path) -> float:
    """Of a file's pages. Asking loads nothing."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        first = ctypes.c_char.from_buffer(mapped)
        pages = (ctypes.c_ubyte * -(-len(mapped) // mmap.PAGESIZE))()
        failed = ctypes.CDLL(None).mincore(
            ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(len(mapped)), pages
        )
        del first  # the map cannot be closed before
        assert not failed
        return sum(page & 1 for page in pages) / len(pages)


@pytest.mark.skipif(sys.platform != "linux", reason="written for Linux's mincore")
def test_all_of_a_file_is_loaded_ahead(tmp_path: Path):
    path = tmp_path / "state.kv"
    path.write_bytes(os.urandom(NUM_BYTES))
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if share_in_memory(path):
        pytest.skip("this file system does not let go of files")
    StateFile(path, KEY, (1,), NUM_BYTES).warm()
    wait_until(lambda: share_in_memory(path) == 1)


def test_a_file_that_is_gone_is_no_error(tmp_path: Path):
    StateFile(tmp_path / "gone.kv", KEY, (1,), 10).warm()


# --- reading

TOKENS = (5, 6, 7)
STATE_KEY = state_key("ab" * 16, 3, TOKENS)


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    path = tmp_path / "state.kv"
    chunk_file.write(path, ChunkState(STATE_KEY, TOKENS, b"rows" * 1000, 3))
    return StateFile(path, STATE_KEY, TOKENS, path.stat().st_size)


def read(file: StateFile) -> Lookup:
    return file.read(memoryview(bytearray(file.num_bytes)))


def test_a_state_is_read_into_memory_that_was_given_and_every_byte_is_told(file: StateFile):
    memory, told = bytearray(file.num_bytes + 100), list[int]()
    reading = file.open(memoryview(memory))
    assert isinstance(reading, StateReading)
    state = reading.read(0, told.append)
    reading.close()
    assert isinstance(state, ChunkState)
    assert (bytes(state.blob), state.token_ids) == (b"rows" * 1000, TOKENS)
    assert isinstance(state.blob, memoryview)
    assert state.blob.obj is memory
    assert sum(told) == file.num_bytes


def test_a_state_read_by_one_thread_is_the_same(file: StateFile, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chunk_reading, "PIECE_BYTES", 1000)
    state = read(file)
    assert isinstance(state, ChunkState)
    assert bytes(state.blob) == b"rows" * 1000


def test_whoever_finds_that_a_state_is_no_good_is_told_why(file: StateFile, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chunk_reading, "PIECE_BYTES", 1000)
    reading = file.open(memoryview(bytearray(file.num_bytes)))
    assert isinstance(reading, StateReading)
    os.truncate(file.path, 2500)
    found = [reading.read(piece, lambda _: None) for piece in range(3)]
    reading.close()
    assert found[:2] == [None, None]
    assert isinstance(found[2], Miss)
    assert found[2].damaged
    assert "cut short while read" in found[2].reason


def test_what_is_gone_cut_short_or_of_other_tokens_is_a_miss_and_stays_as_it_is(file: StateFile):
    found = read(replace(file, token_ids=(5, 6, 8)))
    assert isinstance(found, Miss)
    assert "other tokens" in found.reason
    os.truncate(file.path, file.num_bytes - 1)
    found = read(file)
    assert isinstance(found, Miss)
    assert found.damaged
    assert file.path.exists()
    file.path.unlink()
    found = read(file)
    assert isinstance(found, Miss)
    assert not found.damaged


def test_a_file_that_has_grown_is_a_miss_before_it_is_read(file: StateFile):
    os.truncate(file.path, file.num_bytes + 1)
    found = file.open(memoryview(bytearray(file.num_bytes)))
    assert isinstance(found, Miss)
    assert f"has {file.num_bytes + 1} bytes" in found.reason


def test_reading_is_broken_off_by_its_pace(file: StateFile):
    def stop(_: int) -> None:
        raise KeyError("not wanted any more")

    reading = file.open(memoryview(bytearray(file.num_bytes)))
    assert isinstance(reading, StateReading)
    with pytest.raises(KeyError):
        reading.read(0, stop)
    reading.close()
