import ast
import inspect
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storage import migrations
from storage.index import Index
from storage.values import ChunkText

if TYPE_CHECKING:
    from sqlite_utils import Database

DATA = Path(__file__).parent / "data"

RECORDED = "SELECT name FROM _sqlite_migrations WHERE migration_set = 'steep' ORDER BY id"


def schema(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
        return {name: " ".join((sql or "").split()) for name, sql in rows}


@pytest.fixture
def first_schema(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript((DATA / "index_first_schema.sql").read_text("utf-8"))
    return path


def test_the_oldest_schema_is_brought_up_to_date_with_its_rows(first_schema: Path):
    with Index(first_schema) as index:
        (stored,) = index.chunks()
        assert (stored.id, stored.document_path, stored.document_title) == (8, Path("/docs/tea.txt"), "Tea")
        assert stored.chunk == ChunkText(0, 11, 2, "Brewing", "oolong cups", 4)
        assert [hit.chunk for hit in index.search(["oolong"], 5)] == [stored]
        assert index.chunks_without_state("f" * 32) == [stored]
        assert index.remove_folder(Path("/docs")) == ()
        assert index.search(["oolong"], 5) == []


@pytest.fixture
def without_search_words(tmp_path: Path) -> Path:
    """An index as it was before words were separated, with rows."""
    path = tmp_path / "before.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrations.apply(db, stop_before="m007_search_words")
        db.execute("INSERT INTO folders VALUES (1, '/docs', 5)")
        document = "INSERT INTO documents(id, folder_id, path, num_bytes, mtime_ns, content_digest, title, indexed_at)"
        db.execute(f"{document} VALUES (3, 1, '/docs/tea-list.txt', 1, 1, 'd', 'Leaves', 6)")
        db.execute(f"{document} VALUES (4, 1, ?, 1, 1, 'd', '茶の本', 6)", (b"/docs/caf\xe9.txt",))
        chunk = 'INSERT INTO chunks(id, document_id, ordinal, heading, start, "end", text, text_digest, num_tokens)'
        db.executemany(
            f"{chunk} VALUES (?, ?, ?, ?, 0, 9, ?, 'digest', 4)",
            [
                (7, 3, 0, None, "oolong cups"),
                (8, 3, 1, "茶の表", "抹茶を飲む brewSlowly"),
                (9, 4, 0, "Cups", "นักเรียนดื่มชา"),
            ],
        )
    return path


def test_an_index_from_before_words_were_separated_finds_them_afterwards(without_search_words: Path):
    with Index(without_search_words) as index:
        assert [stored.chunk.text for stored in index.chunks()] == [
            "oolong cups",
            "抹茶を飲む brewSlowly",
            "นักเรียนดื่มชา",
        ]

        def found(term: str) -> list[int]:
            return sorted(hit.chunk.id for hit in index.search([term], 5))

        assert [found(term) for term in ("oolong", "抹茶", "slowly", "の表", "ดื่ม")] == [[7], [8], [8], [8], [9]]
        assert [found(term) for term in ("cups", "list", "leaves", "の本")] == [[7, 9], [7, 8], [7, 8], [9]]
        assert index.damaged_search_tables() == []
        index.remove_folder(Path("/docs"))
        assert [found(term) for term in ("抹茶", "leaves", "oolong")] == [[], [], []]
        assert index.damaged_search_tables() == []


def test_text_is_kept_once_where_its_words_stand_apart(without_search_words: Path):
    Index(without_search_words).close()
    with closing(sqlite3.connect(without_search_words)) as db:
        rows = db.execute("SELECT id, heading_words, text_words FROM chunks ORDER BY id").fetchall()
    assert rows[0] == (7, None, None)
    assert rows[2][:2] == (9, None)
    assert None not in (*rows[1], rows[2][2])


def test_a_migrated_index_and_a_new_one_have_the_same_schema(first_schema: Path, tmp_path: Path):
    Index(first_schema).close()
    Index(tmp_path / "new.db").close()
    assert schema(first_schema) == schema(tmp_path / "new.db")


def test_the_kept_first_schema_is_what_the_first_step_makes(first_schema: Path, tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as db:
        migrations.apply(db, stop_before="m002_search")
    assert schema(first_schema) == schema(tmp_path / "new.db")


def test_every_step_is_on_record_once_and_in_order(tmp_path: Path):
    for _ in range(2):
        Index(tmp_path / "new.db").close()
    with closing(sqlite3.connect(tmp_path / "new.db")) as db:
        assert [row[0] for row in db.execute(RECORDED)] == [step.__name__ for step in migrations.STEPS]


def test_a_step_that_fails_leaves_the_old_schema(first_schema: Path, monkeypatch: pytest.MonkeyPatch):
    def m003_states(db: object) -> None:
        raise RuntimeError("half way")

    before = schema(first_schema)
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "STEPS", (*migrations.STEPS[:2], m003_states))
        with pytest.raises(RuntimeError, match="half way"):
            Index(first_schema)
    assert schema(first_schema) == before
    Index(first_schema).close()


def test_the_step_that_makes_states_anew_loses_none_when_it_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "before.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrations.apply(db, stop_before="m008_conversations")
        db.execute("INSERT INTO states VALUES ('aaaaaaaa', 'bbbbbbbb', 'chunk', 3, 30, 1, 2, 4)")
    before, whole_step = schema(path), migrations.m008_conversations

    def m008_conversations(db: "Database") -> None:
        whole_step(db)
        raise RuntimeError("at the very end")

    with monkeypatch.context() as patched:
        patched.setattr(migrations, "STEPS", (*migrations.STEPS[:7], m008_conversations))
        with pytest.raises(RuntimeError, match="at the very end"):
            Index(path)
    assert schema(path) == before
    with Index(path) as index:
        assert [key.digest for key in index.state_keys()] == ["bbbbbbbb"]


def test_the_names_of_the_steps_stay_what_they_were_when_shipped():
    shipped = ["m001_documents", "m002_search", "m003_states", "m004_model_files"]
    assert [step.__name__ for step in migrations.STEPS][: len(shipped)] == shipped


def test_neither_importing_storage_nor_opening_an_index_that_is_up_to_date_imports_numpy(tmp_path: Path):
    Index(tmp_path / "index.db").close()
    code = (
        "import sys; from pathlib import Path; from storage.index import Index; import storage.store;"
        f"Index(Path({str(tmp_path / 'index.db')!r})).close();"
        "sys.exit(', '.join({'numpy', 'sqlite_utils'} & set(sys.modules)) or None)"
    )
    root = Path(inspect.getfile(migrations)).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_sql_is_in_the_index_its_parts_and_the_migrations_only():
    folder = Path(inspect.getfile(migrations)).parent
    importers = {path.name for path in folder.glob("*.py") if "sqlite3" in _imports(path)}
    assert importers == {"index.py", "conversation_index.py", "gate_index.py", "migrations.py"}


def _imports(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
