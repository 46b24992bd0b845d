-- An index as the first schema wrote it: after m001_documents, with rows. Never edit this file.
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name" ON "_sqlite_migrations" ("migration_set", "name");
INSERT INTO "_sqlite_migrations" VALUES (1, 'steep', 'm001_documents', '2026-11-22 12:00:00.000000+00:00');
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
INSERT INTO folders VALUES (3, '/docs', 1700000000);
INSERT INTO documents VALUES (5, 3, '/docs/tea.txt', 11, 1700000000000000001, 'c0ffee', 'Tea', NULL, 1700000001);
INSERT INTO chunks VALUES (8, 5, 0, 2, 'Brewing', 0, 11, 'oolong cups', '00', 4);
