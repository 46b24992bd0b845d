"""Folders of real files into a real index; only the tokenizer is a stand-in, and counts words."""

import os
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from app.errors import AlreadyRunning
from app.formats.errors import CannotOpen
from app.indexer import FileGone, FileSeen, FolderProblem, Indexer, IndexEvent, indexing_lock
from app.locations import Locations
from app.reader import DocumentReader
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


@pytest.fixture(scope="module")
def reader() -> Iterator[DocumentReader]:
    with DocumentReader() as opened:
        yield opened


class RefusedReader:
    """A reader that the system lets open nothing."""

    def submit(self, path: Path) -> Future:
        refused: Future = Future()
        refused.set_exception(CannotOpen(path.name, "may not be read: permission denied"))
        return refused


@pytest.fixture
def make_indexer(index: Index, store: StateStore, reader: DocumentReader):
    def make(chunk_tokens: int = CHUNK_TOKENS, reader=reader) -> Indexer:
        return Indexer(index, store, reader, count_words, chunk_tokens)

    return make


@pytest.fixture
def read(make_indexer):
    """Sweeps all folders as a new process would."""

    def sweep(**options) -> list[IndexEvent]:
        return list(make_indexer(**options).sweep())

    return sweep


def names_read(events: list[IndexEvent]) -> list[str]:
    return [event.path.name for event in events if isinstance(event, FileSeen) and event.was_read]


def put_state(index: Index, store: StateStore, path: Path) -> Path:
    """A state for the document's first chunk; the path of its file."""
    chunk = index.chunks(path)[0]
    key = state_key(fingerprint({"model": "m"}), 3, (chunk.id,))
    store.put(ChunkState(key, (chunk.id,), b"rows", 3), "chunk", [chunk.id])
    return store.path_of(key)


def test_new_files_are_read_and_counted_over_all_folders(
    folder: Path, tmp_path: Path, index: Index, store: StateStore, read
):
    other = tmp_path.resolve() / "other"
    write(folder / "a.txt", "goat")
    write(other / "b.txt", "ferry")
    index.add_folder(other)
    events = read()
    assert [(event.num_done, event.num_total) for event in events if isinstance(event, FileSeen)] == [(1, 2), (2, 2)]
    assert [chunk.chunk.text for chunk in index.chunks()] == ["goat", "ferry"]


def test_an_unchanged_folder_is_not_read_again(folder: Path, index: Index, store: StateStore, read):
    write(folder / "a.txt", "goat")
    write(folder / "noise.txt", "\x00\x01")
    write(folder / "empty.txt", "")
    assert names_read(read()) == ["a.txt", "empty.txt", "noise.txt"]
    events = read()
    assert names_read(events) == []
    errors = {event.path.name: event.error for event in events if isinstance(event, FileSeen)}
    assert errors == {"a.txt": None, "empty.txt": None, "noise.txt": "is not a text file"}


@pytest.mark.parametrize(("text", "age"), [("a longer text", 0), ("ferry", 1)])
def test_a_changed_file_is_read_again(folder: Path, index: Index, read, text: str, age: int):
    path = write(folder / "a.txt", "goats")
    write(folder / "b.txt", "sand")
    read()
    write(path, text, age)
    assert names_read(read()) == ["a.txt"]
    assert [chunk.chunk.text for chunk in index.chunks(path)] == [text]


def test_a_changed_file_keeps_the_states_of_its_unchanged_chunks(folder: Path, index: Index, store: StateStore, read):
    path = write(folder / "a.md", "# One\n\n" + "goat " * 40 + "\n\n# Two\n\n" + "ferry " * 40)
    read()
    state = put_state(index, store, path)
    write(path, path.read_text().replace("ferry", "boat"))
    read()
    assert state.exists()
    first, second = index.chunks(path)
    assert first.id not in {chunk.id for chunk in index.chunks_without_state(fingerprint({"model": "m"}))}
    assert "boat" in second.chunk.text


def test_a_deleted_file_is_forgotten_with_its_states(folder: Path, index: Index, store: StateStore, read):
    kept, gone = write(folder / "kept.txt", "goat"), write(folder / "gone.txt", "ferry")
    read()
    kept_state, gone_state = put_state(index, store, kept), put_state(index, store, gone)
    gone.unlink()
    assert FileGone(gone) in read()
    assert index.document(gone) is None
    assert (kept_state.exists(), gone_state.exists()) == (True, False)


def test_a_folder_that_is_not_there_keeps_its_documents(folder: Path, index: Index, store: StateStore, read):
    path = write(folder / "a.txt", "goat")
    read()
    state = put_state(index, store, path)
    folder.rename(folder.with_name("unplugged"))
    (problem,) = read()
    assert isinstance(problem, FolderProblem)
    assert index.document(path)
    assert state.exists()


def test_an_empty_folder_that_had_documents_may_be_an_unplugged_drive(
    folder: Path, index: Index, store: StateStore, read, make_indexer
):
    path = write(folder / "a.txt", "goat")
    read()
    (watched,) = index.folders()
    path.unlink()
    (problem,) = read()
    assert isinstance(problem, FolderProblem)
    assert "is empty, but 1 document of it are known" in problem.reason
    assert index.document(path)
    assert list(make_indexer().update([(watched, path)])) == [FileGone(path)], "somebody saw it go"


def test_a_document_that_becomes_unreadable_loses_its_chunks_and_says_why(
    folder: Path, index: Index, store: StateStore, read
):
    path = write(folder / "a.txt", "goat")
    read()
    write(path, "\x00\x01\x02")
    (event,) = read()
    assert isinstance(event, FileSeen)
    assert event.error == "is not a text file"
    document = index.document(path)
    assert document
    assert (document.error, index.chunks(path)) == ("is not a text file", [])


def test_a_file_that_is_locked_for_a_while_keeps_what_was_read_of_it(
    folder: Path, index: Index, store: StateStore, read
):
    path = write(folder / "a.txt", "goat")
    read()
    state = put_state(index, store, path)
    write(path, "a new text")
    (event,) = read(reader=RefusedReader())
    assert isinstance(event, FileSeen)
    assert event.error == "may not be read: permission denied"
    assert [chunk.chunk.text for chunk in index.chunks(path)] == ["goat"]
    assert state.exists()
    assert names_read(read()) == ["a.txt"]


def test_a_file_that_was_locked_from_the_start_is_read_once_it_can_be(
    folder: Path, index: Index, store: StateStore, read
):
    path = write(folder / "a.txt", "goat")
    read(reader=RefusedReader())
    document = index.document(path)
    assert document
    assert document.error == "may not be read: permission denied"
    assert names_read(read()) == ["a.txt"]
    assert [chunk.chunk.text for chunk in index.chunks(path)] == ["goat"]


def test_another_chunk_size_cuts_all_documents_again(folder: Path, index: Index, store: StateStore, read):
    path = write(folder / "a.txt", "The goat climbs. " * 20)
    write(folder / "b.txt", "sand")
    read(chunk_tokens=60)
    assert len(index.chunks(path)) == 1
    assert names_read(read(chunk_tokens=32)) == ["a.txt", "b.txt"]
    assert len(index.chunks(path)) > 1


def test_an_interrupted_run_keeps_the_documents_it_finished(folder: Path, read, make_indexer):
    write(folder / "a.txt", "goat")
    write(folder / "b.txt", "ferry", age=1)
    run = make_indexer().sweep()
    next(run)
    run.close()
    assert names_read(read()) == ["b.txt"]


def test_what_is_found_is_listed_before_anything_is_read(folder: Path, index: Index, make_indexer):
    write(folder / "a.txt", "goat")
    write(folder / "b.txt", "ferry", age=1)
    run = make_indexer().sweep()
    next(run)
    assert {document.path.name: document.is_waiting for document in index.documents()} == {
        "a.txt": False,
        "b.txt": True,
    }


def test_what_changed_last_is_read_first(folder: Path, read):
    for age, name in enumerate(("now.txt", "before.txt", "long-ago.txt")):
        write(folder / name, name, age)
    assert names_read(read()) == ["now.txt", "before.txt", "long-ago.txt"]


def test_a_moved_file_keeps_its_states(folder: Path, index: Index, store: StateStore, read):
    path = write(folder / "a.txt", "goat")
    read()
    state = put_state(index, store, path)
    (folder / "sub").mkdir()
    moved = path.rename(folder / "sub" / "z.txt")
    assert FileGone(path) in read()
    assert state.exists()
    assert [chunk.document_path for chunk in index.chunks()] == [moved]
    assert index.chunks_without_state(fingerprint({"model": "m"})) == []


def test_single_files_are_brought_up_to_date_alone(folder: Path, index: Index, read, make_indexer):
    changed, gone, other = (write(folder / f"{name}.txt", name) for name in ("changed", "gone", "other"))
    read()
    (watched,) = index.folders()
    write(changed, "a new text")
    write(other, "also new, but nobody said so")
    gone.unlink()
    new = write(folder / "new.txt", "new")
    ignored = write(folder / ".hidden.txt", "hidden")
    events = list(make_indexer().update((watched, path) for path in (changed, new, ignored, gone)))
    assert sorted(names_read(events)) == ["changed.txt", "new.txt"]
    assert FileGone(gone) in events
    texts = {chunk.document_path.name: chunk.chunk.text for chunk in index.chunks()}
    assert texts == {"changed.txt": "a new text", "new.txt": "new", "other.txt": "other"}


def test_a_folder_that_was_moved_in_is_read_whole(folder: Path, tmp_path: Path, index: Index, read, make_indexer):
    read()
    (watched,) = index.folders()
    write(tmp_path / "outside" / "a.txt", "goat")
    (tmp_path / "outside").rename(folder / "inside")
    events = list(make_indexer().update([(watched, folder / "inside")]))
    assert names_read(events) == ["a.txt"]


def test_a_folder_that_is_removed_while_it_is_read_leaves_nothing(folder: Path, index: Index, make_indexer):
    write(folder / "a.txt", "goat")
    write(folder / "b.txt", "ferry", age=1)
    run = make_indexer().sweep()
    next(run)
    index.remove_folder(folder)
    list(run)
    assert index.documents() == []
    assert index.chunks() == []


def test_what_a_killed_removal_left_is_purged_and_cleared_by_the_next_run(
    folder: Path, index: Index, store: StateStore, read, make_indexer
):
    write(folder / "a.txt", "goat")
    read()
    (chunk,) = index.chunks()
    state = ChunkState(state_key(fingerprint({"model": "m"}), 0, (1,)), (1,), b"rows", 0)
    store.put(state, chunk_ids=[chunk.id])
    index.remove_folder(folder)  # and there it was killed
    next_one = make_indexer()
    list(next_one.sweep())
    assert not store.contains(state.key)
    assert next_one.compact()
    assert not next_one.compact()


def test_only_one_process_may_index(locations: Locations):
    with (
        indexing_lock(locations),
        pytest.raises(AlreadyRunning, match="another steep is indexing"),
        indexing_lock(locations),
    ):
        pass
    with indexing_lock(locations):
        pass
