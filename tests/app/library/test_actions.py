"""What can be done to the library, on a real index with files of states."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import NotAFolder
from app.indexer import indexing_lock
from app.library.actions import forget_folder, pin, steep_again, watch_folder
from app.library.overview import read_overview
from app.locations import Locations
from app.settings import Settings
from app.wiring import Parts
from storage.content_key import fingerprint, state_key
from storage.errors import FolderConflict, UnknownFolder
from storage.index import Index
from storage.store import StateStore
from storage.values import ChunkState, ChunkText, DocumentVersion

MINE, OTHER = fingerprint({"model": "mine"}), fingerprint({"model": "other"})


@pytest.fixture
def parts(locations: Locations, index: Index, store: StateStore) -> Parts:
    return Parts(locations, Settings(), index, store)


@pytest.fixture
def folder(parts: Parts, tmp_path: Path) -> Path:
    path = tmp_path.resolve() / "documents"
    path.mkdir()
    return watch_folder(parts, path).path


@pytest.fixture
def put(parts: Parts, folder: Path) -> Callable[..., Path]:
    """A document of one chunk per text, each with a state for every model given."""

    def put(name: str, *texts: str, steeped_for: tuple[str, ...] = (MINE,)) -> Path:
        (listed,) = parts.index.folders()
        chunks = [ChunkText(i, i + 1, None, None, text, 10) for i, text in enumerate(texts)]
        parts.index.put_document(listed.id, DocumentVersion(folder / name, 1, 1, "digest", name), chunks)
        for model in steeped_for:
            for chunk in parts.index.chunks(folder / name):
                token_ids = tuple(chunk.chunk.text.encode())
                state = ChunkState(state_key(model, 3, token_ids), token_ids, b"rows", 3)
                parts.store.put(state, "chunk", [chunk.id])
        return folder / name

    return put


def num_files(parts: Parts) -> int:
    return len(list(parts.locations.states_dir.rglob("*.kv")))


def test_a_folder_is_watched_by_its_real_path(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "notes").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert watch_folder(parts, Path("~/notes")).path == tmp_path.resolve() / "notes"


@pytest.mark.parametrize(("name", "words"), [("nowhere", "does not exist"), ("a.txt", "is a file")])
def test_what_is_no_folder_is_not_watched(parts: Parts, tmp_path: Path, name: str, words: str):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(NotAFolder, match=f"{name} {words}; give a folder"):
        watch_folder(parts, tmp_path / name)
    assert parts.index.folders() == []


def test_a_folder_that_may_not_be_read_is_not_watched(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(NotAFolder, match="may not be read; change its rights"):
        watch_folder(parts, tmp_path)
    assert parts.index.folders() == []


def test_a_folder_inside_a_watched_one_is_refused(parts: Parts, folder: Path):
    (folder / "inner").mkdir()
    with pytest.raises(FolderConflict, match="already watched through"):
        watch_folder(parts, folder / "inner")


def test_a_folder_that_is_removed_leaves_nothing(parts: Parts, folder: Path, put):
    put("a.md", "one", "two")
    assert forget_folder(parts, folder) == 2
    assert (parts.index.folders(), parts.index.chunks(), num_files(parts)) == ([], [], 0)
    with pytest.raises(UnknownFolder):
        forget_folder(parts, folder)


def test_a_folder_is_removed_while_another_process_indexes(parts: Parts, locations: Locations, folder: Path, put):
    put("a.md", "one")
    (listed,) = parts.index.folders()
    stop, failures = threading.Event(), []

    def write_documents() -> None:
        version = DocumentVersion(folder / "b.md", 1, 1, "digest", "b")
        try:
            with Index(locations.index_file) as index, indexing_lock(locations):
                while not stop.is_set():
                    index.list_documents(listed.id, [version])
                    index.remove_document(version.path)
        except Exception as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    writer = threading.Thread(target=write_documents)
    writer.start()
    try:
        forget_folder(parts, folder)
    finally:
        stop.set()
        writer.join()
    assert parts.index.folders() == []
    assert parts.index.documents() == []
    assert num_files(parts) == 0
    assert [type(failure) for failure in failures] in ([], [UnknownFolder])


def test_pinned_documents_are_known_to_be(parts: Parts, put):
    path, other = put("a.md", "one"), put("b.md", "two")
    pin(parts, [path], pinned=True)
    assert {each.path: each.is_pinned for each in read_overview(parts, [MINE]).documents} == {path: True, other: False}
    pin(parts, [path, other], pinned=False)
    assert read_overview(parts, [MINE]).totals.num_pinned == 0


def test_documents_are_steeped_again_for_the_model_in_use_alone(parts: Parts, put):
    path, other = put("a.md", "one", "two", steeped_for=(MINE, OTHER)), put("b.md", "three")
    assert steep_again(parts, [path], [MINE]) == 2
    steeped = {each.path: each.num_steeped_chunks for each in read_overview(parts, [MINE]).documents}
    assert steeped == {path: 0, other: 1}
    assert read_overview(parts, [OTHER]).totals.num_steeped_chunks == 2
    assert num_files(parts) == 3
    assert steep_again(parts, [path, other], [MINE, OTHER]) == 3, "both that a model has, where it has two"
