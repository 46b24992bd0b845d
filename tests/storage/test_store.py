import logging
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import xxhash

from storage import chunk_file
from storage.content_key import fingerprint, state_key
from storage.errors import StoreUnusable
from storage.index import Index
from storage.store import StateStore
from storage.values import ChunkState, ChunkText, DocumentVersion, Folder, Miss, StateKey

MakeState = Callable[..., ChunkState]
MakeVersion = Callable[..., DocumentVersion]
MakeTexts = Callable[..., list[ChunkText]]

DOCS = Path("/docs").absolute()


@pytest.fixture
def folder(index: Index) -> Folder:
    return index.add_folder(DOCS)


def files(store: StateStore) -> list[Path]:
    return sorted(path for path in store._root.rglob("*") if path.is_file())


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096] ^= 1
    path.write_bytes(data)


def age(path: Path) -> None:
    long_ago = time.time() - 7200
    os.utime(path, (long_ago, long_ago))


def test_what_was_put_is_got_and_on_record(store: StateStore, index: Index, make_state: MakeState):
    state = make_state()
    store.put(state)
    assert store.get(state.key, state.token_ids) == state
    assert store.contains(state.key)
    counts = index.counts(state.key.fingerprint)
    assert (counts.num_states, counts.num_state_bytes) == (1, store.path_of(state.key).stat().st_size)


def test_the_path_is_made_of_fingerprint_and_digest(tmp_path: Path, index: Index, make_state: MakeState):
    key = make_state().key
    path = StateStore(tmp_path, index).path_of(key)
    assert path == tmp_path / key.fingerprint / key.digest[:2] / f"{key.digest}.kv"


def test_a_missing_file_is_a_miss_and_its_row_goes(
    store: StateStore,
    index: Index,
    folder: Folder,
    version: MakeVersion,
    texts: MakeTexts,
    make_state: MakeState,
):
    state = make_state()
    assert store.get(state.key, state.token_ids) == Miss(state.key, f"there is no file {store.path_of(state.key)}")
    index.put_document(folder.id, version(DOCS / "a"), texts("one"))
    store.put(state, chunk_ids=[index.chunks()[0].id])
    store.path_of(state.key).unlink()
    found = store.get(state.key, state.token_ids)
    assert isinstance(found, Miss)
    assert not found.damaged
    assert not store.contains(state.key)
    assert len(index.chunks_without_state(state.key.fingerprint)) == 1, "it will be steeped again"


def test_a_flipped_byte_is_a_damaged_miss_and_the_file_goes(
    store: StateStore, index: Index, make_state: MakeState, caplog: pytest.LogCaptureFixture
):
    state = make_state(blob=b"secret rows")
    store.put(state)
    spoil(store.path_of(state.key))
    with caplog.at_level(logging.WARNING, "storage.store"):
        found = store.get(state.key, state.token_ids)
    assert isinstance(found, Miss)
    assert found.damaged
    assert files(store) == []
    assert not index.has_state(state.key)
    assert str(store.path_of(state.key)) in caplog.text
    assert "checksum" in caplog.text
    assert "secret" not in caplog.text


def of_a_later_version(path: Path) -> bytes:
    """Makes it one of version 2, as far as anybody can tell here."""
    data = bytearray(path.read_bytes())
    data[8] = 2
    data[-16:] = xxhash.xxh3_128_digest(data[:-16])
    path.write_bytes(data)
    return bytes(data)


def test_a_file_of_a_newer_version_is_a_miss_and_stays_until_its_state_is_computed_here(
    store: StateStore, index: Index, make_state: MakeState, caplog: pytest.LogCaptureFixture
):
    state = make_state()
    store.put(state)
    path = store.path_of(state.key)
    newer = of_a_later_version(path)
    missed = store.get(state.key, state.token_ids)
    assert isinstance(missed, Miss)
    assert "newer version" in missed.reason
    assert not missed.damaged
    assert not store.adopt(state.key, state.token_ids, [])
    assert path.read_bytes() == newer
    assert index.has_state(state.key)
    assert not caplog.records
    store.put(state)
    assert isinstance(store.get(state.key, state.token_ids), ChunkState)
    (record,) = caplog.records
    assert "Replaced" in record.getMessage()
    assert path.name in record.getMessage()


@pytest.mark.parametrize("size", [12, 100])
def test_a_newer_file_shorter_than_any_of_ours_stays_as_well(store: StateStore, make_state: MakeState, size: int):
    state = make_state()
    store.put(state)
    path = store.path_of(state.key)
    path.write_bytes(of_a_later_version(path)[:size])
    assert isinstance(store.get(state.key, state.token_ids), Miss)
    assert path.stat().st_size == size


def test_nothing_is_removed_without_a_line_in_the_log(
    store: StateStore, index: Index, make_state: MakeState, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO")
    unused, orphan, dropped = make_state((1,)), make_state((2,)), make_state((3,))
    for state in (unused, orphan, dropped):
        store.put(state)
    index.forget_state(orphan.key)
    os.utime(store.path_of(orphan.key), (0, 0))
    store.drop(dropped.key, "a test")
    assert store.sweep() == 1
    assert store.purge_unlinked() == 1
    removed = [record.getMessage() for record in caplog.records]
    for state, message in zip((dropped, orphan, unused), removed, strict=True):
        assert store.path_of(state.key).name in message


def test_a_file_of_another_state_in_its_place_is_a_damaged_miss(store: StateStore, make_state: MakeState):
    mine, other = make_state(), make_state(token_ids=(4, 5))
    store.put(mine)
    store.put(other)
    store.path_of(other.key).replace(store.path_of(mine.key))
    found = store.get(mine.key, mine.token_ids)
    assert isinstance(found, Miss)
    assert found.damaged
    assert files(store) == []


def test_other_tokens_than_asked_for_are_a_miss_and_the_good_file_stays(store: StateStore, make_state: MakeState):
    state = make_state()
    store.put(state)
    found = store.get(state.key, (9, 9, 9))
    assert isinstance(found, Miss)
    assert not found.damaged
    assert store.get(state.key, list(state.token_ids)) == state


def test_a_good_file_without_a_row_gets_its_row_back(store: StateStore, index: Index, make_state: MakeState):
    state = make_state()
    store.put(state, role="preamble")
    index.forget_state(state.key)
    assert store.get(state.key, state.token_ids, role="preamble") == state
    assert index.has_state(state.key)
    assert index.unlinked_states() == [], "with its role"


def test_a_state_of_another_document_is_adopted_instead_of_computed(
    store: StateStore,
    index: Index,
    folder: Folder,
    version: MakeVersion,
    texts: MakeTexts,
    make_state: MakeState,
):
    state = make_state()
    index.put_document(folder.id, version(DOCS / "a"), texts("one"))
    (chunk,) = index.chunks()
    assert not store.adopt(state.key, state.token_ids, [chunk.id])
    store.put(state)
    assert store.adopt(state.key, state.token_ids, [chunk.id])
    assert index.chunks_without_state(state.key.fingerprint) == []
    assert store.purge_unlinked() == 0


def test_a_damaged_state_is_not_adopted(store: StateStore, index: Index, make_state: MakeState):
    state = make_state()
    store.put(state)
    spoil(store.path_of(state.key))
    assert not store.adopt(state.key, state.token_ids, [])
    assert not index.has_state(state.key)


def test_a_dropped_state_is_gone_from_disk_and_index(store: StateStore, index: Index, make_state: MakeState):
    state = make_state()
    store.put(state)
    store.drop(state.key, "a test")
    store.drop(state.key, "a test")
    assert files(store) == []
    assert index.state_keys() == []


def test_purging_leaves_shared_states_and_preambles(
    store: StateStore,
    index: Index,
    folder: Folder,
    version: MakeVersion,
    texts: MakeTexts,
    make_state: MakeState,
):
    shared, alone, preamble = make_state((1,)), make_state((2,)), make_state((3,), start_position=0)
    index.put_document(folder.id, version(DOCS / "a"), texts("same", "only here"))
    index.put_document(folder.id, version(DOCS / "b"), texts("same"))
    in_a, only_here, in_b = (stored.id for stored in index.chunks())
    store.put(shared, chunk_ids=[in_a, in_b])
    store.put(alone, chunk_ids=[only_here])
    store.put(preamble, role="preamble")
    assert store.purge_unlinked() == 0

    index.remove_document(DOCS / "a")
    assert store.purge_unlinked() == 1
    assert files(store) == sorted([store.path_of(shared.key), store.path_of(preamble.key)])
    index.remove_document(DOCS / "b")
    assert store.purge_unlinked() == 1
    assert index.state_keys() == [preamble.key]
    assert isinstance(store.get(preamble.key, preamble.token_ids), ChunkState)


def test_a_purge_killed_between_files_and_rows_is_finished_by_the_next(
    store: StateStore, index: Index, make_state: MakeState, monkeypatch: pytest.MonkeyPatch
):
    def killed(_: object) -> None:
        raise KeyboardInterrupt

    store.put(make_state())
    with monkeypatch.context() as patched:
        patched.setattr(index, "forget_unlinked", killed)
        with pytest.raises(KeyboardInterrupt):
            store.purge_unlinked()
    assert (len(files(store)), len(index.state_keys())) == (0, 1)
    assert store.purge_unlinked() == 1
    assert index.state_keys() == []


def test_a_put_killed_between_file_and_row_leaves_a_state_that_can_be_got_or_swept(
    store: StateStore, index: Index, make_state: MakeState, monkeypatch: pytest.MonkeyPatch
):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    got, swept = make_state((1,)), make_state((2,))
    with monkeypatch.context() as patched:
        patched.setattr(index, "record_state", killed)
        for state in (got, swept):
            with pytest.raises(KeyboardInterrupt):
                store.put(state)
    assert index.state_keys() == []
    assert store.get(got.key, got.token_ids) == got
    for path in files(store):
        age(path)
    assert store.sweep() == 1
    assert files(store) == [store.path_of(got.key)]


class TestWhatChangesBetweenALookAndTheDeed:
    def test_a_state_that_is_linked_after_a_purge_has_listed_it_stays(
        self,
        store: StateStore,
        index: Index,
        folder: Folder,
        version: MakeVersion,
        texts: MakeTexts,
        make_state: MakeState,
    ):
        state = make_state()
        store.put(state)
        listed = index.unlinked_states()
        index.put_document(folder.id, version(DOCS / "a"), texts("one"))
        assert store.adopt(state.key, state.token_ids, [index.chunks()[0].id])
        assert store._purge(listed) == 0
        assert isinstance(store.get(state.key, state.token_ids), ChunkState)

    def test_a_damaged_file_that_was_replaced_is_not_dropped(self, store: StateStore, make_state: MakeState):
        state = make_state()
        store.put(state)
        store.drop_damaged(state.key)
        assert store.contains(state.key)

    def test_a_file_that_came_back_keeps_its_row(self, store: StateStore, index: Index, make_state: MakeState):
        there, gone = make_state((1,)), make_state((2,))
        for state in (there, gone):
            store.put(state)
        store.path_of(gone.key).unlink()
        store.forget_missing([there.key, gone.key])
        assert index.state_keys() == [there.key]

    def test_a_state_whose_file_went_since_it_was_read_gets_no_row(
        self, store: StateStore, index: Index, make_state: MakeState, monkeypatch: pytest.MonkeyPatch
    ):
        state, real = make_state(), chunk_file.read

        def read_and_lose(path: Path, key: StateKey) -> ChunkState:
            found = real(path, key)
            path.unlink()
            return found

        monkeypatch.setattr(chunk_file, "read", read_and_lose)
        store.put(state)
        index.forget_state(state.key)
        assert isinstance(store.get(state.key, state.token_ids), ChunkState), "it is in memory"
        assert index.state_keys() == []
        store.put(state)
        index.forget_state(state.key)
        assert not store.adopt(state.key, state.token_ids, [])
        assert index.state_keys() == []

    def test_an_orphan_that_got_its_row_is_not_swept(self, store: StateStore, make_state: MakeState):
        state = make_state()
        store.put(state)
        assert not store.remove_unlisted(store.path_of(state.key))
        assert store.contains(state.key)


def test_sweeping_spares_fresh_files_and_takes_strays(store: StateStore, index: Index, make_state: MakeState):
    state = make_state()
    store.put(state)
    index.forget_state(state.key)
    stray = store.path_of(state.key).with_name(".x.kv.1.0123456789abcdef.tmp")
    stray.touch()
    age(stray)
    assert store.sweep() == 1
    assert files(store) == [store.path_of(state.key)], "it may be between its two steps"


def test_sweeping_where_nothing_was_ever_put_is_harmless(store: StateStore):
    assert store.sweep() == 0


def test_a_disk_that_refuses_is_named_with_its_reason(
    store: StateStore, index: Index, make_state: MakeState, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    state = make_state()
    monkeypatch.setattr(chunk_file, "_write_new", full)
    with pytest.raises(StoreUnusable, match=rf"{state.key.digest}\.kv .*No space left on device"):
        store.put(state)
    assert index.state_keys() == [], "no row without a file"
    monkeypatch.setattr(chunk_file, "read", full)
    with pytest.raises(StoreUnusable, match="No space left"):
        store.get(state.key, state.token_ids)
    monkeypatch.setattr(chunk_file, "remove", full)
    with pytest.raises(StoreUnusable, match="No space left"):
        store.drop(state.key, "a test")


def _put_until_killed(data: Path, ready: int) -> None:
    """Runs in a forked child. Few tokens and many rounds: states are replaced as well as made."""
    with Index(data / "index.db") as index:
        store = StateStore(data / "kv", index)
        for number in range(1_000_000):
            token_ids = (number % 7,)
            key = state_key(fingerprint({"model": "m"}), 0, token_ids)
            store.put(ChunkState(key, token_ids, bytes([number % 256]) * 300_000))
            os.write(ready, b".")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_whatever_kill_9_leaves_behind_can_be_believed(tmp_path: Path):
    Index(tmp_path / "index.db").close()
    jitter = random.Random(9)
    for _ in range(20):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                _put_until_killed(tmp_path, writing)
            finally:
                os._exit(1)
        os.close(writing)
        for _ in range(jitter.randint(1, 3)):
            assert os.read(reading, 1) == b"."
        time.sleep(jitter.random() * 0.01)
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        os.close(reading)

    with Index(tmp_path / "index.db") as index:
        store = StateStore(tmp_path / "kv", index)
        keys = [state_key(fingerprint({"model": "m"}), 0, (number,)) for number in range(7)]
        on_disk = [path for path in files(store) if path.suffix == ".kv"]
        assert set(on_disk) <= {store.path_of(key) for key in keys}
        assert set(index.state_keys()) <= {key for key in keys if store.contains(key)}, "no row without a file"
        for number, key in enumerate(keys):
            if store.contains(key):
                assert isinstance(store.get(key, (number,)), ChunkState)
        store.sweep()
        assert files(store) == on_disk, "temporaries of the killed are gone, everything else stays"
