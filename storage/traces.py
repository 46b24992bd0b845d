"""Looks for what is still kept of documents that are to be gone: the proof that a purge purged. Changes nothing.

What it looks at, and why that is all there is: text lies in rows of documents and chunks, in the search table made of
them, in the write-ahead log and in free space of the index (cleared by `Index.compact`, which notes until then that it
is due), and in quotes of conversations. What a model made of text lies in chunk states and memories of conversations,
each with a row, and in vectors. So when no row says that a document is there, nothing may be left that no document
accounts for.

Questions and answers are the user's own and stay, though they may repeat what a document said: `num_turns_kept`.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from storage import chunk_file, vectors
from storage.index import Index
from storage.inventory import fingerprint_folders, path_of
from storage.values import StateKey

_NUM_OVERLAP_BYTES = 256
"""Of two blocks of a file; no words that are looked for are longer."""

_BLOCK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Look:
    """One kind of place, and the traces in it, as sentences without full stop; none: there is nothing left."""

    place: str
    traces: tuple[str, ...]


class TraceSearch:
    """See the module. Belongs to the thread of its Index. `path` is an absolute one, of a document or folder that need
    not exist."""

    def __init__(self, index: Index, states_root: Path, vectors_root: Path, path: Path) -> None:
        self._index, self._states_root, self._vectors_root, self._path = index, states_root, vectors_root, path

    def looks(self) -> Iterator[Look]:
        """One after the other; takes seconds for a large index."""
        yield Look("folders and documents in the index", tuple(self._documents()))
        yield Look("search tables and deleted text in the index", tuple(self._search()))
        yield Look("chunk states and memories of conversations", tuple(self._states()))
        yield Look("vectors", tuple(self._vectors()))
        yield Look("quotes in conversations", tuple(self._quotes()))

    @property
    def num_turns_kept(self) -> int:
        """Questions and answers that came from it."""
        return len(self._index.turns_from(self._path))

    def _documents(self) -> Iterator[str]:
        for folder in self._index.folders():
            if folder.path.is_relative_to(self._path):
                yield f"{folder.path} is watched"
            elif self._path.is_relative_to(folder.path) and os.path.lexists(self._path):
                yield f"{self._path} is there, and lies in {folder.path}, which is watched"
        for document in self._index.documents(below=self._path):
            yield f"{document.path} is listed, with {document.num_chunks:,} chunks of text"

    def _search(self) -> Iterator[str]:
        for table, number in self._index.dangling_rows().items():
            yield f"{table} has {number:,} rows that belong to nothing any more"
        for table in self._index.damaged_search_tables():
            yield f"{table} has words that no text has"
        if self._index.holds_deleted_text():
            yield "text was deleted that was not cleared from the search tables and the log yet"

    def _states(self) -> Iterator[str]:
        unlinked = set(self._index.unlinked_states())
        for key in sorted(unlinked, key=lambda key: key.digest):
            yield f"{self._path_of(key)} is of a text that is gone"
        recorded = {os.fspath(self._path_of(key)) for key in self._index.state_keys()}
        for folder in fingerprint_folders(self._states_root):
            for name in sorted(folder.chunk_files().keys() - recorded):
                yield f"{name} is a state that the index does not list"
        for path in sorted(chunk_file.stray_temporaries(self._states_root)):
            yield f"{path} was left by a writer that was killed"

    def _path_of(self, key: StateKey) -> str:
        return path_of(os.fspath(self._states_root), key)

    def _vectors(self) -> Iterator[str]:
        if number := self._index.count_unused_vectors():
            yield f"{number:,} vectors are of texts that are gone"
        for path in sorted(self._vectors_root.glob("*.f16")):
            if number := len(vectors.unlisted_rows(path, self._index)):
                yield f"{path} has {number:,} vectors that the index does not list"

    def _quotes(self) -> Iterator[str]:
        quoting = [turn for turn in self._index.turns_from(self._path) if turn.quotes]
        for conversation_id in sorted({turn.conversation_id for turn in quoting}):
            conversation = self._index.conversation(conversation_id)
            number = sum(turn.conversation_id == conversation_id for turn in quoting)
            yield f"{number:,} answers in the conversation {conversation.title if conversation else ''!r} quote it"


def find_words(files: Iterable[Path], words: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Which files have which of the words in their very bytes; words of at most 256 bytes."""
    wanted = [(each, each.encode()) for each in words]
    for path in files:
        yield from ((path, found) for found in _found_in(path, wanted))


def _found_in(path: Path, wanted: Sequence[tuple[str, bytes]]) -> Iterator[str]:
    found: set[str] = set()
    with suppress(FileNotFoundError), path.open("rb") as file:  # gone meanwhile
        before = b""
        while block := file.read(_BLOCK_BYTES):
            data = before + block
            found.update(text for text, words in wanted if text not in found and words in data)
            before = data[-_NUM_OVERLAP_BYTES:]
    yield from sorted(found)
