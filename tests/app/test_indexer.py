"""Folders of real files into a real index; only the tokenizer is a stand-in, and counts words."""

import os
from pathlib import Path

import pytest

from app.errors import AlreadyRunning
from app.indexer import FileGone, FileSeen, FolderProblem, IndexEvent, indexing_lock, read_folders
from app.locations import Locations
from storage.content_key import fingerprint, state_key
from storage.index import Index
from storage.store import StateStore
from storage.values import ChunkState

CHUNK_TOKENS = 50
NOW_NS = 1_700_000_000_000_000_000


def count_words(text: str) -> int:
    return len(text.split())


@pytest.fixture
def folder(tmp_path: Path, index: Index) -> Path:
    path = tmp_path.resolve() / "documents"
    path.mkdir()
    index.add_folder(path)
    return path


def write(path: Path, text: str, age: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, ns=(NOW_NS - age, NOW_NS - age))
    return path


def read(index: Index, store: StateStore, chunk_tokens: int = CHUNK_TOKENS) -> list[IndexEvent]:
    return list(read_folders(index, store, count_words, chunk_tokens))


def names_read(events: list[IndexEvent]) -> list[str]:
    return [event.path.name for event in events if isinstance(event, FileSeen) and event.was_read]


def put_state(index: Index, store: StateStore, path: Path) -> Path:
    """A state for the document's first chunk; the path of its file."""
    chunk = index.chunks(path)[0]
    key = state_key(fingerprint({"model": "m"}), 3, (chunk.id,))
    store.put(ChunkState(key, (chunk.id,), b"rows", 3), "chunk", [chunk.id])
    return store.path_of(key)


def test_new_files_are_read_and_counted_over_all_folders(folder: Path, tmp_path: Path, index: Index, store: StateStore):
    other = tmp_path.resolve() / "other"
    write(folder / "a.txt", "goat")
    write(other / "b.txt", "ferry")
    index.add_folder(other)
    events = read(index, store)
    assert [(event.num_done, event.num_total) for event in events if isinstance(event, FileSeen)] == [(1, 2), (2, 2)]
    assert [chunk.chunk.text for chunk in index.chunks()] == ["goat", "ferry"]


def test_an_unchanged_folder_is_not_read_again(folder: Path, index: Index, store: StateStore):
    write(folder / "a.txt", "goat")
    write(folder / "noise.txt", "\x00\x01")
    write(folder / "empty.txt", "")
    assert names_read(read(index, store)) == ["a.txt", "empty.txt", "noise.txt"]
    events = read(index, store)
    assert names_read(events) == []
    errors = {event.path.name: event.error for event in events if isinstance(event, FileSeen)}
    assert errors == {"a.txt": None, "empty.txt": None, "noise.txt": "is not a text file"}


@pytest.mark.parametrize(("text", "age"), [("a longer text", 0), ("ferry", 1)])
def test_a_changed_file_is_read_again(folder: Path, index: Index, store: StateStore, text: str, age: int):
    path = write(folder / "a.txt", "goats")
    write(folder / "b.txt", "sand")
    read(index, store)
    write(path, text, age)
    assert names_read(read(index, store)) == ["a.txt"]
    assert [chunk.chunk.text for chunk in index.chunks(path)] == [text]


def test_a_changed_file_keeps_the_states_of_its_unchanged_chunks(folder: Path, index: Index, store: StateStore):
    path = write(folder / "a.md", "# One\n\n" + "goat " * 40 + "\n\n# Two\n\n" + "ferry " * 40)
    read(index, store)
    state = put_state(index, store, path)
    write(path, path.read_text().replace("ferry", "boat"))
    read(index, store)
    assert state.exists()
    first, second = index.chunks(path)
    assert first.id not in {chunk.id for chunk in index.chunks_without_state(fingerprint({"model": "m"}))}
    assert "boat" in second.chunk.text


def test_a_deleted_file_is_forgotten_with_its_states(folder: Path, index: Index, store: StateStore):
    kept, gone = write(folder / "kept.txt", "goat"), write(folder / "gone.txt", "ferry")
    read(index, store)
    kept_state, gone_state = put_state(index, store, kept), put_state(index, store, gone)
    gone.unlink()
    assert FileGone(gone) in read(index, store)
    assert index.document(gone) is None
    assert (kept_state.exists(), gone_state.exists()) == (True, False)


def test_a_folder_that_is_not_there_keeps_its_documents(folder: Path, index: Index, store: StateStore):
    path = write(folder / "a.txt", "goat")
    read(index, store)
    state = put_state(index, store, path)
    folder.rename(folder.with_name("unplugged"))
    (problem,) = read(index, store)
    assert isinstance(problem, FolderProblem)
    assert index.document(path)
    assert state.exists()


def test_a_document_that_becomes_unreadable_loses_its_chunks_and_says_why(
    folder: Path, index: Index, store: StateStore
):
    path = write(folder / "a.txt", "goat")
    read(index, store)
    write(path, "\x00\x01\x02")
    (event,) = read(index, store)
    assert isinstance(event, FileSeen)
    assert event.error == "is not a text file"
    document = index.document(path)
    assert document
    assert (document.error, index.chunks(path)) == ("is not a text file", [])


def refuse(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    real = Path.open

    def refusing(self: Path, *arguments, **options):
        if self == path:
            raise PermissionError(13, "Permission denied")
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refusing)


def test_a_file_that_is_locked_for_a_while_keeps_what_was_read_of_it(
    folder: Path, index: Index, store: StateStore, monkeypatch: pytest.MonkeyPatch
):
    path = write(folder / "a.txt", "goat")
    read(index, store)
    state = put_state(index, store, path)
    write(path, "a new text")
    with monkeypatch.context() as locked:
        refuse(locked, path)
        (event,) = read(index, store)
    assert isinstance(event, FileSeen)
    assert event.error == "may not be read: permission denied"
    assert [chunk.chunk.text for chunk in index.chunks(path)] == ["goat"]
    assert state.exists()
    assert names_read(read(index, store)) == ["a.txt"]


def test_a_file_that_was_locked_from_the_start_is_read_once_it_can_be(
    folder: Path, index: Index, store: StateStore, monkeypatch: pytest.MonkeyPatch
):
    path = write(folder / "a.txt", "goat")
    with monkeypatch.context() as locked:
        refuse(locked, path)
        read(index, store)
    document = index.document(path)
    assert document
    assert document.error == "may not be read: permission denied"
    assert names_read(read(index, store)) == ["a.txt"]
    assert [chunk.chunk.text for chunk in index.chunks(path)] == ["goat"]


def test_another_chunk_size_cuts_all_documents_again(folder: Path, index: Index, store: StateStore):
    path = write(folder / "a.txt", "The goat climbs. " * 20)
    write(folder / "b.txt", "sand")
    read(index, store, chunk_tokens=60)
    assert len(index.chunks(path)) == 1
    assert names_read(read(index, store, chunk_tokens=32)) == ["a.txt", "b.txt"]
    assert len(index.chunks(path)) == 2


def test_an_interrupted_run_keeps_the_documents_it_finished(folder: Path, index: Index, store: StateStore):
    write(folder / "a.txt", "goat")
    write(folder / "b.txt", "ferry")
    run = read_folders(index, store, count_words, CHUNK_TOKENS)
    next(run)
    run.close()
    assert names_read(read(index, store)) == ["b.txt"]


def test_only_one_process_may_index(locations: Locations):
    with (
        indexing_lock(locations),
        pytest.raises(AlreadyRunning, match="another steep is indexing"),
        indexing_lock(locations),
    ):
        pass
    with indexing_lock(locations):
        pass
