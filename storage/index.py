"""The index: folders, documents, chunks, their search, and which chunk states are on disk. All SQL is here.

One `Index` is one SQLite connection. It belongs to the thread that made it: any other gets
sqlite3.ProgrammingError. Each thread (and process) opens its own; that takes about a millisecond. Rows leave
as values. Every method that writes is one transaction; when it returns, the change survives a power cut.

WAL, so that a question reads while documents are indexed. `synchronous=FULL`, although WAL stays consistent
with NORMAL: NORMAL may forget the last commits in a power cut, and a folder that we said was removed must
not come back with its text. The price is one sync per transaction, little beside the megabytes of a chunk
state. A writer waits up to 30 s for another one. Transactions begin IMMEDIATE: one that reads first and
writes later could otherwise fail at once when another process wrote in between, without waiting.

Files and rows. Chunk states are files; a row of `states` says that one is there. A kill between the two
steps leaves one without the other, so both are harmless and found later: a row without a file is a miss,
which removes the row; a file without a row gets it back when it is read, or goes with `StateStore.sweep`.
Removing a folder therefore removes documents, chunks and links in one transaction but leaves the rows of
their states: `unlinked_states` lists them, now or after a kill, until the files are gone and
`forget_unlinked` was called.

Private text: the file and its folder are for the owner only (0600, 0700), deleted rows are overwritten
(secure_delete), and `compact` clears what full text search and the log still hold of deleted text. That there is such
text is noted with its deletion (`holds_deleted_text`), so that a killed program's is cleared by the next one.

Errors: StoreUnusable for what SQLite or the system refuse (full, read-only, damaged, locked for 30 s),
IndexTooNew, FolderConflict, UnknownFolder. sqlite3.ProgrammingError and IntegrityError are our mistakes and
rise as they are.
"""

import contextlib
import itertools
import json
import os
import sqlite3
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from storage import migrations, private_folder
from storage.columns import any_of, as_json, inside, now, path_in, path_out, storable
from storage.content_key import text_digest
from storage.conversation_index import IS_DOOMED, ConversationIndex
from storage.errors import FolderConflict, IndexTooNew, StoreUnusable, UnknownFolder
from storage.eviction import HALF_LIFE_SECONDS, faded
from storage.gate_index import GateIndex
from storage.search_words import name_words, separated
from storage.values import (
    Backlog,
    ChunkText,
    Document,
    DocumentStage,
    DocumentStanding,
    DocumentVersion,
    Folder,
    Hit,
    KeptState,
    StateKey,
    StateRole,
    StoreCounts,
    StoredChunk,
    TextWithoutVector,
)

BUSY_TIMEOUT_SECONDS = 30
"""How long a writer waits for another; the longest transaction puts one large document, about a second."""

HEADING_WEIGHT = 2.0
"""A word in a heading counts as two in the text: headings say what a passage is about. Sane: 1 to 5."""

PAGE_BYTES = 16384
"""Of a new index. A chunk's row takes 2 to 3 KB, mostly text. A page of 4096 bytes, SQLite's usual, holds one of them
and leaves 1.7 KB empty; of 8192, three (0.6 KB each); of this size, six or seven (0.3 KB). Each change writes whole
pages: 100 KB for a chunk's state, beside its megabytes."""

NAME_WEIGHT = 1.0
"""A word in the document's name counts as one in the text. Over 1,679 sections of a tutorial, questions made of a
section's heading found it among the first ten hits in 87 of 100 cases (0: 76, 0.5: 87, 3: 86), questions that name the
document and two of its words in 99 (0: 92, 3: 99), questions that do not name it in 84 (0: 84, 3: 82)."""

_Row = tuple[Any, ...]

# `PRAGMA user_version`, which SQLite leaves to programs, says whether text was deleted since `compact`.
_ALL_CLEARED, _TEXT_DELETED, _LOG_TO_BE_CLEARED = 0, 1, 2

_CREATION = threading.Lock()

_CHUNK_COLUMNS = """chunks.id, documents.path, documents.title, chunks.ordinal,
    chunks.start, chunks."end", chunks.page, chunks.heading, chunks.text, chunks.num_tokens"""

_DOCUMENT_COLUMNS = """id, folder_id, path, num_bytes, mtime_ns, content_digest, title, error,
    (SELECT count(*) FROM chunks WHERE document_id = documents.id), indexed_at, last_used_at, is_pinned"""

_UNLINKED = f"""(role = 'chunk' AND NOT EXISTS (
    SELECT 1 FROM chunk_states AS link
    WHERE link.fingerprint = states.fingerprint AND link.digest = states.digest)
OR role = 'conversation' AND NOT EXISTS (
    SELECT 1 FROM conversation_states AS remembered
    WHERE remembered.fingerprint = states.fingerprint AND remembered.digest = states.digest AND NOT {IS_DOOMED}))"""  # noqa: S608

_IS_PINNED = """EXISTS (
    SELECT 1 FROM chunk_states AS link JOIN chunks ON chunks.id = link.chunk_id
    JOIN documents ON documents.id = chunks.document_id
    WHERE link.fingerprint = states.fingerprint AND link.digest = states.digest AND documents.is_pinned)"""

_RECENCY = "max(documents.last_used_at, documents.mtime_ns / 1000000000)"
"""When a document was last used or changed: what was used or changed last is what will be asked for next."""

_WITHOUT_STATE = """NOT EXISTS (
    SELECT 1 FROM chunk_states AS link WHERE link.chunk_id = chunks.id AND link.fingerprint = ?1)"""

_WITHOUT_VECTOR = """NOT EXISTS (
    SELECT 1 FROM vectors WHERE vectors.fingerprint = ?1 AND vectors.text_digest = chunks.text_digest)"""

_UNUSED_VECTOR = """text_digest IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM chunks WHERE chunks.text_digest = vectors.text_digest)"""

_REREAD = "Move the file away, then add your folders again: chunk states that are still there are used again."
_ADVICE = {
    sqlite3.SQLITE_NOTADB: f"It is not an index, or it is damaged. {_REREAD}",
    sqlite3.SQLITE_CORRUPT: f"It is damaged. {_REREAD}",
    sqlite3.SQLITE_FULL: "The disk is full: make room and try again.",
    sqlite3.SQLITE_READONLY: "It is read-only: make the file and its folder writable.",
    sqlite3.SQLITE_BUSY: "Another program keeps it locked: stop that one and try again.",
}
_OTHER_ADVICE = "Check the free space of its disk, and that the file and its folder can be read and written."


class Index(ConversationIndex, GateIndex):
    """See the module, and its bases for conversations and for verdicts on models.

    Use as a context manager, or call `close`; closing twice is harmless.
    """

    def __init__(self, path: Path) -> None:
        """Opens the index at `path`; creates what is missing and brings an older schema up to date."""
        self.path = path
        self._connection = _open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    # Folders

    def add_folder(self, path: Path) -> Folder:
        """Watches a folder, given as an absolute and resolved path.

        FolderConflict when it is watched already, inside a watched folder or around one.
        """
        if not path.is_absolute() or ".." in path.parts:
            raise ValueError(f"a watched folder is an absolute, resolved path, got {path}")
        with self._writing() as db:
            _refuse_overlap(path, [path_out(row[0]) for row in db.execute("SELECT path FROM folders ORDER BY id")])
            added_at = now()
            cursor = db.execute("INSERT INTO folders(path, added_at) VALUES (?, ?)", (path_in(path), added_at))
            assert cursor.lastrowid is not None, "an INSERT has a rowid"
            return Folder(cursor.lastrowid, path, added_at)

    def folders(self) -> list[Folder]:
        """The watched folders in the order they were added."""
        rows = self._rows("SELECT id, path, added_at FROM folders ORDER BY id")
        return [Folder(row[0], path_out(row[1]), row[2]) for row in rows]

    def remove_folder(self, path: Path) -> tuple[StateKey, ...]:
        """Stops watching, forgets the folder's documents; returns the states that nothing uses any more.

        Their rows stay until the files are gone (see the module): `StateStore.purge_unlinked` does both. `compact` at
        the end clears what the deleted text left.
        """
        with self._writing() as db:
            if not db.execute("DELETE FROM folders WHERE path = ?", (path_in(path),)).rowcount:
                raise UnknownFolder(self._unknown_folder(path))
            _note_deletion(db, _TEXT_DELETED)
        return tuple(self.unlinked_states())

    def _unknown_folder(self, path: Path) -> str:
        watched = ", ".join(str(folder.path) for folder in self.folders()) or "none"
        return f"{path} is not a watched folder; these are: {watched}."

    # Documents

    def documents(self, folder_id: int | None = None, below: Path | None = None) -> list[Document]:
        """The documents of one folder, or all, by path; those that could not be read too.

        `below` is a file or folder: only that document, or those inside.
        """
        # Two conditions, because "?2 IS NULL OR" would keep SQLite from looking paths up.
        where, places = "?1 IS NULL OR folder_id = ?1", ()
        if below is not None:
            where = f"({where}) AND (path = ?2 OR path > ?3 AND path < ?4)"
            places = (path_in(below), *inside(below))
        rows = self._rows(
            f"SELECT {_DOCUMENT_COLUMNS} FROM documents WHERE {where} ORDER BY path",  # noqa: S608
            folder_id,
            *places,
        )
        return [_document(row) for row in rows]

    def unreadable_documents(self) -> list[Document]:
        """Those that could not be read, by path."""
        rows = self._rows(f"SELECT {_DOCUMENT_COLUMNS} FROM documents WHERE error IS NOT NULL ORDER BY path")  # noqa: S608
        return [_document(row) for row in rows]

    def document(self, path: Path) -> Document | None:
        rows = self._rows(f"SELECT {_DOCUMENT_COLUMNS} FROM documents WHERE path = ?", path_in(path))  # noqa: S608
        return _document(rows[0]) if rows else None

    def list_documents(self, folder_id: int, versions: Iterable[DocumentVersion]) -> None:
        """Lists documents that were found and wait to be read; those that are listed stay as they are."""
        with self._writing() as db:
            _require_folder(db, folder_id, "The documents were not listed")
            db.executemany(
                """INSERT INTO documents(folder_id, path, num_bytes, mtime_ns, content_digest, title, indexed_at)
                VALUES (?, ?, ?, ?, '', ?, ?) ON CONFLICT(path) DO NOTHING""",
                ((folder_id, path_in(v.path), v.num_bytes, v.mtime_ns, storable(v.title), now()) for v in versions),
            )

    def put_document(self, folder_id: int, version: DocumentVersion, chunks: Sequence[ChunkText]) -> None:
        """Makes `chunks` the document's chunks, all or nothing.

        A chunk whose heading and text were there before keeps its id, and with it the link to its state;
        the same text twice counts as two. A new chunk gets the states of any chunk with the same heading and
        text, in whatever document: a moved, copied or renamed document is steeped already, as long as its old
        place is removed later. UnknownFolder when the folder was removed meanwhile.
        """
        with self._writing() as db:
            document_id = _put_version(db, folder_id, version, error=None)
            _replace_chunks(db, document_id, chunks, name_words(version.title, version.path))
            _warm_states(db, document_id, min(now(), version.mtime_ns // 10**9))

    def fail_document(self, folder_id: int, version: DocumentVersion, error: str) -> None:
        """Lists the document with the reason why it could not be read, and without chunks."""
        with self._writing() as db:
            document_id = _put_version(db, folder_id, version, error)
            _replace_chunks(db, document_id, (), "")

    def remove_document(self, path: Path) -> bool:
        """Forgets the document and its chunks; False when it was not there. States: as in `remove_folder`."""
        with self._writing() as db:
            _note_deletion(db, _TEXT_DELETED)
            return bool(db.execute("DELETE FROM documents WHERE path = ?", (path_in(path),)).rowcount)

    def compact(self) -> None:
        """Clears deleted text from the search index and the write-ahead log, which keep it until rewritten, and from
        the accounts of conversations, which quote it.

        Takes about two seconds per 100 MB of text: once after many removals. If somebody reads meanwhile, the
        log is cleared by a later call, or when the last connection closes.
        """
        self.forget_quotes()
        with self._writing() as db:
            db.execute("INSERT INTO chunks_fts(chunks_fts) VALUES ('optimize')")
            _note_deletion(db, _LOG_TO_BE_CLEARED)
        with _sqlite_errors(self.path):
            # The search table was written anew, and as much is free now. A script, because `execute` frees one page.
            self._connection.executescript("PRAGMA incremental_vacuum")
        if not self._compact_turns():
            return
        with self._writing() as db:
            if _noted_deletion(db) == _LOG_TO_BE_CLEARED:  # and no text was deleted meanwhile
                _note_deletion(db, _ALL_CLEARED)

    def holds_deleted_text(self) -> bool:
        """Whether text of documents was deleted since the last `compact` that cleared everything."""
        return self._rows("PRAGMA user_version")[0][0] != _ALL_CLEARED

    # Chunks

    def chunks(self, document_path: Path | None = None) -> list[StoredChunk]:
        """The chunks of one document, or all, in (document, ordinal) order."""
        rows = self._rows(
            f"""SELECT {_CHUNK_COLUMNS} FROM chunks JOIN documents ON documents.id = chunks.document_id
            WHERE ?1 IS NULL OR documents.path = ?1 ORDER BY documents.id, chunks.ordinal""",  # noqa: S608
            None if document_path is None else path_in(document_path),
        )
        return [_stored_chunk(row) for row in rows]

    def chunk_at(self, document_path: Path, ordinal: int) -> StoredChunk | None:
        rows = self._rows(
            f"""SELECT {_CHUNK_COLUMNS} FROM chunks JOIN documents ON documents.id = chunks.document_id
            WHERE documents.path = ? AND chunks.ordinal = ?""",  # noqa: S608
            path_in(document_path),
            ordinal,
        )
        return _stored_chunk(rows[0]) if rows else None

    def chunks_with_ids(self, chunk_ids: Iterable[int]) -> list[StoredChunk]:
        """Those of the chunks that are still there."""
        rows = self._rows(
            f"""SELECT {_CHUNK_COLUMNS} FROM json_each(?) AS wanted CROSS JOIN chunks ON chunks.id = wanted.value
            JOIN documents ON documents.id = chunks.document_id""",  # noqa: S608
            json.dumps(list(chunk_ids)),
        )
        return [_stored_chunk(row) for row in rows]

    def first_chunks(self, limit: int, document_ids: Collection[int] | None = None) -> list[StoredChunk]:
        """The beginnings of at most `limit` documents, those whose files changed last first."""
        rows = self._rows(
            f"""SELECT {_CHUNK_COLUMNS} FROM documents JOIN chunks ON chunks.document_id = documents.id
            WHERE chunks.ordinal = 0 AND (?1 IS NULL OR documents.id IN (SELECT value FROM json_each(?1)))
            ORDER BY documents.mtime_ns DESC, documents.id LIMIT ?2""",  # noqa: S608
            as_json(document_ids),
            max(limit, 0),
        )
        return [_stored_chunk(row) for row in rows]

    def search(self, terms: Sequence[str], limit: int, document_ids: Collection[int] | None = None) -> list[Hit]:
        """The best `limit` chunks with any of the words, best first; of these documents only, if they are given.

        A chunk has the words of its text, its heading and its document's name. Terms are text, never query syntax.
        """
        query = any_of(terms)
        if not query or limit < 1:
            return []
        rows = self._rows(
            # The texts of the best only are read: "the" is in every chunk.
            f"""WITH best AS (
                SELECT chunks_fts.rowid AS id, bm25(chunks_fts, {HEADING_WEIGHT}, 1.0, {NAME_WEIGHT}) AS badness
                FROM chunks_fts
                WHERE chunks_fts MATCH ?1 AND (?3 IS NULL OR +chunks_fts.rowid IN (
                    SELECT id FROM chunks WHERE document_id IN (SELECT value FROM json_each(?3))))
                ORDER BY badness, id LIMIT ?2)
            SELECT {_CHUNK_COLUMNS}, badness
            FROM best JOIN chunks ON chunks.id = best.id JOIN documents ON documents.id = chunks.document_id
            ORDER BY badness, chunks.id""",  # noqa: S608
            query,
            limit,
            as_json(document_ids),
        )
        return [Hit(_stored_chunk(row[:-1]), -row[-1]) for row in rows]

    def chunks_without_state(self, fingerprint: str, limit: int = -1) -> list[StoredChunk]:
        """The chunks still to be steeped for a fingerprint, those worth most first; at most `limit`, −1: all.

        What was used or changed last is worth most: it is what will be asked for next. Pinned documents come before.
        """
        rows = self._rows(
            f"""SELECT {_CHUNK_COLUMNS} FROM chunks JOIN documents ON documents.id = chunks.document_id
            WHERE {_WITHOUT_STATE}
            ORDER BY documents.is_pinned DESC, {_RECENCY} DESC, documents.id, chunks.ordinal
            LIMIT ?2""",  # noqa: S608
            fingerprint,
            limit,
        )
        return [_stored_chunk(row) for row in rows]

    def stage_counts(self, fingerprint: str | None = None) -> dict[DocumentStage, int]:
        """How many documents are at which stage; steeped for one fingerprint, or for any when none is given."""
        rows = self._rows(
            """SELECT
                CASE
                    WHEN error IS NOT NULL THEN 'unreadable'
                    WHEN content_digest = '' THEN 'found'
                    WHEN EXISTS (
                        SELECT 1 FROM chunks WHERE document_id = documents.id AND NOT EXISTS (
                            SELECT 1 FROM chunk_states AS link
                            WHERE link.chunk_id = chunks.id AND (?1 IS NULL OR link.fingerprint = ?1)
                        )
                    ) THEN 'searchable'
                    ELSE 'steeped'
                END AS stage, count(*)
            FROM documents GROUP BY stage""",
            fingerprint,
        )
        return dict.fromkeys(DocumentStage, 0) | {DocumentStage(stage): number for stage, number in rows}

    def backlog(self, *fingerprints: str) -> Backlog:
        """How much `chunks_without_state` would list for each of them, added up."""
        sql = f"SELECT count(*), coalesce(sum(num_tokens), 0) FROM chunks WHERE {_WITHOUT_STATE}"  # noqa: S608
        found = [self._rows(sql, fingerprint)[0] for fingerprint in fingerprints]
        return Backlog(sum(num_chunks for num_chunks, _ in found), sum(num_tokens for _, num_tokens in found))

    def standings(self, fingerprint: str | None = None, *others: str) -> list[DocumentStanding]:
        """How far each document has come, by path; for one fingerprint, or for any when none is given. Of the others
        only the bytes count, too."""
        # A chunk has one state of one fingerprint: only several have to be told apart, at twice the time.
        condition, each, steeped = "link.fingerprint = ?1", "", "link.chunk_id"
        if others:
            condition = "(link.fingerprint = ?1 OR link.fingerprint IN (SELECT value FROM json_each(?2)))"
            each, steeped = "DISTINCT ", "iif(link.fingerprint = ?1, link.chunk_id, NULL)"
        elif fingerprint is None:
            condition, each = "true", "DISTINCT "
        rows = self._rows(
            f"""WITH parts AS (
                SELECT chunks.document_id, count({each}chunks.id) AS num_chunks,
                    count({each}{steeped}) AS num_steeped, sum(states.num_bytes) AS num_bytes
                FROM chunks LEFT JOIN chunk_states AS link ON link.chunk_id = chunks.id AND {condition}
                LEFT JOIN states USING (fingerprint, digest)
                GROUP BY chunks.document_id)
            SELECT path, folder_id, error, content_digest, coalesce(num_chunks, 0), coalesce(num_steeped, 0),
                coalesce(parts.num_bytes, 0), documents.num_bytes, is_pinned
            FROM documents LEFT JOIN parts ON parts.document_id = documents.id ORDER BY path""",  # noqa: S608
            *([fingerprint] if fingerprint else []),
            *([json.dumps(others)] if others else []),
        )
        return [_standing(row) for row in rows]

    def pin(self, paths: Iterable[Path], pinned: bool) -> None:
        """Whether documents are steeped before the others, and keep their states; unknown ones are left out."""
        with self._writing() as db:
            db.executemany(
                "UPDATE documents SET is_pinned = ? WHERE path = ?", [(int(pinned), path_in(path)) for path in paths]
            )

    def note_use(self, chunk_ids: Iterable[int], *fingerprints: str) -> None:
        """Notes that a model made an answer from these chunks, now: one more use of each one's states, and all states
        of their documents count as recently used. One transaction: call it once per answer, after it."""
        moment, ids = now(), json.dumps(list(chunk_ids))
        with self._writing() as db:
            used = "SELECT document_id FROM chunks WHERE id IN (SELECT value FROM json_each(?))"
            document_ids = [row[0] for row in db.execute(f"{used} GROUP BY document_id", (ids,))]
            for document_id in document_ids:
                db.execute("UPDATE documents SET last_used_at = ? WHERE id = ?", (moment, document_id))
                for fingerprint in fingerprints:
                    _warm_states(db, document_id, moment, fingerprint)
            db.executemany(
                """UPDATE states SET num_hits = num_hits + 1 WHERE fingerprint = ?1 AND digest IN (
                    SELECT digest FROM chunk_states WHERE fingerprint = ?1 AND chunk_id IN (
                        SELECT value FROM json_each(?2)))""",
                [(fingerprint, ids) for fingerprint in fingerprints],
            )
            db.executemany(
                "UPDATE states SET last_used_at = ? WHERE role = 'preamble' AND fingerprint = ?",
                [(moment, fingerprint) for fingerprint in fingerprints],
            )

    # States

    def record_state(
        self, key: StateKey, role: StateRole, num_tokens: int, num_bytes: int, chunk_ids: Iterable[int] = ()
    ) -> None:
        """Notes that a state's file is there and links chunks to it, skipping those that are gone meanwhile.

        It counts as used when its documents were last used or changed: what waited longest to be steeped, because it is
        worth least, must not look newest. A state once recorded as a preamble stays one.
        """
        chunk_ids = list(chunk_ids)
        with self._writing() as db:
            db.execute(
                f"""INSERT INTO states(
                    fingerprint, digest, role, num_tokens, num_bytes, created_at, last_used_at)
                SELECT ?1, ?2, ?3, ?4, ?5, ?6, coalesce(min(?6, max({_RECENCY})), ?6)
                FROM json_each(?7) AS wanted CROSS JOIN chunks ON chunks.id = wanted.value
                JOIN documents ON documents.id = chunks.document_id WHERE true
                ON CONFLICT(fingerprint, digest) DO UPDATE SET
                    role = iif(excluded.role = 'preamble', 'preamble', role),
                    num_tokens = excluded.num_tokens, num_bytes = excluded.num_bytes,
                    num_hits = faded(num_hits, excluded.last_used_at - last_used_at),
                    last_used_at = max(last_used_at, excluded.last_used_at)""",  # noqa: S608
                (key.fingerprint, key.digest, role, num_tokens, num_bytes, now(), json.dumps(chunk_ids)),
            )
            db.executemany(
                """INSERT INTO chunk_states(chunk_id, fingerprint, digest)
                SELECT id, ?, ? FROM chunks WHERE id = ?
                ON CONFLICT(chunk_id, fingerprint) DO UPDATE SET digest = excluded.digest""",
                [(key.fingerprint, key.digest, chunk_id) for chunk_id in chunk_ids],
            )

    def has_state(self, key: StateKey) -> bool:
        return bool(
            self._rows("SELECT 1 FROM states WHERE fingerprint = ? AND digest = ?", key.fingerprint, key.digest)
        )

    def forget_state(self, key: StateKey) -> None:
        """Removes the row and its links: the chunks are without state again."""
        self.forget_states([key])

    def forget_unlinked(self, keys: Iterable[StateKey]) -> None:
        """Removes the rows of those states that still nothing uses; a link made meanwhile wins."""
        with self._writing() as db:
            db.executemany(
                f"DELETE FROM states WHERE fingerprint = ? AND digest = ? AND {_UNLINKED}",  # noqa: S608
                [(key.fingerprint, key.digest) for key in keys],
            )

    def forget_states(self, keys: Iterable[StateKey]) -> None:
        """`forget_state` for many, in one transaction."""
        with self._writing() as db:
            db.executemany(
                "DELETE FROM states WHERE fingerprint = ? AND digest = ?",
                [(key.fingerprint, key.digest) for key in keys],
            )

    def unlinked_states(self, unused_since: int | None = None) -> list[StateKey]:
        """States of what is gone, and doomed ones; or those of them that were not used since a moment. No preambles."""
        rows = self._rows(
            f"""SELECT fingerprint, digest FROM states
            WHERE {_UNLINKED} AND (?1 IS NULL OR max(created_at, last_used_at) < ?1)""",  # noqa: S608
            unused_since,
        )
        return [StateKey(*row) for row in rows]

    def is_unlinked(self, key: StateKey) -> bool:
        """Whether `unlinked_states` would list it."""
        sql = f"SELECT 1 FROM states WHERE fingerprint = ? AND digest = ? AND {_UNLINKED}"  # noqa: S608
        return bool(self._rows(sql, key.fingerprint, key.digest))

    def state_keys(self, fingerprint: str | None = None) -> list[StateKey]:
        """The states on record for a fingerprint, or all."""
        rows = self._rows("SELECT fingerprint, digest FROM states WHERE ?1 IS NULL OR fingerprint = ?1", fingerprint)
        return [StateKey(*row) for row in rows]

    def states_of_document(self, path: Path, fingerprint: str) -> list[StateKey]:
        """The states of its chunks."""
        rows = self._rows(
            """SELECT DISTINCT link.digest FROM documents JOIN chunks ON chunks.document_id = documents.id
            JOIN chunk_states AS link ON link.chunk_id = chunks.id AND link.fingerprint = ?2
            WHERE documents.path = ?1""",
            path_in(path),
            fingerprint,
        )
        return [StateKey(fingerprint, digest) for (digest,) in rows]

    def state_bytes(self) -> dict[StateRole, int]:
        """Bytes of all files on record, by what they are kept for; roles without any are left out."""
        return dict(self._rows("SELECT role, sum(num_bytes) FROM states GROUP BY role"))

    def immovable_bytes(self) -> int:
        """Bytes of the states that never give room: preambles, and those of pinned documents."""
        rows = self._rows(
            """SELECT coalesce(sum(num_bytes), 0) FROM states WHERE role = 'preamble' OR (fingerprint, digest) IN (
                SELECT link.fingerprint, link.digest
                FROM documents CROSS JOIN chunks ON chunks.document_id = documents.id
                CROSS JOIN chunk_states AS link ON link.chunk_id = chunks.id WHERE documents.is_pinned)"""
        )
        return rows[0][0]

    def coldest_states(self, limit: int = -1) -> list[KeptState]:
        """The states that may give room (no preambles, nothing of pinned documents), those used longest ago first; at
        most `limit`, −1: all."""
        # Without pinned documents, which is how most people live, nobody's links need to be looked at.
        has_pinned = self._rows("SELECT EXISTS (SELECT 1 FROM documents WHERE is_pinned)")[0][0]
        rows = self._rows(
            f"""SELECT fingerprint, digest, role, num_bytes, num_tokens, last_used_at, num_hits FROM states
            WHERE role != 'preamble' {f"AND NOT {_IS_PINNED}" if has_pinned else ""}
            ORDER BY last_used_at LIMIT ?""",  # noqa: S608
            limit,
        )
        return [KeptState(StateKey(*row[:2]), *row[2:]) for row in rows]

    def recencies(self, chunk_ids: Iterable[int]) -> dict[int, tuple[int, bool]]:
        """Per chunk that is still there: when its document was last used or changed, and whether it is pinned."""
        rows = self._rows(
            f"""SELECT chunks.id, {_RECENCY}, is_pinned
            FROM json_each(?) AS wanted CROSS JOIN chunks ON chunks.id = wanted.value
            JOIN documents ON documents.id = chunks.document_id""",  # noqa: S608
            json.dumps(list(chunk_ids)),
        )
        return {chunk_id: (recency, bool(is_pinned)) for chunk_id, recency, is_pinned in rows}

    def some_sizes(self, fingerprint: str, limit: int) -> list[tuple[int, int]]:
        """Tokens and bytes of some of a fingerprint's states."""
        sql = "SELECT num_tokens, num_bytes FROM states WHERE fingerprint = ? ORDER BY digest LIMIT ?"
        return [(num_tokens, num_bytes) for num_tokens, num_bytes in self._rows(sql, fingerprint, limit)]

    def owners(self, keys: Iterable[StateKey]) -> dict[StateKey, tuple[Path | int, ...]]:
        """Whose the states are: paths of documents, numbers of conversations; states of nobody are left out."""
        wanted = json.dumps([(key.fingerprint, key.digest) for key in keys])
        found: defaultdict[StateKey, list[Path | int]] = defaultdict(list)
        wanted_key = "wanted.value ->> 0, wanted.value ->> 1"
        for fingerprint, digest, path in self._rows(
            f"""SELECT {wanted_key}, documents.path FROM json_each(?) AS wanted
            CROSS JOIN chunk_states AS link
                ON link.fingerprint = wanted.value ->> 0 AND link.digest = wanted.value ->> 1
            JOIN chunks ON chunks.id = link.chunk_id JOIN documents ON documents.id = chunks.document_id
            GROUP BY wanted.key, documents.id""",  # noqa: S608
            wanted,
        ):
            found[StateKey(fingerprint, digest)].append(path_out(path))
        for fingerprint, digest, conversation_id in self._rows(
            f"""SELECT {wanted_key}, conversation_id FROM json_each(?) AS wanted
            CROSS JOIN conversation_states AS link
                ON link.fingerprint = wanted.value ->> 0 AND link.digest = wanted.value ->> 1""",  # noqa: S608
            wanted,
        ):
            found[StateKey(fingerprint, digest)].append(conversation_id)
        return {key: tuple(whose) for key, whose in found.items()}

    def correct_sizes(self, sizes: Mapping[StateKey, int]) -> None:
        """Notes how large the files of states really are."""
        with self._writing() as db:
            db.executemany(
                "UPDATE states SET num_bytes = ? WHERE fingerprint = ? AND digest = ?",
                [(num_bytes, key.fingerprint, key.digest) for key, num_bytes in sizes.items()],
            )

    # Vectors: their numbers are in one matrix file per fingerprint (`storage.vectors`), here is which row is whose

    def put_vectors(
        self,
        fingerprint: str,
        dimension: int,
        digests: Iterable[str],
        num_file_rows: Callable[[], int],
        write: Callable[[Mapping[str, int]], None],
    ) -> None:
        """Gives texts a row each, has `write` fill the rows durably, and records them.

        Texts that no chunk has any more are left out, and those that have a row. It is one transaction, so that no two
        processes choose the same rows. Rows on record that the file has lost (`num_file_rows`) are forgotten first.
        """
        with self._writing() as db:
            db.execute("INSERT OR IGNORE INTO vector_files VALUES (?, ?)", (fingerprint, dimension))
            num_rows = num_file_rows()
            db.execute("DELETE FROM vectors WHERE fingerprint = ? AND file_row >= ?", (fingerprint, num_rows))
            wanted = [digest for digest in dict.fromkeys(digests) if _wants_vector(db, fingerprint, digest)]
            rows = dict(zip(wanted, _free_rows(db, fingerprint, num_rows), strict=False))
            if rows:
                write(rows)
            db.executemany(
                "INSERT INTO vectors(fingerprint, file_row, text_digest) VALUES (?, ?, ?)",
                [(fingerprint, row, digest) for digest, row in rows.items()],
            )

    def vector_dimension(self, fingerprint: str) -> int | None:
        """Numbers per row of the fingerprint's file; None before the first vector."""
        rows = self._rows("SELECT dimension FROM vector_files WHERE fingerprint = ?", fingerprint)
        return rows[0][0] if rows else None

    def vector_dimensions(self) -> dict[str, int]:
        """Numbers per row, of the files of all fingerprints."""
        return dict(self._rows("SELECT fingerprint, dimension FROM vector_files"))

    def forget_vectors(self, fingerprint: str, file_rows: Iterable[int]) -> None:
        """Removes rows whose numbers cannot be believed: their texts are without vector again."""
        with self._writing() as db:
            db.executemany(
                "DELETE FROM vectors WHERE fingerprint = ? AND file_row = ?", [(fingerprint, row) for row in file_rows]
            )

    def forget_vectors_beyond(self, fingerprint: str, num_rows: int) -> None:
        """Removes the rows that a file of `num_rows` has lost; writes only if there are any."""
        lost = self._rows("SELECT file_row FROM vectors WHERE fingerprint = ? AND file_row >= ?", fingerprint, num_rows)
        if lost:
            self.forget_vectors(fingerprint, (row for (row,) in lost))

    def texts_without_vector(self, fingerprint: str, limit: int) -> list[TextWithoutVector]:
        """Some of the texts still to be embedded, each once."""
        # By digest, because looking through an index that has all it takes is four times as fast as through the texts.
        rows = self._rows(
            f"""SELECT text_digest, heading, text FROM chunks WHERE id IN (
                SELECT min(id) FROM chunks WHERE {_WITHOUT_VECTOR} GROUP BY text_digest LIMIT ?2)""",  # noqa: S608
            fingerprint,
            limit,
        )
        return [TextWithoutVector(*row) for row in rows]

    def count_texts_without_vector(self, fingerprint: str) -> int:
        """How many `texts_without_vector` would list."""
        sql = f"SELECT count(DISTINCT text_digest) FROM chunks WHERE {_WITHOUT_VECTOR}"  # noqa: S608
        return self._rows(sql, fingerprint)[0][0]

    def count_chunks_with_vector(self, fingerprint: str) -> int:
        return self._rows(f"SELECT count(*) FROM chunks WHERE NOT ({_WITHOUT_VECTOR})", fingerprint)[0][0]  # noqa: S608

    def vector_rows(self, fingerprint: str, document_ids: Collection[int] | None = None) -> list[int]:
        """The rows of all texts, or of all texts of these documents, ascending."""
        if document_ids is None:
            sql = "SELECT file_row FROM vectors WHERE fingerprint = ? AND text_digest IS NOT NULL ORDER BY file_row"
            return [row for (row,) in self._rows(sql, fingerprint)]
        # CROSS JOIN keeps SQLite from walking through all vectors first: 2 instead of 140 ms, 1,000 chunks of 100,000.
        rows = self._rows(
            """SELECT DISTINCT vectors.file_row
            FROM json_each(?2) AS wanted CROSS JOIN chunks ON chunks.document_id = wanted.value
            CROSS JOIN vectors ON vectors.fingerprint = ?1 AND vectors.text_digest = chunks.text_digest
            ORDER BY vectors.file_row""",
            fingerprint,
            json.dumps(list(document_ids)),
        )
        return [row for (row,) in rows]

    def chunks_of_vectors(
        self, fingerprint: str, file_rows: Iterable[int], document_ids: Collection[int] | None = None
    ) -> list[tuple[int, StoredChunk]]:
        """The chunks whose text is in these rows, each with its row; of these documents only, if they are given."""
        rows = self._rows(
            f"""SELECT vectors.file_row, {_CHUNK_COLUMNS} FROM json_each(?2) AS wanted
            CROSS JOIN vectors ON vectors.fingerprint = ?1 AND vectors.file_row = wanted.value
            JOIN chunks ON chunks.text_digest = vectors.text_digest
            JOIN documents ON documents.id = chunks.document_id
            WHERE ?3 IS NULL OR documents.id IN (SELECT value FROM json_each(?3)) ORDER BY chunks.id""",  # noqa: S608
            fingerprint,
            json.dumps(list(file_rows)),
            None if document_ids is None else json.dumps(list(document_ids)),
        )
        return [(row[0], _stored_chunk(row[1:])) for row in rows]

    def purge_vectors(self, erase: Callable[[str, int, Sequence[int]], None]) -> int:
        """Frees the rows of texts that no chunk has any more, of all fingerprints; returns how many.

        `erase(fingerprint, dimension, file_rows)` durably overwrites the numbers. Rows are first taken from their
        texts, then erased, then freed: whatever is interrupted goes on with the next call, and a text that comes back
        meanwhile gets another row.
        """
        if not self._rows(f"SELECT 1 FROM vectors WHERE text_digest IS NULL OR {_UNUSED_VECTOR} LIMIT 1"):  # noqa: S608
            return 0
        with self._writing() as db:
            db.execute(f"UPDATE vectors SET text_digest = NULL WHERE {_UNUSED_VECTOR}")  # noqa: S608
        with self._writing() as db:
            doomed = db.execute(
                """SELECT fingerprint, dimension, json_group_array(file_row)
                FROM vectors JOIN vector_files USING (fingerprint) WHERE text_digest IS NULL GROUP BY fingerprint"""
            ).fetchall()
            for fingerprint, dimension, file_rows in doomed:
                erase(fingerprint, dimension, sorted(json.loads(file_rows)))
            return db.execute("DELETE FROM vectors WHERE text_digest IS NULL").rowcount

    def count_unused_vectors(self) -> int:
        """How many rows `purge_vectors` would free."""
        sql = f"SELECT count(*) FROM vectors WHERE text_digest IS NULL OR {_UNUSED_VECTOR}"  # noqa: S608
        return self._rows(sql)[0][0]

    # Model files

    def model_sha256(self, path: Path, num_bytes: int, mtime_ns: int) -> str | None:
        """The checksum remembered for the file, None once its size or time is another."""
        rows = self._rows(
            "SELECT sha256 FROM model_files WHERE path = ? AND num_bytes = ? AND mtime_ns = ?",
            path_in(path),
            num_bytes,
            mtime_ns,
        )
        return rows[0][0] if rows else None

    def remember_model_sha256(self, path: Path, num_bytes: int, mtime_ns: int, sha256: str) -> None:
        with self._writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO model_files(path, num_bytes, mtime_ns, sha256) VALUES (?, ?, ?, ?)",
                (path_in(path), num_bytes, mtime_ns, sha256),
            )

    # What is still kept of documents that are gone (`storage.traces`)

    def who_says(self, words: str) -> list[str]:
        """The documents and conversations that have these very words in their text: at most three."""
        rows = self._rows(
            """SELECT path FROM documents WHERE id IN (SELECT document_id FROM chunks WHERE instr(text, ?1))
            UNION SELECT 'the conversation ' || title FROM conversations WHERE instr(title, ?1) OR id IN (
                SELECT conversation_id FROM turns WHERE instr(question, ?1) OR instr(answer, ?1))
            LIMIT 3""",
            storable(words),
        )
        return [str(path_out(row[0])) for row in rows]

    # Numbers

    def counts(self, fingerprint: str | None = None) -> StoreCounts:
        # Two conditions, because "?1 IS NULL OR" would keep SQLite from answering out of an index.
        condition = "?1 IS NULL" if fingerprint is None else "fingerprint = ?1"
        rows = self._rows(
            f"""SELECT
                (SELECT count(*) FROM folders),
                (SELECT count(*) FROM documents),
                (SELECT count(*) FROM documents WHERE error IS NOT NULL),
                (SELECT count(*) FROM chunks),
                (SELECT count(DISTINCT chunk_id) FROM chunk_states WHERE {condition}),
                (SELECT count(*) FROM states WHERE {condition}),
                (SELECT coalesce(sum(num_bytes), 0) FROM states WHERE {condition})""",  # noqa: S608
            fingerprint,
        )
        return StoreCounts(*rows[0])

    def data_version(self) -> int:
        """A number that is another one after somebody else, of this process or another, changed anything."""
        return self._rows("PRAGMA data_version")[0][0]

    # Integrity: what `storage.check` asks

    def files(self) -> list[Path]:
        """The files of the index that are there: the database, and what SQLite keeps beside it."""
        paths = [self.path.with_name(self.path.name + suffix) for suffix in ("", "-wal", "-shm")]
        return [path for path in paths if path.exists()]

    def damage(self) -> list[str]:
        """What SQLite finds wrong with the file itself, in its own words; empty when it is sound."""
        try:
            with _sqlite_errors(self.path):
                messages = [row[0] for row in self._connection.execute("PRAGMA integrity_check(10)")]
        except StoreUnusable as error:
            if not _is_damage(error.__cause__):
                raise
            return [str(error.__cause__)]
        # SQLite 3.44 and later look into search tables as well: those are `damaged_search_tables`' business.
        return [message for message in messages if message != "ok" and "inverted index for FTS" not in message]

    def damaged_search_tables(self) -> list[str]:
        """The full-text tables that are damaged or do not say what their contents say.

        Two seconds per 500 MB of index. SQLite counts the question as writing, although nothing is written:
        other writers wait.
        """
        return [table for table in self._search_tables() if not self._is_search_table_sound(table)]

    def rebuild_search_table(self, table: str) -> None:
        """Makes a full-text table anew from its contents."""
        with self._writing() as db:
            db.execute(f"INSERT INTO {_quoted(table)}({_quoted(table)}) VALUES ('rebuild')")  # noqa: S608

    def dangling_rows(self) -> dict[str, int]:
        """How many references of each table lead to rows that are not there; tables without any are left out."""
        return dict(self._rows('SELECT "table", count(*) FROM pragma_foreign_key_check GROUP BY "table"'))

    def remove_dangling_rows(self, table: str) -> None:
        """Removes those rows, with all that refers to them."""
        with self._writing() as db:
            _note_deletion(db, _TEXT_DELETED)
            if table == "conversation_state_chunks":  # it has no rowids by which the others are found
                db.execute(
                    """DELETE FROM conversation_state_chunks
                    WHERE conversation_id NOT IN (SELECT conversation_id FROM conversation_states)"""
                )
                return
            found = db.execute("SELECT DISTINCT rowid FROM pragma_foreign_key_check(?)", (table,)).fetchall()
            db.executemany(f"DELETE FROM {_quoted(table)} WHERE rowid = ?", found)  # noqa: S608

    def misnumbered_documents(self) -> list[Path]:
        """The documents whose chunks are not numbered 0, 1, 2 and so on."""
        rows = self._rows(
            """SELECT documents.path FROM chunks JOIN documents ON documents.id = chunks.document_id
            GROUP BY documents.id
            HAVING min(ordinal) != 0 OR max(ordinal) != count(*) - 1 OR count(DISTINCT ordinal) != count(*)
            ORDER BY documents.path"""
        )
        return [path_out(row[0]) for row in rows]

    def renumber_document(self, path: Path) -> None:
        """Numbers the document's chunks in their order and has it read again: one of them may be lost."""
        with self._writing() as db:
            db.execute("UPDATE documents SET content_digest = '' WHERE path = ?", (path_in(path),))
            found = db.execute(
                """SELECT chunks.id FROM chunks JOIN documents ON documents.id = chunks.document_id
                WHERE documents.path = ? ORDER BY chunks.ordinal, chunks.id""",
                (path_in(path),),
            ).fetchall()
            ordinals = [(ordinal, chunk_id) for ordinal, (chunk_id,) in enumerate(found)]
            db.executemany("UPDATE chunks SET ordinal = ? WHERE id = ?", ordinals)

    def state_sizes(self) -> dict[StateKey, int]:
        """The states on record with the sizes of their files, in bytes."""
        rows = self._rows("SELECT fingerprint, digest, num_bytes FROM states")
        return {StateKey(fingerprint, digest): num_bytes for fingerprint, digest, num_bytes in rows}

    def is_steeped(self) -> bool:
        """Whether there are chunks, and one fingerprint with a state for each of them."""
        rows = self._rows(
            """SELECT 1 FROM chunk_states GROUP BY fingerprint
            HAVING count(*) = (SELECT count(*) FROM chunks) LIMIT 1"""
        )
        return bool(rows)

    def last_indexed_at(self) -> int:
        """When a document was last found or read; 0: there is none."""
        return self._rows("SELECT coalesce(max(indexed_at), 0) FROM documents")[0][0]

    def _search_tables(self) -> list[str]:
        rows = self._rows(
            """SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%USING fts5%'
            ORDER BY name"""
        )
        return [row[0] for row in rows]

    def _is_search_table_sound(self, table: str) -> bool:
        # A rank of 1 compares with contents that lie in another table, too.
        sql = f"INSERT INTO {_quoted(table)}({_quoted(table)}, rank) VALUES ('integrity-check', 1)"  # noqa: S608
        try:
            self._rows(sql)
        except StoreUnusable as error:
            if not _is_damage(error.__cause__):
                raise
            return False
        return True

    # The two ways to the connection

    def _rows(self, sql: str, *parameters: str | bytes | int | None) -> list[_Row]:
        with _sqlite_errors(self.path):
            return self._connection.execute(sql, parameters).fetchall()

    @contextlib.contextmanager
    def alone(self) -> Generator[None]:
        """What the block does is one transaction, and nobody else writes meanwhile: for a file and its row to change
        together. Others wait, so keep it to milliseconds. An exception undoes the rows, and rises as it is."""
        try:
            with self._writing():
                try:
                    yield
                except OSError as error:
                    raise _NotOfTheIndex(error) from error
        except _NotOfTheIndex as carried:
            raise carried.error from None

    @contextlib.contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        if self._connection.in_transaction:  # within `alone`
            yield self._connection
            return
        with _sqlite_errors(self.path), _transaction(self._connection):
            yield self._connection


class _NotOfTheIndex(Exception):
    """Carries an error of somebody else's file past `_sqlite_errors`."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def _open(path: Path) -> sqlite3.Connection:
    with _sqlite_errors(path):
        _create_private(path)
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
        try:
            _configure(connection)
            _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _create_private(path: Path) -> None:
    """An empty file is a new database; made by us because SQLite would let the umask decide who may read it.

    The lock: closing any descriptor of a file drops all locks that this process holds on it, SQLite's too.
    Only the thread that creates the file has one, and no other gets to connect before it is closed.
    """
    private_folder.make(path.parent)
    with _CREATION, contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _configure(connection: sqlite3.Connection) -> None:
    connection.create_function("faded", 2, faded, deterministic=True)
    if not connection.execute("PRAGMA page_count").fetchone()[0]:
        # They count before there are tables; later, the second one would be written with every opening.
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA synchronous = FULL")
    _enter_wal(connection)


def _enter_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait for others when it changes the journal mode of a new file, so we do."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            return
        except sqlite3.OperationalError as error:
            if _primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _applied_steps(connection, path) >= migrations.STEP_NAMES:
        return
    with _transaction(connection):
        _applied_steps(connection, path)  # whoever held the lock before may have been a newer program
        migrations.apply(connection)


def _applied_steps(connection: sqlite3.Connection, path: Path) -> set[str]:
    """The schema's steps on record. IndexTooNew when this program does not know one of them."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone():
        return set()
    sql = "SELECT name FROM _sqlite_migrations WHERE migration_set = ?"
    names = {row[0] for row in connection.execute(sql, (migrations.MIGRATION_SET,))}
    if unknown := names - migrations.STEP_NAMES:
        raise IndexTooNew(
            f"{path} was written by a newer version of steep (unknown: {', '.join(sorted(unknown))}). "
            "Use that version, or move the file away; the documents will be read again."
        )
    return names


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has rolled back already
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def _sqlite_errors(path: Path) -> Generator[None]:
    """What SQLite and the system refuse becomes StoreUnusable, here and nowhere else."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise
    except sqlite3.DatabaseError as error:
        advice = _ADVICE.get(_primary_code(error), _OTHER_ADVICE)
        raise StoreUnusable(f"The index {path} cannot be used: {error}. {advice}") from error
    except UnicodeDecodeError as error:  # the driver's: names of tables or a message with flipped bytes
        raise StoreUnusable(f"The index {path} cannot be used. {_ADVICE[sqlite3.SQLITE_CORRUPT]}") from error
    except OSError as error:
        raise StoreUnusable(f"The index {path} cannot be used: {error}. {_OTHER_ADVICE}") from error


def _primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without the extension in its upper bits; -1 when the driver raised by itself."""
    code = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else code & 0xFF


def _is_damage(error: BaseException | None) -> bool:
    return isinstance(error, sqlite3.Error) and _primary_code(error) == sqlite3.SQLITE_CORRUPT


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _refuse_overlap(path: Path, watched: Iterable[Path]) -> None:
    inner: list[str] = []
    for folder in watched:
        if path == folder:
            raise FolderConflict(f"{path} is already watched.")
        if path.is_relative_to(folder):
            raise FolderConflict(f"{path} is already watched through {folder}, which contains it.")
        if folder.is_relative_to(path):
            inner.append(str(folder))
    if inner:
        raise FolderConflict(
            f"{path} contains what is already watched: {', '.join(inner)}. Remove that first, then add this one."
        )


def _require_folder(db: sqlite3.Connection, folder_id: int, consequence: str) -> None:
    if not db.execute("SELECT 1 FROM folders WHERE id = ?", (folder_id,)).fetchone():
        raise UnknownFolder(f"{consequence}: its folder is not watched any more.")


def _put_version(db: sqlite3.Connection, folder_id: int, version: DocumentVersion, error: str | None) -> int:
    """Inserts or updates the document's row; returns its id, which an update keeps."""
    _require_folder(db, folder_id, f"{version.path} was not added")
    path = path_in(version.path)
    db.execute(
        """INSERT INTO documents(
            folder_id, path, num_bytes, mtime_ns, content_digest, title, error, indexed_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT(path) DO UPDATE SET
            folder_id = excluded.folder_id, num_bytes = excluded.num_bytes, mtime_ns = excluded.mtime_ns,
            content_digest = excluded.content_digest, title = excluded.title, error = excluded.error,
            indexed_at = excluded.indexed_at""",
        (
            folder_id,
            path,
            version.num_bytes,
            version.mtime_ns,
            version.content_digest,
            storable(version.title),
            None if error is None else storable(error),
            now(),
        ),
    )
    return db.execute("SELECT id FROM documents WHERE path = ?", (path,)).fetchone()[0]


def _replace_chunks(db: sqlite3.Connection, document_id: int, chunks: Sequence[ChunkText], name: str) -> None:
    old_ids = _chunk_ids_by_text(db, document_id)
    for ordinal, chunk in enumerate(chunks):
        digest = text_digest(chunk.heading, chunk.text)
        if old_ids[digest]:
            _move_chunk(db, old_ids[digest].popleft(), ordinal, chunk, name)
        else:
            _insert_chunk(db, document_id, ordinal, chunk, name, digest)
    gone = [(chunk_id,) for ids in old_ids.values() for chunk_id in ids]
    db.executemany("DELETE FROM chunks WHERE id = ?", gone)
    if gone:
        _note_deletion(db, _TEXT_DELETED)


def _warm_states(db: sqlite3.Connection, document_id: int, moment: int, fingerprint: str | None = None) -> None:
    """Lets the states of a document count as used at a moment, if that is later: those of one fingerprint, or of those
    that answers were made with not long before. States of models that nobody uses any more grow old."""
    # The plus signs keep SQLite from walking all chunk states (30 ms per 60,000) to find the few of a document.
    db.execute(
        """UPDATE states SET num_hits = faded(num_hits, ?2 - last_used_at), last_used_at = ?2
        WHERE +role = 'chunk' AND +last_used_at < ?2 AND (fingerprint, digest) IN (
            SELECT link.fingerprint, link.digest
            FROM chunks CROSS JOIN chunk_states AS link ON link.chunk_id = chunks.id
            WHERE chunks.document_id = ?1 AND iif(?3 IS NULL, link.fingerprint IN (
                SELECT fingerprint FROM states WHERE role = 'preamble' AND last_used_at > ?2 - ?4),
                link.fingerprint = ?3))""",
        (document_id, moment, fingerprint, HALF_LIFE_SECONDS),
    )


def _chunk_ids_by_text(db: sqlite3.Connection, document_id: int) -> defaultdict[str, deque[int]]:
    """A document may repeat a text; its chunks then keep their order."""
    ids: defaultdict[str, deque[int]] = defaultdict(deque)
    sql = "SELECT text_digest, id FROM chunks WHERE document_id = ? ORDER BY ordinal"
    for digest, chunk_id in db.execute(sql, (document_id,)):
        ids[digest].append(chunk_id)
    return ids


def _move_chunk(db: sqlite3.Connection, chunk_id: int, ordinal: int, chunk: ChunkText, name: str) -> None:
    db.execute(
        'UPDATE chunks SET ordinal = ?, start = ?, "end" = ?, page = ?, num_tokens = ?, name_words = ? WHERE id = ?',
        (ordinal, chunk.start, chunk.end, chunk.page, chunk.num_tokens, name, chunk_id),
    )


def _insert_chunk(
    db: sqlite3.Connection, document_id: int, ordinal: int, chunk: ChunkText, name: str, digest: str
) -> None:
    cursor = db.execute(
        """INSERT INTO chunks(
            document_id, ordinal, page, heading, start, "end", text, text_digest, num_tokens,
            heading_words, text_words, name_words)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            document_id,
            ordinal,
            chunk.page,
            chunk.heading,
            chunk.start,
            chunk.end,
            chunk.text,
            digest,
            chunk.num_tokens,
            separated(chunk.heading or ""),
            separated(chunk.text),
            name,
        ),
    )
    # Its text may have been read elsewhere: the states are then its own as well.
    db.execute(
        """INSERT INTO chunk_states(chunk_id, fingerprint, digest)
        SELECT ?1, link.fingerprint, link.digest
        FROM chunks JOIN chunk_states AS link ON link.chunk_id = chunks.id
        WHERE chunks.text_digest = ?2 GROUP BY link.fingerprint""",
        (cursor.lastrowid, digest),
    )


def _noted_deletion(db: sqlite3.Connection) -> int:
    return db.execute("PRAGMA user_version").fetchone()[0]


def _note_deletion(db: sqlite3.Connection, stage: int) -> None:
    db.execute(f"PRAGMA user_version = {stage}")


def _wants_vector(db: sqlite3.Connection, fingerprint: str, digest: str) -> bool:
    sql = f"SELECT 1 FROM chunks WHERE text_digest = ?2 AND {_WITHOUT_VECTOR} LIMIT 1"  # noqa: S608
    return db.execute(sql, (fingerprint, digest)).fetchone() is not None


def _free_rows(db: sqlite3.Connection, fingerprint: str, num_rows: int) -> Iterator[int]:
    """Rows of the file that are nobody's, then those behind its end."""
    (num_used,) = db.execute("SELECT count(*) FROM vectors WHERE fingerprint = ?", (fingerprint,)).fetchone()
    if num_used < num_rows:
        used = {row for (row,) in db.execute("SELECT file_row FROM vectors WHERE fingerprint = ?", (fingerprint,))}
        yield from (row for row in range(num_rows) if row not in used)
    yield from itertools.count(num_rows)


def _standing(row: _Row) -> DocumentStanding:
    path, folder_id, error, content_digest, num_chunks, num_steeped, num_state_bytes, num_bytes, is_pinned = row
    return DocumentStanding(
        path=path_out(path),
        folder_id=folder_id,
        stage=_stage(error, content_digest, num_chunks, num_steeped),
        num_chunks=num_chunks,
        num_steeped_chunks=num_steeped,
        num_state_bytes=num_state_bytes,
        num_bytes=num_bytes,
        error=error,
        is_pinned=bool(is_pinned),
    )


def _stage(error: str | None, content_digest: str, num_chunks: int, num_steeped: int) -> DocumentStage:
    """As `stage_counts` has it."""
    if error is not None:
        return DocumentStage.UNREADABLE
    if not content_digest:
        return DocumentStage.FOUND
    return DocumentStage.STEEPED if num_steeped == num_chunks else DocumentStage.SEARCHABLE


def _document(row: _Row) -> Document:
    return Document(row[0], row[1], path_out(row[2]), *row[3:-1], is_pinned=bool(row[-1]))


def _stored_chunk(row: _Row) -> StoredChunk:
    return StoredChunk(row[0], path_out(row[1]), row[2], row[3], ChunkText(*row[4:]))
