"""What files take, and what the index says of them."""

import logging
import os
import time
from pathlib import Path

import pytest

from storage.errors import StoreUnusable
from storage.index import Index
from storage.store import SWEEP_AGE_SECONDS, StateStore
from storage.usage import Usage, correct, measure
from storage.values import StateKey
from tests.storage.conftest import MakeState


def test_an_empty_store_takes_nothing(store: StateStore, index: Index):
    assert measure(index, store.path_of(StateKey("ab" * 16, "cd" * 20)).parents[2]) == Usage(0, {}, (), {})


def test_a_folder_that_cannot_be_looked_into_is_told(index: Index, tmp_path: Path):
    (tmp_path / "kv").write_bytes(b"a file")
    with pytest.raises(StoreUnusable, match="cannot be counted: Not a directory"):
        measure(index, tmp_path / "kv")


def test_rows_that_are_wrong_of_their_files_are_found_and_corrected(
    store: StateStore, index: Index, make_state: MakeState, caplog: pytest.LogCaptureFixture
):
    sound, wrong, missing, unlisted, young = (make_state((number, 2, 3)) for number in range(5))
    for state in (sound, wrong, missing, unlisted, young):
        store.put(state)
    root = store.path_of(sound.key).parents[2]
    recorded = index.state_sizes()
    store.path_of(missing.key).unlink()
    index.correct_sizes({wrong.key: 1})
    index.forget_states([unlisted.key, young.key])
    old = time.time() - SWEEP_AGE_SECONDS - 60
    os.utime(store.path_of(unlisted.key), (old, old))
    usage = measure(index, root)
    assert usage == Usage(
        num_bytes=sum(recorded.values()) - recorded[missing.key],
        wrong={wrong.key: recorded[wrong.key]},
        missing=(missing.key,),
        unlisted={store.path_of(unlisted.key): recorded[unlisted.key]},
    )
    with caplog.at_level(logging.INFO):
        correct(index, store, usage)
    assert index.state_sizes() == {key: recorded[key] for key in (sound.key, wrong.key)}
    assert len(caplog.messages) == 2


def test_a_file_that_came_back_meanwhile_keeps_its_row(store: StateStore, index: Index, make_state: MakeState):
    state = make_state()
    store.put(state)
    correct(index, store, Usage(0, {}, (state.key,), {}))
    assert index.has_state(state.key)


def test_evicted_states_leave_neither_file_nor_row_and_a_line_in_the_log(
    store: StateStore, index: Index, make_state: MakeState, caplog: pytest.LogCaptureFixture
):
    states = [make_state((number, 2, 3)) for number in range(3)]
    for state in states:
        store.put(state)
    sizes = index.state_sizes()
    store.path_of(states[1].key).unlink()
    with caplog.at_level(logging.INFO):
        num_freed = store.evict({state.key: f"a reason {number}" for number, state in enumerate(states[:2])})
    assert num_freed == sizes[states[0].key], "nothing for a file that was gone"
    assert index.state_keys() == [states[2].key]
    assert not store.contains(states[0].key)
    assert [str(store.path_of(states[0].key)) in line and "a reason 0" in line for line in caplog.messages] == [True]
    assert store.evict({}) == 0
