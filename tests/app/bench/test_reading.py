"""Reading states without an engine, from memory and from disk, in a store of one's own; and the memory it takes."""

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from app.bench import reading
from app.bench.memory import MemoryWatch
from app.bench.own_states import DiskTooSmall, check_room, own_parts
from app.locations import Locations
from app.settings import Settings
from app.wiring import Parts
from storage.content_key import fingerprint, state_key
from storage.index import Index
from storage.state_file import StateFile
from storage.store import StateStore
from storage.values import ChunkState

FINGERPRINT = fingerprint({"model": "m"})


@pytest.fixture
def parts(locations: Locations, index: Index, store: StateStore) -> Parts:
    return Parts(locations, Settings(), index, store)


def put(store: StateStore, token_id: int) -> StateFile:
    key = state_key(FINGERPRINT, 5, (token_id,))
    store.put(ChunkState(key, (token_id,), bytes(1 << 20), 5))
    found = store.find(key, (token_id,))
    assert found is not None
    return found


@pytest.mark.parametrize("is_cold", [False, True])
def test_states_are_read_at_some_speed(store: StateStore, is_cold: bool):
    files = [put(store, 1), put(store, 2)]
    assert 1e6 < reading.bytes_per_s(files, is_cold=is_cold) < 1e12


def test_a_state_that_is_damaged_is_an_error_that_says_so(store: StateStore):
    file = put(store, 1)
    with file.path.open("r+b") as damaged:
        damaged.seek(1 << 19)
        damaged.write(b"damage")
    with pytest.raises(reading.StateUnreadable, match="changed meanwhile"):
        reading.bytes_per_s([file], is_cold=False)


@pytest.mark.skipif(not reading.CAN_DROP, reason="this system cannot be asked")
def test_what_is_dropped_stays_on_disk(store: StateStore):
    file = put(store, 1)
    before = file.path.read_bytes()
    reading.drop([file.path])
    assert file.path.read_bytes() == before


def test_a_store_of_ones_own_leaves_the_users_alone_and_nothing_behind(parts: Parts):
    put(parts.store, 1)
    before = sorted(parts.locations.states_dir.rglob("*"))
    with suppress(KeyboardInterrupt), own_parts(parts) as own:
        own_file = put(own.store, 2)
        assert own_file.path.stat().st_dev == parts.locations.states_dir.stat().st_dev
        assert own_file.path.is_relative_to(parts.locations.states_dir)
        assert own.index.counts().num_states == 1
        raise KeyboardInterrupt
    assert sorted(parts.locations.states_dir.rglob("*")) == before
    assert parts.index.counts().num_states == 1


def test_what_a_killed_measurement_left_is_removed_and_that_of_a_living_one_stays(parts: Parts):
    root = parts.locations.states_dir
    left, alive = root / ".bench-999999999-abc", root / f".bench-{os.getppid()}-abc"
    for folder in (left, alive):
        (folder / "kv").mkdir(parents=True)
    with own_parts(parts):
        assert (left.exists(), alive.exists()) == (False, True)


def test_states_that_would_fill_the_disk_are_refused(parts: Parts):
    check_room(parts, 1000)
    with pytest.raises(DiskTooSmall, match="smaller --sizes"):
        check_room(replace(parts, locations=Locations(Path("/"), Path("/"), Path("/"))), 1 << 60)


def test_the_peak_is_seen_although_the_memory_is_free_again():
    watch = MemoryWatch()
    block = bytearray(os.urandom(1 << 20) * 200)
    watch.look()
    del block
    assert watch.peak().num_more_bytes > 150e6
