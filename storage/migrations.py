"""The schema of the index, as named steps applied by sqlite-utils' `Migrations("steep")`.

A step that shipped is never edited and never renamed: a change of the schema is a new step at the end of
STEPS. Each step and the record of it are one transaction (`storage.index` puts all pending steps into one),
so a step must not need to run outside of one. A step has to work on tables with rows.

Columns named `..._at` are whole seconds since 1970, UTC. Paths are TEXT, or the file system's bytes as a BLOB
where those are not UTF-8. Ids are AUTOINCREMENT: never used twice, so a link made late to a chunk that was
replaced meanwhile finds nothing instead of another chunk. `states.num_bytes` is the size of the file.

sqlite-utils is imported when a step has to be applied, not before: it imports numpy where numpy is installed,
which costs 0.2 s at every start, and a CUDA build of llama.cpp must be imported before numpy is.
"""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from storage.search_words import name_words, separated

if TYPE_CHECKING:
    from sqlite_utils import Database

MIGRATION_SET = "steep"


def m001_documents(db: "Database") -> None:
    """Watched folders, their documents, the chunks cut from them."""
    db.executescript(
        """
        CREATE TABLE folders (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            path TEXT NOT NULL UNIQUE,
            added_at INTEGER NOT NULL
        );
        CREATE TABLE documents (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            folder_id INTEGER NOT NULL REFERENCES folders(id) ON DELETE CASCADE,
            path TEXT NOT NULL UNIQUE,
            num_bytes INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            content_digest TEXT NOT NULL,
            title TEXT NOT NULL,
            error TEXT,
            indexed_at INTEGER NOT NULL
        );
        CREATE INDEX documents_by_folder ON documents(folder_id);
        CREATE TABLE chunks (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
            ordinal INTEGER NOT NULL,
            page INTEGER,
            heading TEXT,
            start INTEGER NOT NULL,
            "end" INTEGER NOT NULL,
            text TEXT NOT NULL,
            text_digest TEXT NOT NULL,
            num_tokens INTEGER NOT NULL
        );
        CREATE INDEX chunks_by_document ON chunks(document_id, ordinal);
        """
    )


def m002_search(db: "Database") -> None:
    """Full text search over headings and texts, kept in step by triggers; the text is not stored twice."""
    db.executescript(
        """
        CREATE VIRTUAL TABLE chunks_fts USING fts5(
            heading, text, content='chunks', content_rowid='id',
            tokenize='porter unicode61 remove_diacritics 2'
        );
        CREATE TRIGGER chunks_fts_insert AFTER INSERT ON chunks BEGIN
            INSERT INTO chunks_fts(rowid, heading, text) VALUES (new.id, new.heading, new.text);
        END;
        CREATE TRIGGER chunks_fts_delete AFTER DELETE ON chunks BEGIN
            INSERT INTO chunks_fts(chunks_fts, rowid, heading, text)
            VALUES ('delete', old.id, old.heading, old.text);
        END;
        CREATE TRIGGER chunks_fts_update AFTER UPDATE OF heading, text ON chunks BEGIN
            INSERT INTO chunks_fts(chunks_fts, rowid, heading, text)
            VALUES ('delete', old.id, old.heading, old.text);
            INSERT INTO chunks_fts(rowid, heading, text) VALUES (new.id, new.heading, new.text);
        END;
        INSERT INTO chunks_fts(chunks_fts) VALUES ('rebuild');
        """
    )


def m003_states(db: "Database") -> None:
    """Chunk states on disk and which chunks use them; a preamble's state is used by no chunk."""
    db.executescript(
        """
        CREATE TABLE states (
            fingerprint TEXT NOT NULL,
            digest TEXT NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('chunk', 'preamble')),
            num_tokens INTEGER NOT NULL,
            num_bytes INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            last_used_at INTEGER NOT NULL,
            num_hits INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (fingerprint, digest)
        );
        CREATE INDEX states_by_use ON states(last_used_at);
        CREATE TABLE chunk_states (
            chunk_id INTEGER NOT NULL REFERENCES chunks(id) ON DELETE CASCADE,
            fingerprint TEXT NOT NULL,
            digest TEXT NOT NULL,
            PRIMARY KEY (chunk_id, fingerprint),
            FOREIGN KEY (fingerprint, digest) REFERENCES states(fingerprint, digest) ON DELETE CASCADE
        );
        CREATE INDEX chunk_states_by_state ON chunk_states(fingerprint, digest);
        """
    )


def m004_model_files(db: "Database") -> None:
    """Checksums of model files, valid while size and modification time stay the same."""
    db.executescript(
        """
        CREATE TABLE model_files (
            path TEXT PRIMARY KEY NOT NULL,
            num_bytes INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            sha256 TEXT NOT NULL
        );
        """
    )


def m005_document_use(db: "Database") -> None:
    """When an answer last used a document; chunks by text, so that a moved text finds the state it had elsewhere."""
    db.executescript(
        """
        ALTER TABLE documents ADD COLUMN last_used_at INTEGER NOT NULL DEFAULT 0;
        CREATE INDEX chunks_by_text ON chunks(text_digest);
        """
    )


def m006_vectors(db: "Database") -> None:
    """Which row of which matrix file is the vector of a text; a row without text is about to be erased."""
    db.executescript(
        """
        CREATE TABLE vector_files (
            fingerprint TEXT PRIMARY KEY NOT NULL,
            dimension INTEGER NOT NULL
        );
        CREATE TABLE vectors (
            fingerprint TEXT NOT NULL REFERENCES vector_files(fingerprint) ON DELETE CASCADE,
            file_row INTEGER NOT NULL,
            text_digest TEXT,
            PRIMARY KEY (fingerprint, file_row)
        );
        CREATE UNIQUE INDEX vectors_by_text ON vectors(fingerprint, text_digest);
        """
    )


def m007_search_words(db: "Database") -> None:
    """Full text search over separated words (`storage.search_words`), and over the names of documents.

    `..._words` is null where it would say the same as the column beside it. The tokenizer keeps marks with their
    letters: without them it takes the words of Hindi, Thai and many others apart.
    """
    db.conn.create_function("separated", 1, _separated)
    db.conn.create_function("name_words", 2, _name_words)
    db.executescript(
        """
        DROP TRIGGER chunks_fts_insert;
        DROP TRIGGER chunks_fts_delete;
        DROP TRIGGER chunks_fts_update;
        DROP TABLE chunks_fts;
        ALTER TABLE chunks ADD COLUMN heading_words TEXT;
        ALTER TABLE chunks ADD COLUMN text_words TEXT;
        ALTER TABLE chunks ADD COLUMN name_words TEXT NOT NULL DEFAULT '';
        UPDATE chunks SET
            heading_words = separated(heading),
            text_words = separated(text),
            name_words = (SELECT name_words(title, path) FROM documents WHERE documents.id = document_id);
        CREATE VIEW chunk_words AS
            SELECT id, coalesce(heading_words, heading) AS heading, coalesce(text_words, text) AS text,
                name_words AS name
            FROM chunks;
        CREATE VIRTUAL TABLE chunks_fts USING fts5(
            heading, text, name, content='chunk_words', content_rowid='id',
            tokenize="porter unicode61 remove_diacritics 2 categories 'L* N* Co M*'"
        );
        CREATE TRIGGER chunks_fts_insert AFTER INSERT ON chunks BEGIN
            INSERT INTO chunks_fts(rowid, heading, text, name) VALUES (
                new.id, coalesce(new.heading_words, new.heading), coalesce(new.text_words, new.text), new.name_words);
        END;
        CREATE TRIGGER chunks_fts_delete AFTER DELETE ON chunks BEGIN
            INSERT INTO chunks_fts(chunks_fts, rowid, heading, text, name) VALUES (
                'delete', old.id,
                coalesce(old.heading_words, old.heading), coalesce(old.text_words, old.text), old.name_words);
        END;
        CREATE TRIGGER chunks_fts_update
        AFTER UPDATE OF heading, text, heading_words, text_words, name_words ON chunks
        WHEN (old.heading, old.text, old.heading_words, old.text_words, old.name_words)
            IS NOT (new.heading, new.text, new.heading_words, new.text_words, new.name_words)
        BEGIN
            INSERT INTO chunks_fts(chunks_fts, rowid, heading, text, name) VALUES (
                'delete', old.id,
                coalesce(old.heading_words, old.heading), coalesce(old.text_words, old.text), old.name_words);
            INSERT INTO chunks_fts(rowid, heading, text, name) VALUES (
                new.id, coalesce(new.heading_words, new.heading), coalesce(new.text_words, new.text), new.name_words);
        END;
        INSERT INTO chunks_fts(chunks_fts) VALUES ('rebuild');
        """
    )


def m008_conversations(db: "Database") -> None:
    """Conversations, their turns and search, and the states that remember them; pinned documents; speeds of models.

    `states` is made anew because its CHECK has to admit a third role, and `chunk_states` because it refers to it: the
    one that refers goes first, so that no row goes with another.
    """
    db.executescript(
        """
        CREATE TABLE new_states (
            fingerprint TEXT NOT NULL,
            digest TEXT NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('chunk', 'preamble', 'conversation')),
            num_tokens INTEGER NOT NULL,
            num_bytes INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            last_used_at INTEGER NOT NULL,
            num_hits INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (fingerprint, digest)
        );
        INSERT INTO new_states
            SELECT fingerprint, digest, role, num_tokens, num_bytes, created_at, last_used_at, num_hits FROM states;
        CREATE TABLE new_chunk_states (
            chunk_id INTEGER NOT NULL REFERENCES chunks(id) ON DELETE CASCADE,
            fingerprint TEXT NOT NULL,
            digest TEXT NOT NULL,
            PRIMARY KEY (chunk_id, fingerprint),
            FOREIGN KEY (fingerprint, digest) REFERENCES new_states(fingerprint, digest) ON DELETE CASCADE
        );
        INSERT INTO new_chunk_states SELECT chunk_id, fingerprint, digest FROM chunk_states;
        DROP TABLE chunk_states;
        DROP TABLE states;
        ALTER TABLE new_states RENAME TO states;
        ALTER TABLE new_chunk_states RENAME TO chunk_states;
        CREATE INDEX states_by_use ON states(last_used_at);
        CREATE INDEX chunk_states_by_state ON chunk_states(fingerprint, digest);

        CREATE TABLE conversations (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            title TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            changed_at INTEGER NOT NULL,
            scope TEXT NOT NULL DEFAULT '[]',
            branched_from INTEGER REFERENCES conversations(id) ON DELETE SET NULL
        );
        CREATE INDEX conversations_by_branch ON conversations(branched_from);
        CREATE TABLE turns (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            conversation_id INTEGER NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
            ordinal INTEGER NOT NULL,
            question TEXT NOT NULL,
            answer TEXT NOT NULL,
            account TEXT NOT NULL,
            asked_at INTEGER NOT NULL,
            question_words TEXT,
            answer_words TEXT,
            UNIQUE (conversation_id, ordinal)
        );
        CREATE VIEW turn_words AS
            SELECT id, coalesce(question_words, question) AS question, coalesce(answer_words, answer) AS answer
            FROM turns;
        CREATE VIRTUAL TABLE turns_fts USING fts5(
            question, answer, content='turn_words', content_rowid='id',
            tokenize="porter unicode61 remove_diacritics 2 categories 'L* N* Co M*'"
        );
        CREATE TRIGGER turns_fts_insert AFTER INSERT ON turns BEGIN
            INSERT INTO turns_fts(rowid, question, answer) VALUES (
                new.id, coalesce(new.question_words, new.question), coalesce(new.answer_words, new.answer));
        END;
        CREATE TRIGGER turns_fts_delete AFTER DELETE ON turns BEGIN
            INSERT INTO turns_fts(turns_fts, rowid, question, answer) VALUES (
                'delete', old.id,
                coalesce(old.question_words, old.question), coalesce(old.answer_words, old.answer));
        END;
        CREATE TABLE conversation_states (
            conversation_id INTEGER PRIMARY KEY REFERENCES conversations(id) ON DELETE CASCADE,
            fingerprint TEXT NOT NULL,
            digest TEXT NOT NULL,
            num_turns INTEGER NOT NULL,
            transcript TEXT NOT NULL,
            FOREIGN KEY (fingerprint, digest) REFERENCES states(fingerprint, digest) ON DELETE CASCADE
        );
        CREATE INDEX conversation_states_by_state ON conversation_states(fingerprint, digest);
        CREATE TABLE conversation_state_chunks (
            conversation_id INTEGER NOT NULL REFERENCES conversation_states(conversation_id) ON DELETE CASCADE,
            chunk_id INTEGER NOT NULL,
            PRIMARY KEY (conversation_id, chunk_id)
        ) WITHOUT ROWID;

        ALTER TABLE documents ADD COLUMN is_pinned INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE model_speeds (
            fingerprint TEXT PRIMARY KEY NOT NULL,
            prefill_tokens_per_s REAL NOT NULL
        );
        """
    )


def m009_state_sizes(db: "Database") -> None:
    """How much the states of each role take, without reading their rows: asked for each time one is added."""
    db.executescript("CREATE INDEX states_by_role ON states(role, num_bytes);")


def m010_machine_rates(db: "Database") -> None:
    """How fast a model is on this machine: more than one number, and one row per device that runs it."""
    db.executescript(
        """
        DROP TABLE model_speeds;
        CREATE TABLE machine_rates (
            fingerprint TEXT NOT NULL,
            device TEXT NOT NULL,
            prefill_ms_per_token REAL NOT NULL,
            prefill_ms_per_cell REAL NOT NULL,
            read_bytes_per_s REAL NOT NULL,
            merge_bytes_per_s REAL NOT NULL,
            PRIMARY KEY (fingerprint, device)
        ) WITHOUT ROWID;
        """
    )


def m011_gate(db: "Database") -> None:
    """How close each model's blended answers come to exact ones, and which fingerprint a model had when it was loaded
    last. A verdict belongs to no state: it outlives them."""
    db.executescript(
        """
        CREATE TABLE gate_verdicts (
            fingerprint TEXT NOT NULL,
            strategy TEXT NOT NULL,
            version INTEGER NOT NULL,
            ratio REAL,
            tried TEXT NOT NULL,
            max_kl REAL NOT NULL,
            min_agreement REAL NOT NULL,
            measured_at INTEGER NOT NULL,
            PRIMARY KEY (fingerprint, strategy)
        ) WITHOUT ROWID;
        CREATE TABLE model_fingerprints (
            identity TEXT NOT NULL,
            kv_type TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            PRIMARY KEY (identity, kv_type)
        ) WITHOUT ROWID;
        """
    )


def m012_expendable(db: "Database") -> None:
    """Fingerprints whose states make way for any others."""
    db.executescript("CREATE TABLE expendable_fingerprints (fingerprint TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID;")


def _separated(text: str | None) -> str | None:
    return None if text is None else separated(text)


def _name_words(title: str, path: str | bytes) -> str:
    return name_words(title, Path(os.fsdecode(path)))


STEPS: tuple[Callable[["Database"], None], ...] = (
    m001_documents,
    m002_search,
    m003_states,
    m004_model_files,
    m005_document_use,
    m006_vectors,
    m007_search_words,
    m008_conversations,
    m009_state_sizes,
    m010_machine_rates,
    m011_gate,
    m012_expendable,
)

STEP_NAMES = frozenset(step.__name__ for step in STEPS)


def apply(connection: sqlite3.Connection, *, stop_before: str | None = None) -> None:
    """Applies the pending steps, within the caller's transaction if one is open. sqlite3's errors rise."""
    from sqlite_utils import Database, Migrations

    migrations = Migrations(MIGRATION_SET)
    for step in STEPS:
        migrations()(step)
    database = Database(connection, recursive_triggers=False, execute_plugins=False)
    migrations.apply(database, stop_before=stop_before)
