"""Every trace that a document can leave is left on purpose, found, and found no more once it is purged."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from storage import vectors
from storage.content_key import text_digest
from storage.index import Index
from storage.store import StateStore
from storage.traces import TraceSearch, find_words
from storage.values import ChunkState, ChunkText, DocumentVersion, Folder, Turn
from storage.vectors import VectorStore

MakeState = Callable[..., ChunkState]
MakeVersion = Callable[..., DocumentVersion]
MakeTexts = Callable[..., list[ChunkText]]
Traces = Callable[..., dict[str, list[str]]]

DOCS = Path("/docs").absolute()
DOCUMENT = DOCS / "a"
EMBEDDER = "e" * 32


@pytest.fixture
def folder(index: Index, version: MakeVersion, texts: MakeTexts) -> Folder:
    """With two documents that share a text."""
    watched = index.add_folder(DOCS)
    index.put_document(watched.id, version(DOCUMENT), texts("shared", "secret"))
    index.put_document(watched.id, version(DOCS / "b"), texts("shared"))
    return watched


@pytest.fixture
def vectors_root(tmp_path: Path) -> Path:
    return tmp_path / "data" / "vectors"


@pytest.fixture
def traces(tmp_path: Path, index: Index, vectors_root: Path) -> Traces:
    """What is left of a path, by the first word of the place; only where there is something."""

    def find(path: Path = DOCUMENT) -> dict[str, list[str]]:
        search = TraceSearch(index, tmp_path / "data" / "kv", vectors_root, path)
        return {look.place.split()[0]: list(look.traces) for look in search.looks() if look.traces}

    return find


def account(*quoted: Path) -> str:
    quote = {"start": 0, "end": 6, "text": "secret"}
    sources = [{"path": str(path), "heading": "H", "quote": quote} for path in quoted]
    return json.dumps({"mode": "blend", "sources": sources, "seconds": 1.5})


@pytest.mark.usefixtures("folder")
class TestTraces:
    def test_a_document_that_is_listed_is_one(self, traces: Traces):
        assert traces() == {"folders": [f"{DOCUMENT} is listed, with 2 chunks of text"]}
        assert len(traces(DOCS)["folders"]) == 3, "the folder, and both"
        assert traces(DOCS / "c") == {}

    def test_deleted_text_is_one_until_it_is_cleared(self, index: Index, traces: Traces):
        index.remove_document(DOCUMENT)
        assert list(traces()) == ["search"]
        index.compact()
        assert traces() == {}

    def test_rows_and_words_without_a_document_are_traces(self, index: Index, traces: Traces):
        index._rows("PRAGMA foreign_keys = OFF")
        index._rows("DROP TRIGGER chunks_fts_delete")
        index._rows("DELETE FROM chunks WHERE text = 'secret'")
        index._rows("DELETE FROM documents WHERE path = ?", str(DOCUMENT))
        assert len(traces()["search"]) == 2

    def test_states_go_with_the_last_document_that_says_the_same(
        self, index: Index, store: StateStore, make_state: MakeState, traces: Traces
    ):
        shared, alone = make_state((1,)), make_state((2,))
        first, second, third = index.chunks()
        store.put(shared, chunk_ids=[first.id, third.id])
        store.put(alone, chunk_ids=[second.id])
        index.remove_document(DOCUMENT)
        index.compact()
        assert traces() == {"chunk": [f"{store.path_of(alone.key)} is of a text that is gone"]}
        store.purge_unlinked()
        assert traces() == {}
        assert store.contains(shared.key)

    def test_files_of_nobody_are_traces(
        self, index: Index, store: StateStore, make_state: MakeState, dead_pid: int, traces: Traces
    ):
        state = make_state((1,))
        store.put(state)
        index.forget_state(state.key)
        store.path_of(state.key).with_name(f".x.kv.{dead_pid}.{'0' * 16}.tmp").touch()
        index.remove_document(DOCUMENT)
        index.compact()
        assert len(traces()["chunk"]) == 2
        os.utime(store.path_of(state.key), (0, 0))
        store.sweep()
        assert traces() == {}

    def test_a_memory_of_a_conversation_goes_with_what_it_holds(
        self, index: Index, store: StateStore, make_state: MakeState, traces: Traces
    ):
        talk = index.start_conversation("Tea")
        memory = make_state((5, 6), start_position=0)
        assert store.keep_conversation(talk.id, 1, "[]", [index.chunks()[1].id], memory) == ""
        index.remove_document(DOCUMENT)
        index.compact()
        assert len(traces()["chunk"]) == 1
        store.purge_unlinked()
        assert traces() == {}

    def test_vectors_are_traces_until_they_are_overwritten(self, index: Index, vectors_root: Path, traces: Traces):
        store = VectorStore(vectors_root, index, EMBEDDER)
        store.put([text_digest(None, "secret")], np.array([[0.6, 0.8]], np.float32))
        index.remove_document(DOCUMENT)
        index.compact()
        assert len(traces()["vectors"]) == 1
        vectors.purge(vectors_root, index)
        assert traces() == {}
        assert not any(store.path.read_bytes())

    def test_numbers_that_the_index_does_not_list_are_erased(self, index: Index, vectors_root: Path, traces: Traces):
        store = VectorStore(vectors_root, index, EMBEDDER)
        store.put([text_digest(None, "shared")], np.array([[0.6, 0.8]], np.float32))
        with store.path.open("ab") as file:
            file.write(b"\0\x3c\0\0")
        unknown = vectors_root / f"{'f' * 32}.f16"
        unknown.write_bytes(b"\0\x3c")
        assert len(traces(DOCS / "c")["vectors"]) == 2
        vectors.erase_unlisted(vectors_root, index)
        assert traces(DOCS / "c") == {}
        assert not unknown.exists()
        assert [hit.chunk.chunk.text for hit in store.search(np.array([0.6, 0.8], np.float32), 9)] == ["shared"] * 2

    def test_quotes_go_with_their_document_and_answers_stay(self, index: Index, traces: Traces, tmp_path: Path):
        talk = index.start_conversation("Tea")
        both, other = account(DOCUMENT, DOCS / "b"), account(DOCS / "b")
        index.put_turn(Turn(talk.id, 0, "What?", "The answer.", both, 1))
        index.put_turn(Turn(talk.id, 1, "And?", "Another.", other, 2))
        index.put_turn(Turn(talk.id, 2, "And?", "Broken.", "no json", 3))
        assert len(traces()["quotes"]) == 1
        index.remove_document(DOCUMENT)
        index.compact()
        assert traces() == {}
        first, second, third = index.turns(talk.id)
        gone, kept = json.loads(first.account)["sources"]
        assert (gone["quote"], gone["heading"], kept["heading"]) == (None, None, "H")
        assert (first.answer, json.loads(first.account)["seconds"]) == ("The answer.", 1.5)
        assert (second.account, third.account) == (other, "no json")
        search = TraceSearch(index, tmp_path / "data" / "kv", tmp_path, DOCUMENT)
        assert search.num_turns_kept == 1

    def test_who_says_the_same_is_told(self, index: Index):
        talk = index.start_conversation("Tea")
        index.put_turn(Turn(talk.id, 0, "What?", "It is a secret.", "{}", 1))
        assert index.who_says("secret") == [str(DOCUMENT), "the conversation Tea"]
        assert index.who_says("unheard of") == []


def test_words_are_found_in_bytes_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("storage.traces._BLOCK_BYTES", 300)
    path = tmp_path / "file"
    path.write_bytes(bytes(295) + "déjà vu".encode() + bytes(900) + b"again")
    found = list(find_words([path, tmp_path / "gone"], ["déjà vu", "again", "never"]))
    assert found == [(path, "again"), (path, "déjà vu")]
