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
(secure_delete), and `compact` clears what full text search and the log still hold of deleted text.

Errors: StoreUnusable for what SQLite or the system refuse (full, read-only, damaged, locked for 30 s),
IndexTooNew, FolderConflict, UnknownFolder. sqlite3.ProgrammingError and IntegrityError are our mistakes and
rise as they are.
"""

import contextlib
import os
import sqlite3
import threading
import time
from collections import defaultdict, deque
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from storage import migrations, private_folder
from storage.content_key import text_digest
from storage.errors import FolderConflict, IndexTooNew, StoreUnusable, UnknownFolder
from storage.values import (
    ChunkText,
    Document,
    DocumentVersion,
    Folder,
    Hit,
    StateKey,
    StateRole,
    StoreCounts,
    StoredChunk,
)

BUSY_TIMEOUT_SECONDS = 30
"""How long a writer waits for another; the longest transaction puts one large document, about a second."""

HEADING_WEIGHT = 2.0
"""A word in a heading counts as two in the text: headings say what a passage is about. Sane: 1 to 5."""

_Row = tuple[Any, ...]

_CREATION = threading.Lock()

_CHUNK_COLUMNS = """chunks.id, documents.path, documents.title, chunks.ordinal,
    chunks.start, chunks."end", chunks.page, chunks.heading, chunks.text, chunks.num_tokens"""

_DOCUMENT_COLUMNS = """id, folder_id, path, num_bytes, mtime_ns, content_digest, title, error,
    (SELECT count(*) FROM chunks WHERE document_id = documents.id), indexed_at"""

_UNLINKED = """role = 'chunk' AND NOT EXISTS (
    SELECT 1 FROM chunk_states AS link
    WHERE link.fingerprint = states.fingerprint AND link.digest = states.digest)"""

_REREAD = "Move the file away, then add your folders again: chunk states that are still there are used again."
_ADVICE = {
    sqlite3.SQLITE_NOTADB: f"It is not an index, or it is damaged. {_REREAD}",
    sqlite3.SQLITE_CORRUPT: f"It is damaged. {_REREAD}",
    sqlite3.SQLITE_FULL: "The disk is full: make room and try again.",
    sqlite3.SQLITE_READONLY: "It is read-only: make the file and its folder writable.",
    sqlite3.SQLITE_BUSY: "Another program keeps it locked: stop that one and try again.",
}
_OTHER_ADVICE = "Check that the file and its folder can be read and written."


class Index:
    """See the module. Use as a context manager, or call `close`; closing twice is harmless."""

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
            _refuse_overlap(path, [_path_out(row[0]) for row in db.execute("SELECT path FROM folders ORDER BY id")])
            added_at = _now()
            cursor = db.execute("INSERT INTO folders(path, added_at) VALUES (?, ?)", (_path_in(path), added_at))
            assert cursor.lastrowid is not None, "an INSERT has a rowid"
            return Folder(cursor.lastrowid, path, added_at)

    def folders(self) -> list[Folder]:
        """The watched folders in the order they were added."""
        rows = self._rows("SELECT id, path, added_at FROM folders ORDER BY id")
        return [Folder(row[0], _path_out(row[1]), row[2]) for row in rows]

    def remove_folder(self, path: Path) -> tuple[StateKey, ...]:
        """Stops watching, forgets the folder's documents; returns the states that no chunk uses any more.

        Their rows stay until the files are gone (see the module): `StateStore.purge_unlinked` does both.
        """
        with self._writing() as db:
            if not db.execute("DELETE FROM folders WHERE path = ?", (_path_in(path),)).rowcount:
                raise UnknownFolder(self._unknown_folder(path))
        self.compact()
        return tuple(self.unlinked_states())

    def _unknown_folder(self, path: Path) -> str:
        watched = ", ".join(str(folder.path) for folder in self.folders()) or "none"
        return f"{path} is not a watched folder; these are: {watched}."

    # Documents

    def documents(self, folder_id: int | None = None) -> list[Document]:
        """The documents of one folder, or all, by path; those that could not be read too."""
        rows = self._rows(
            f"SELECT {_DOCUMENT_COLUMNS} FROM documents WHERE ?1 IS NULL OR folder_id = ?1 ORDER BY path",  # noqa: S608
            folder_id,
        )
        return [_document(row) for row in rows]

    def document(self, path: Path) -> Document | None:
        rows = self._rows(f"SELECT {_DOCUMENT_COLUMNS} FROM documents WHERE path = ?", _path_in(path))  # noqa: S608
        return _document(rows[0]) if rows else None

    def put_document(self, folder_id: int, version: DocumentVersion, chunks: Sequence[ChunkText]) -> None:
        """Makes `chunks` the document's chunks, all or nothing.

        A chunk whose heading and text were there before keeps its id, and with it the link to its state;
        the same text twice counts as two. UnknownFolder when the folder was removed meanwhile.
        """
        with self._writing() as db:
            document_id = _put_version(db, folder_id, version, error=None)
            _replace_chunks(db, document_id, chunks)

    def fail_document(self, folder_id: int, version: DocumentVersion, error: str) -> None:
        """Lists the document with the reason why it could not be read, and without chunks."""
        with self._writing() as db:
            document_id = _put_version(db, folder_id, version, error)
            _replace_chunks(db, document_id, ())

    def remove_document(self, path: Path) -> bool:
        """Forgets the document and its chunks; False when it was not there. States: as in `remove_folder`."""
        with self._writing() as db:
            return bool(db.execute("DELETE FROM documents WHERE path = ?", (_path_in(path),)).rowcount)

    def compact(self) -> None:
        """Clears deleted text from the search index and the write-ahead log, which keep it until rewritten.

        Takes about two seconds per 100 MB of text: once after many removals. If somebody reads meanwhile, the
        log is cleared by a later call, or when the last connection closes.
        """
        with self._writing() as db:
            db.execute("INSERT INTO chunks_fts(chunks_fts) VALUES ('optimize')")
        self._rows("PRAGMA wal_checkpoint(TRUNCATE)")

    # Chunks

    def chunks(self, document_path: Path | None = None) -> list[StoredChunk]:
        """The chunks of one document, or all, in (document, ordinal) order."""
        rows = self._rows(
            f"""SELECT {_CHUNK_COLUMNS} FROM chunks JOIN documents ON documents.id = chunks.document_id
            WHERE ?1 IS NULL OR documents.path = ?1 ORDER BY documents.id, chunks.ordinal""",  # noqa: S608
            None if document_path is None else _path_in(document_path),
        )
        return [_stored_chunk(row) for row in rows]

    def search(self, terms: Sequence[str], limit: int) -> list[Hit]:
        """The best `limit` chunks with any of the words, best first; terms are text, never query syntax."""
        query = _any_of(terms)
        if not query or limit < 1:
            return []
        rows = self._rows(
            f"""SELECT {_CHUNK_COLUMNS}, bm25(chunks_fts, {HEADING_WEIGHT}, 1.0) AS badness
            FROM chunks_fts JOIN chunks ON chunks.id = chunks_fts.rowid
            JOIN documents ON documents.id = chunks.document_id
            WHERE chunks_fts MATCH ? ORDER BY badness, chunks.id LIMIT ?""",  # noqa: S608
            query,
            limit,
        )
        return [Hit(_stored_chunk(row[:-1]), -row[-1]) for row in rows]

    def chunks_without_state(self, fingerprint: str) -> list[StoredChunk]:
        """The chunks still to be steeped for a fingerprint, in (document, ordinal) order."""
        rows = self._rows(
            f"""SELECT {_CHUNK_COLUMNS} FROM chunks JOIN documents ON documents.id = chunks.document_id
            LEFT JOIN chunk_states AS link ON link.chunk_id = chunks.id AND link.fingerprint = ?
            WHERE link.chunk_id IS NULL ORDER BY documents.id, chunks.ordinal""",  # noqa: S608
            fingerprint,
        )
        return [_stored_chunk(row) for row in rows]

    # States

    def record_state(
        self, key: StateKey, role: StateRole, num_tokens: int, num_bytes: int, chunk_ids: Iterable[int] = ()
    ) -> None:
        """Notes that a state's file is there and links chunks to it, skipping those that are gone meanwhile.

        A state once recorded as a preamble stays one.
        """
        with self._writing() as db:
            db.execute(
                """INSERT INTO states(
                    fingerprint, digest, role, num_tokens, num_bytes, created_at, last_used_at)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
                ON CONFLICT(fingerprint, digest) DO UPDATE SET
                    role = iif(excluded.role = 'preamble', 'preamble', role),
                    num_tokens = excluded.num_tokens, num_bytes = excluded.num_bytes""",
                (key.fingerprint, key.digest, role, num_tokens, num_bytes, _now()),
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
        with self._writing() as db:
            db.execute("DELETE FROM states WHERE fingerprint = ? AND digest = ?", (key.fingerprint, key.digest))

    def forget_unlinked(self, keys: Iterable[StateKey]) -> None:
        """Removes the rows of those states that still no chunk uses; a link made meanwhile wins."""
        with self._writing() as db:
            db.executemany(
                f"DELETE FROM states WHERE fingerprint = ? AND digest = ? AND {_UNLINKED}",  # noqa: S608
                [(key.fingerprint, key.digest) for key in keys],
            )

    def touch_states(self, keys: Iterable[StateKey]) -> None:
        """Notes that an answer used the states, now. One transaction: call it once per answer, after it."""
        with self._writing() as db:
            db.executemany(
                """UPDATE states SET last_used_at = ?, num_hits = num_hits + 1
                WHERE fingerprint = ? AND digest = ?""",
                [(_now(), key.fingerprint, key.digest) for key in keys],
            )

    def unlinked_states(self) -> list[StateKey]:
        """States of chunks that are gone. Preambles are never among them."""
        rows = self._rows(f"SELECT fingerprint, digest FROM states WHERE {_UNLINKED}")  # noqa: S608
        return [StateKey(*row) for row in rows]

    def state_keys(self, fingerprint: str | None = None) -> list[StateKey]:
        """The states on record for a fingerprint, or all."""
        rows = self._rows("SELECT fingerprint, digest FROM states WHERE ?1 IS NULL OR fingerprint = ?1", fingerprint)
        return [StateKey(*row) for row in rows]

    # Model files

    def model_sha256(self, path: Path, num_bytes: int, mtime_ns: int) -> str | None:
        """The checksum remembered for the file, None once its size or time is another."""
        rows = self._rows(
            "SELECT sha256 FROM model_files WHERE path = ? AND num_bytes = ? AND mtime_ns = ?",
            _path_in(path),
            num_bytes,
            mtime_ns,
        )
        return rows[0][0] if rows else None

    def remember_model_sha256(self, path: Path, num_bytes: int, mtime_ns: int, sha256: str) -> None:
        with self._writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO model_files(path, num_bytes, mtime_ns, sha256) VALUES (?, ?, ?, ?)",
                (_path_in(path), num_bytes, mtime_ns, sha256),
            )

    # Numbers

    def counts(self, fingerprint: str | None = None) -> StoreCounts:
        rows = self._rows(
            """SELECT
                (SELECT count(*) FROM folders),
                (SELECT count(*) FROM documents),
                (SELECT count(*) FROM documents WHERE error IS NOT NULL),
                (SELECT count(*) FROM chunks),
                (SELECT count(DISTINCT chunk_id) FROM chunk_states WHERE ?1 IS NULL OR fingerprint = ?1),
                (SELECT count(*) FROM states WHERE ?1 IS NULL OR fingerprint = ?1),
                (SELECT coalesce(sum(num_bytes), 0) FROM states WHERE ?1 IS NULL OR fingerprint = ?1)""",
            fingerprint,
        )
        return StoreCounts(*rows[0])

    # The two ways to the connection

    def _rows(self, sql: str, *parameters: str | bytes | int | None) -> list[_Row]:
        with _sqlite_errors(self.path):
            return self._connection.execute(sql, parameters).fetchall()

    @contextlib.contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        with _sqlite_errors(self.path), _transaction(self._connection):
            yield self._connection


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
    except OSError as error:
        raise StoreUnusable(f"The index {path} cannot be used: {error}. {_OTHER_ADVICE}") from error


def _primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without the extension in its upper bits; -1 when the driver raised by itself."""
    code = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else code & 0xFF


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


def _put_version(db: sqlite3.Connection, folder_id: int, version: DocumentVersion, error: str | None) -> int:
    """Inserts or updates the document's row; returns its id, which an update keeps."""
    if not db.execute("SELECT 1 FROM folders WHERE id = ?", (folder_id,)).fetchone():
        raise UnknownFolder(f"The folder of {version.path} is not watched any more: the document was not added.")
    path = _path_in(version.path)
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
            _storable(version.title),
            None if error is None else _storable(error),
            _now(),
        ),
    )
    return db.execute("SELECT id FROM documents WHERE path = ?", (path,)).fetchone()[0]


def _replace_chunks(db: sqlite3.Connection, document_id: int, chunks: Sequence[ChunkText]) -> None:
    old_ids = _chunk_ids_by_text(db, document_id)
    for ordinal, chunk in enumerate(chunks):
        digest = text_digest(chunk.heading, chunk.text)
        if old_ids[digest]:
            _move_chunk(db, old_ids[digest].popleft(), ordinal, chunk)
        else:
            _insert_chunk(db, document_id, ordinal, chunk, digest)
    gone = [(chunk_id,) for ids in old_ids.values() for chunk_id in ids]
    db.executemany("DELETE FROM chunks WHERE id = ?", gone)


def _chunk_ids_by_text(db: sqlite3.Connection, document_id: int) -> defaultdict[str, deque[int]]:
    """A document may repeat a text; its chunks then keep their order."""
    ids: defaultdict[str, deque[int]] = defaultdict(deque)
    sql = "SELECT text_digest, id FROM chunks WHERE document_id = ? ORDER BY ordinal"
    for digest, chunk_id in db.execute(sql, (document_id,)):
        ids[digest].append(chunk_id)
    return ids


def _move_chunk(db: sqlite3.Connection, chunk_id: int, ordinal: int, chunk: ChunkText) -> None:
    db.execute(
        'UPDATE chunks SET ordinal = ?, start = ?, "end" = ?, page = ?, num_tokens = ? WHERE id = ?',
        (ordinal, chunk.start, chunk.end, chunk.page, chunk.num_tokens, chunk_id),
    )


def _insert_chunk(db: sqlite3.Connection, document_id: int, ordinal: int, chunk: ChunkText, digest: str) -> None:
    db.execute(
        """INSERT INTO chunks(
            document_id, ordinal, page, heading, start, "end", text, text_digest, num_tokens)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
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
        ),
    )


def _any_of(terms: Sequence[str]) -> str:
    """An FTS5 query for any of the words: each a quoted string, in which only the quote is special.

    A zero character would end the query in C: it becomes a space.
    """
    words = (_storable(term).replace("\0", " ") for term in terms)
    quoted = ('"' + word.replace('"', '""') + '"' for word in words if word.strip())
    return " OR ".join(dict.fromkeys(quoted))


def _document(row: _Row) -> Document:
    return Document(row[0], row[1], _path_out(row[2]), *row[3:])


def _stored_chunk(row: _Row) -> StoredChunk:
    return StoredChunk(row[0], _path_out(row[1]), row[2], row[3], ChunkText(*row[4:]))


def _path_in(path: Path) -> str | bytes:
    """Paths of Linux are bytes, nearly always UTF-8; those that are not keep their bytes."""
    text = str(path)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(path)
    return text


def _path_out(stored: str | bytes) -> Path:
    return Path(os.fsdecode(stored))


def _storable(text: str) -> str:
    """SQLite takes UTF-8 only; a title, a reason or a query may quote a path with lone surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _now() -> int:
    return int(time.time())
