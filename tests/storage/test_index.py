import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import index as index_module
from storage.errors import FolderConflict, IndexTooNew, StoreUnusable, UnknownFolder
from storage.eviction import HALF_LIFE_SECONDS
from storage.index import Index
from storage.migrations import STEPS
from storage.search_words import words_of
from storage.values import Backlog, ChunkText, DocumentVersion, Folder, StateKey, StoreCounts

MakeVersion = Callable[..., DocumentVersion]
MakeTexts = Callable[..., list[ChunkText]]

DOCS = Path("/docs").absolute()
MODEL = "ab" * 16
OTHER_MODEL = "cd" * 16
THIRD_MODEL = "ef" * 16

# fmt: off
HOSTILE_TERMS = [
    '"', '""', "'", "*", "tea*", "te*", "NEAR(", "NEAR", "AND", "NOT", "OR", "(", "text:tea", "{heading}:",
    "^", "-", "+", "?1", "; DROP TABLE chunks; --", "", " ", "\n", "\0", "tea\0", "\udcff", "😀",
    "x" * 10_000,
]
# fmt: on


def key(number: int, fingerprint: str = MODEL) -> StateKey:
    return StateKey(fingerprint, f"{number:040x}")


def found(index: Index, *terms: str) -> list[str]:
    return [hit.chunk.chunk.text for hit in index.search(terms, 10)]


def ids(index: Index, path: Path | None = None) -> dict[str, int]:
    return {stored.chunk.text: stored.id for stored in index.chunks(path)}


@pytest.fixture
def folder(index: Index) -> Folder:
    return index.add_folder(DOCS)


class TestOpening:
    def test_the_file_and_its_folder_are_private_whatever_the_umask(self, tmp_path: Path):
        old = os.umask(0)
        try:
            index = Index(tmp_path / "data" / "index.db")
            index.add_folder(DOCS)  # so that the log exists
        finally:
            os.umask(old)
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in [tmp_path / "data", *(tmp_path / "data").iterdir()]}
        index.close()
        assert modes == {"data": 0o700, "index.db": 0o600, "index.db-wal": 0o600, "index.db-shm": 0o600}

    def test_closing_twice_is_harmless(self, tmp_path: Path):
        index = Index(tmp_path / "index.db")
        index.close()
        index.close()

    def test_what_was_written_is_there_after_reopening(self, tmp_path: Path):
        with Index(tmp_path / "index.db") as index:
            added = index.add_folder(DOCS)
        with Index(tmp_path / "index.db") as index:
            assert index.folders() == [added]

    def test_commits_are_synced_and_foreign_keys_hold(self, index: Index):
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        values = [index._rows(f"PRAGMA {name}")[0][0] for name in pragmas]
        assert values == ["wal", 2, 1, 1]

    def test_another_thread_may_not_use_it(self, index: Index):
        caught: list[BaseException] = []

        def use() -> None:
            try:
                index.folders()
            except sqlite3.ProgrammingError as error:
                caught.append(error)

        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
        assert len(caught) == 1

    def test_threads_that_open_a_new_index_at_once_all_succeed(self, tmp_path: Path):
        for round_ in range(5):
            path = tmp_path / str(round_) / "index.db"
            barrier, errors = threading.Barrier(4), []

            def open_it(path: Path = path, barrier: threading.Barrier = barrier, errors: list = errors) -> None:
                barrier.wait()
                try:
                    with Index(path) as index:
                        index.remember_model_sha256(Path(threading.current_thread().name), 1, 1, "00")
                except Exception as error:  # noqa: BLE001 (told by the assertion)
                    errors.append(error)

            threads = [threading.Thread(target=open_it) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert errors == []
            with closing(sqlite3.connect(path)) as db:
                assert db.execute("SELECT count(*) FROM model_files").fetchone() == (4,)
                assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    def test_processes_that_open_a_new_index_at_once_all_succeed(self, tmp_path: Path):
        code = (
            "import sys; from pathlib import Path; import sqlite_utils; from storage.index import Index;"
            "print('ready', flush=True); sys.stdin.readline(); Index(Path(sys.argv[1])).close()"
        )
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(tmp_path / "index.db")],
                cwd=Path(index_module.__file__).parent.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        errors = [process.communicate()[1] for process in processes]
        assert [process.returncode for process in processes] == [0, 0, 0], errors

    def test_opening_an_index_writes_nothing(self, tmp_path: Path):
        path = tmp_path / "index.db"
        Index(path).close()
        before = path.read_bytes()
        Index(path).close()
        assert path.read_bytes() == before

    def test_an_index_of_a_newer_version_is_refused_and_left_alone(self, tmp_path: Path):
        path = tmp_path / "index.db"
        Index(path).close()
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("INSERT INTO _sqlite_migrations VALUES (99, 'steep', 'm999_later', 'then')")
        with pytest.raises(IndexTooNew, match=r"index\.db was written by a newer version.*m999_later"):
            Index(path)
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT count(*) FROM _sqlite_migrations").fetchone() == (len(STEPS) + 1,)

    def test_migrations_of_another_program_in_the_same_file_are_not_ours(self, tmp_path: Path):
        path = tmp_path / "index.db"
        Index(path).close()
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("INSERT INTO _sqlite_migrations VALUES (99, 'other', 'm999_later', 'then')")
        Index(path).close()

    def test_a_file_that_is_no_database_is_named_and_kept(self, tmp_path: Path):
        path = tmp_path / "index.db"
        path.write_text("a shopping list, and by no means a database\n" * 50)
        with pytest.raises(StoreUnusable, match=r"index\.db.*not a database.*Move the file away"):
            Index(path)
        assert path.read_text().startswith("a shopping list")

    def test_a_damaged_database_is_named(self, tmp_path: Path):
        path = tmp_path / "index.db"
        Index(path).close()
        data = bytearray(path.read_bytes())
        data[4096:] = b"\xff" * (len(data) - 4096)
        path.write_bytes(data)
        with (
            pytest.raises(StoreUnusable, match=r"index\.db.*malformed.*Move the file away"),
            Index(path) as index,
        ):
            index.chunks()

    def test_a_folder_in_the_place_of_the_file_is_named(self, tmp_path: Path):
        with pytest.raises(StoreUnusable, match=tmp_path.name):
            Index(tmp_path)

    def test_a_parent_that_cannot_be_made_is_named(self, tmp_path: Path):
        (tmp_path / "file").touch()
        with pytest.raises(StoreUnusable, match=r"index\.db"):
            Index(tmp_path / "file" / "index.db")


class TestRefusals:
    def test_a_full_disk_is_said_and_nothing_is_half_written(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts
    ):
        num_pages = index._rows("PRAGMA page_count")[0][0]
        index._rows(f"PRAGMA max_page_count = {num_pages}")
        with pytest.raises(StoreUnusable, match=r"The disk is full"):
            index.put_document(folder.id, version(DOCS / "a"), texts("x" * 100_000, "y" * 100_000))
        index._rows("PRAGMA max_page_count = 1000000")
        assert index.documents() == []
        index.put_document(folder.id, version(DOCS / "a"), texts("x"))

    def test_a_read_only_index_is_said(self, index: Index):
        index._rows("PRAGMA query_only = ON")
        with pytest.raises(StoreUnusable, match="read-only"):
            index.add_folder(DOCS)

    def test_a_lock_that_is_not_given_back_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(index_module, "BUSY_TIMEOUT_SECONDS", 0.02)
        with Index(tmp_path / "i.db") as index, closing(sqlite3.connect(tmp_path / "i.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnusable, match="Another program keeps it locked"):
                index.add_folder(DOCS)
            assert index.folders() == [], "reading goes on"
            other.rollback()
            index.add_folder(DOCS)

    def test_our_own_mistakes_are_not_dressed_up(self, index: Index):
        with pytest.raises(sqlite3.IntegrityError):
            index.record_state(key(1), "nonsense", 1, 1)  # type: ignore[arg-type]


class TestFolders:
    def test_folders_are_listed_in_the_order_they_were_added(self, index: Index):
        added = [index.add_folder(DOCS / name) for name in ("b", "a")]
        assert index.folders() == added

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            (DOCS / "work", "work is already watched.$"),
            (DOCS / "work" / "2024", "already watched through .*work, which contains it"),
            (DOCS, "contains what is already watched: .*work, .*home. Remove that first"),
        ],
    )
    def test_a_folder_that_overlaps_is_refused_with_the_one_in_the_way(self, index: Index, path: Path, message: str):
        index.add_folder(DOCS / "work")
        index.add_folder(DOCS / "home")
        with pytest.raises(FolderConflict, match=message):
            index.add_folder(path)
        assert len(index.folders()) == 2

    def test_a_longer_name_beside_is_no_conflict(self, index: Index):
        index.add_folder(DOCS / "work")
        index.add_folder(DOCS / "workshop")
        assert len(index.folders()) == 2

    @pytest.mark.parametrize("path", [Path("docs"), DOCS / ".." / "etc"])
    def test_a_path_that_is_not_resolved_is_a_mistake(self, index: Index, path: Path):
        with pytest.raises(ValueError, match="absolute"):
            index.add_folder(path)

    def test_removing_an_unknown_folder_names_the_known_ones(self, index: Index, folder: Folder):
        with pytest.raises(UnknownFolder, match=r"other is not a watched folder; these are: .*docs"):
            index.remove_folder(Path("/other"))
        assert index.folders() == [folder]

    def test_a_removed_folder_takes_its_documents_and_returns_the_states_that_nothing_uses(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts
    ):
        other = index.add_folder(Path("/other").absolute())
        index.put_document(folder.id, version(DOCS / "a"), texts("shared", "alone"))
        index.put_document(other.id, version(other.path / "b"), texts("shared"))
        mine, theirs = ids(index, DOCS / "a"), ids(index, other.path / "b")
        index.record_state(key(1), "chunk", 3, 100, [mine["shared"], theirs["shared"]])
        index.record_state(key(2), "chunk", 3, 100, [mine["alone"]])
        index.record_state(key(3), "preamble", 3, 100)

        assert index.remove_folder(DOCS) == (key(2),)

        assert [document.path for document in index.documents()] == [other.path / "b"]
        assert set(index.state_keys()) == {key(1), key(2), key(3)}, "rows stay until the files are gone"
        index.forget_unlinked([key(1), key(2), key(3)])
        assert set(index.state_keys()) == {key(1), key(3)}

    def test_the_text_of_a_removed_folder_is_gone_from_the_disk(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts
    ):
        def on_disk() -> bytes:
            return b"".join(path.read_bytes() for path in index.path.parent.iterdir())

        index.put_document(folder.id, version(DOCS / "a"), texts("the password is xyzzyplugh", "other words"))
        assert b"xyzzyplugh" in on_disk()
        index.remove_folder(DOCS)
        index.compact()
        assert b"xyzzyplugh" not in on_disk()

    def test_that_deleted_text_is_still_to_be_cleared_survives_whoever_deleted_it(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts
    ):
        index.put_document(folder.id, version(DOCS / "a"), texts("tea", "cocoa"))
        index.put_document(folder.id, version(DOCS / "b"), texts("mate"))
        assert not index.holds_deleted_text()
        index.put_document(folder.id, version(DOCS / "a"), texts("cocoa", "coffee"))
        assert index.holds_deleted_text(), "tea is gone"
        index.compact()
        assert not index.holds_deleted_text()
        for delete in (
            lambda: index.remove_document(DOCS / "a"),
            lambda: index.fail_document(folder.id, version(DOCS / "b"), "it is encrypted"),
            lambda: index.remove_folder(DOCS),
        ):
            delete()
            with Index(index.path) as another:
                assert another.holds_deleted_text()
                another.compact()
            assert not index.holds_deleted_text()

    def test_a_log_that_somebody_reads_is_cleared_by_a_later_call(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("storage.index.BUSY_TIMEOUT_SECONDS", 0.05)
        index.put_document(folder.id, version(DOCS / "a"), texts("the password is xyzzyplugh"))
        with closing(sqlite3.connect(index.path, isolation_level=None)) as reader, Index(index.path) as hasty:
            reader.execute("BEGIN")
            reader.execute("SELECT text FROM chunks").fetchall()
            hasty.remove_document(DOCS / "a")
            hasty.compact()
            assert hasty.holds_deleted_text()
            reader.execute("COMMIT")
            hasty.compact()
            assert not hasty.holds_deleted_text()
        assert all(b"xyzzyplugh" not in path.read_bytes() for path in index.path.parent.iterdir())


class TestDocuments:
    def test_a_document_is_read_as_it_was_put(self, index: Index, folder: Folder, version: MakeVersion):
        chunks = [ChunkText(0, 5, 1, "Intro", "five.", 2), ChunkText(4, 9, None, None, "é\0漢", 3)]
        index.put_document(folder.id, version(DOCS / "a.txt"), chunks)
        document = index.document(DOCS / "a.txt")
        assert document is not None
        assert (document.folder_id, document.num_bytes, document.mtime_ns) == (folder.id, 10, 20)
        assert (document.content_digest, document.title, document.error) == ("d1", "a", None)
        assert document.num_chunks == 2
        assert [stored.chunk for stored in index.chunks()] == chunks
        assert [stored.ordinal for stored in index.chunks()] == [0, 1]
        assert index.document(DOCS / "b.txt") is None

    def test_documents_are_listed_by_path_and_by_folder(self, index: Index, folder: Folder, version: MakeVersion):
        other = index.add_folder(Path("/other").absolute())
        for owner, path in ((folder, DOCS / "b"), (folder, DOCS / "a"), (other, other.path / "c")):
            index.put_document(owner.id, version(path), [])
        assert [d.path for d in index.documents()] == [DOCS / "a", DOCS / "b", other.path / "c"]
        assert [d.path for d in index.documents(other.id)] == [other.path / "c"]

    def test_the_documents_below_a_path_are_those_inside_and_itself(
        self, index: Index, folder: Folder, version: MakeVersion
    ):
        for name in ("a", "a/b", "a/b/c", "a-b", "a0", "ab/c"):
            index.put_document(folder.id, version(DOCS / name), [])
        below = [d.path.relative_to(DOCS).as_posix() for d in index.documents(folder.id, below=DOCS / "a")]
        assert below == ["a", "a/b", "a/b/c"]
        assert index.documents(folder.id + 1, below=DOCS / "a") == []

    def test_unchanged_chunks_keep_their_ids_and_states_wherever_they_move(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts
    ):
        index.put_document(folder.id, version(DOCS / "a"), texts("one", "two", "three"))
        before, document = ids(index), index.document(DOCS / "a")
        index.record_state(key(1), "chunk", 3, 100, [before["three"]])

        index.put_document(folder.id, version(DOCS / "a", "d2"), texts("new", "three", "one"))

        after = ids(index)
        assert [stored.chunk for stored in index.chunks()] == texts("new", "three", "one")
        assert (after["one"], after["three"]) == (before["one"], before["three"])
        assert after["new"] not in before.values(), "ids are never used twice"
        assert [s.chunk.text for s in index.chunks_without_state(MODEL)] == ["new", "one"]
        updated = index.document(DOCS / "a")
        assert document is not None
        assert updated is not None
        assert (updated.id, updated.content_digest) == (document.id, "d2")

    def test_an_id_of_the_last_chunk_is_not_used_again(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts
    ):
        index.put_document(folder.id, version(DOCS / "a"), texts("old"))
        old_id = ids(index)["old"]
        index.put_document(folder.id, version(DOCS / "a"), texts("new"))
        index.record_state(key(1), "chunk", 3, 100, [old_id])
        assert [s.chunk.text for s in index.chunks_without_state(MODEL)] == ["new"]
        assert index.unlinked_states() == [key(1)]

    def test_a_text_that_occurs_twice_is_two_chunks(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts
    ):
        def ids_in_order() -> list[int]:
            return [stored.id for stored in index.chunks()]

        index.put_document(folder.id, version(DOCS / "a"), texts("same", "same"))
        first, second = ids_in_order()
        index.put_document(folder.id, version(DOCS / "a"), texts("same", "same", "same"))
        assert ids_in_order()[:2] == [first, second]
        index.put_document(folder.id, version(DOCS / "a"), texts("same"))
        assert ids_in_order() == [first]

    def test_another_heading_makes_another_chunk(self, index: Index, folder: Folder, version: MakeVersion):
        index.put_document(folder.id, version(DOCS / "a"), [ChunkText(0, 1, None, "old", "text", 1)])
        before = ids(index)
        index.put_document(folder.id, version(DOCS / "a"), [ChunkText(0, 1, None, "new", "text", 1)])
        assert ids(index)["text"] != before["text"]
        assert (found(index, "old"), found(index, "new")) == ([], ["text"])

    @settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.lists(st.sampled_from("abcd"), max_size=6), min_size=1, max_size=4))
    def test_any_sequence_of_versions_ends_as_the_last_one(
        self, index: Index, version: MakeVersion, texts: MakeTexts, versions: list[list[str]]
    ):
        folder = index.folders()[0] if index.folders() else index.add_folder(DOCS)
        for words in versions:
            index.put_document(folder.id, version(DOCS / "a"), texts(*words))
        assert [stored.chunk for stored in index.chunks()] == texts(*versions[-1])
        assert sorted(found(index, *"abcd")) == sorted(versions[-1])

    def test_a_failed_document_stays_listed_with_its_reason_and_loses_its_chunks(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts
    ):
        index.put_document(folder.id, version(DOCS / "a"), texts("one"))
        index.fail_document(folder.id, version(DOCS / "a"), "it is encrypted")
        document = index.document(DOCS / "a")
        assert document is not None
        assert (document.error, document.num_chunks, found(index, "one")) == ("it is encrypted", 0, [])
        index.put_document(folder.id, version(DOCS / "a"), texts("one"))
        document = index.document(DOCS / "a")
        assert document is not None
        assert (document.error, document.num_chunks) == (None, 1)

    def test_a_document_of_a_folder_removed_meanwhile_is_refused(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts
    ):
        index.remove_folder(DOCS)
        with pytest.raises(UnknownFolder, match="not watched any more"):
            index.put_document(folder.id, version(DOCS / "a"), texts("one"))
        assert index.documents() == []

    def test_a_put_that_fails_half_way_changes_nothing(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts
    ):
        def broken() -> Iterator[ChunkText]:
            yield from texts("two")
            raise RuntimeError("half way")

        index.put_document(folder.id, version(DOCS / "a"), texts("one"))
        before = index.document(DOCS / "a")
        with pytest.raises(RuntimeError, match="half way"):
            index.put_document(folder.id, version(DOCS / "a", "d2"), broken())  # type: ignore[arg-type]
        assert index.document(DOCS / "a") == before
        assert (found(index, "one"), found(index, "two")) == (["one"], [])

    def test_removing_a_document_says_whether_it_was_there(self, index: Index, folder: Folder, version: MakeVersion):
        index.put_document(folder.id, version(DOCS / "a"), [])
        assert index.remove_document(DOCS / "a")
        assert not index.remove_document(DOCS / "a")
        assert index.documents() == []

    @pytest.mark.skipif(os.name == "nt", reason="paths there are text")
    def test_a_path_that_is_not_utf_8_is_kept_byte_for_byte(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts
    ):
        path = DOCS / os.fsdecode(b"caf\xe9.txt")
        index.put_document(folder.id, version(path), texts("coffee"))
        index.fail_document(folder.id, version(path.with_suffix(".pdf")), f"{path} is odd")
        assert [stored.document_path for stored in index.chunks(path)] == [path]
        assert index.document(path) is not None
        assert index.remove_document(path)


class TestSearch:
    @pytest.fixture(autouse=True)
    def _documents(self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts) -> None:
        index.put_document(
            folder.id,
            version(DOCS / "a"),
            texts("green tea leaves", "black coffee beans", "tea tea tea NEAR x AND y"),
        )

    def test_any_word_is_enough_and_more_is_better(self, index: Index):
        hits = index.search(["green", "tea"], 10)
        assert [hit.chunk.chunk.text for hit in hits] == ["green tea leaves", "tea tea tea NEAR x AND y"]
        assert hits[0].score > hits[1].score > 0
        assert hits[0].chunk.document_path == DOCS / "a"

    def test_words_are_stemmed_and_accents_and_case_do_not_matter(self, index: Index):
        assert found(index, "BEAN") == ["black coffee beans"]
        assert found(index, "cofféé") == ["black coffee beans"]

    def test_a_word_in_the_heading_weighs_more_than_one_in_the_text(
        self, index: Index, folder: Folder, version: MakeVersion
    ):
        in_text = ChunkText(0, 1, None, "other", "zebra", 1)
        in_heading = ChunkText(0, 1, None, "zebra", "other", 1)
        index.put_document(folder.id, version(DOCS / "b"), [in_text, in_heading])
        assert [hit.chunk.chunk for hit in index.search(["zebra"], 10)] == [in_heading, in_text]

    @pytest.mark.parametrize("limit", [-1, 0, 1, 2])
    def test_the_limit_holds(self, index: Index, limit: int):
        assert len(index.search(["tea"], limit)) == max(limit, 0)

    def test_a_search_can_be_held_to_some_documents(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts
    ):
        index.put_document(folder.id, version(DOCS / "b"), texts("tea for two"))
        numbers = {document.path.name: document.id for document in index.documents()}
        paths = {
            name: {hit.chunk.document_path.name for hit in index.search(["tea"], 10, [number])}
            for name, number in numbers.items()
        }
        assert paths == {"a": {"a"}, "b": {"b"}}
        assert len(index.search(["tea"], 10, numbers.values())) == 3
        assert index.search(["tea"], 10, []) == []

    @pytest.mark.parametrize(
        ("text", "term"),
        [
            ("我们在图书馆学习汉字。", "汉字"),
            ("我们在图书馆学习汉字。", "图书馆学习"),
            ("私はPython言語を学ぶ", "言語"),
            ("私はPython言語を学ぶ", "python"),
            ("도서관에서 한국어를 배운다", "도서관"),
            ("นักเรียนอ่านหนังสือที่ห้องสมุด", "หนังสือ"),
            ("विद्यार्थी पुस्तकालय में", "पुस्तकालय"),
            ("call parseConfigFile first", "config"),
            ("call parseConfigFile first", "parseconfigfile"),
            ("call parseConfigFile first", "parse_config"),
            ("call parse_config_file first", "parseConfigFile"),
            ("an eﬃcient method", "efficient"),
            ("cafe\u0301 au lait", "CAFÉ"),
        ],
    )
    def test_words_of_every_script_and_parts_of_identifiers_are_found(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts, text: str, term: str
    ):
        index.put_document(folder.id, version(DOCS / "b"), texts(text, "etwas anderes 别的 다른 อื่น"))
        assert found(index, term) == [text]

    def test_marks_tell_words_apart(self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts):
        index.put_document(folder.id, version(DOCS / "b"), texts("की", "कि", "ที่", "ที"))
        assert [found(index, term) for term in ("की", "कि", "ที่", "ที")] == [["की"], ["कि"], ["ที่"], ["ที"]]

    @pytest.mark.parametrize("term", ["汉学", "习汉字图", "นสื", "어한"])
    def test_letters_that_are_not_neighbours_are_no_match(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts, term: str
    ):
        index.put_document(folder.id, version(DOCS / "b"), texts("汉字", "学习 习汉", "หนังสือ", "한국어"))
        assert term not in found(index, term)

    @settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(st.sampled_from([*"aB1é _,漢字をの한국ﬁ\u00ad.", "ที", "หนั", "हि", "न्", "e\u0301"]), min_size=1).map(
            "".join
        )
    )
    def test_every_word_of_a_text_finds_it(self, index: Index, version: MakeVersion, texts: MakeTexts, text: str):
        (folder,) = index.folders()
        index.put_document(folder.id, version(DOCS / "b"), texts(text))
        for word in words_of(text):
            if any(character.isalnum() for character in word):
                assert text in found(index, word), word

    def test_a_word_in_the_name_of_a_document_finds_its_chunks(self, index: Index, folder: Folder, texts: MakeTexts):
        ferry = DocumentVersion(DOCS / "ferry-timetable.md", 1, 1, "d1", "Crossings 航班")
        index.put_document(folder.id, ferry, texts("at seven", "at noon"))
        for word in ("timetable", "crossing", "航班"):
            assert sorted(found(index, word)) == ["at noon", "at seven"]
        assert found(index, "noon", "timetable")[0] == "at noon"

    def test_a_document_that_gets_another_title_is_found_by_that_one(
        self, index: Index, folder: Folder, texts: MakeTexts
    ):
        for title in ("Departures", "Arrivals"):
            index.put_document(folder.id, DocumentVersion(DOCS / "f.md", 1, 1, "d1", title), texts("at seven"))
        assert (found(index, "departures"), found(index, "arrivals")) == ([], ["at seven"])
        assert index.damaged_search_tables() == []

    def test_headings_are_separated_too(self, index: Index, folder: Folder, version: MakeVersion):
        index.put_document(folder.id, version(DOCS / "b"), [ChunkText(0, 1, None, "漢字の表", "text", 1)])
        assert found(index, "漢字") == ["text"]
        index.remove_document(DOCS / "b")
        assert found(index, "漢字") == []
        assert index.damaged_search_tables() == []

    @pytest.mark.parametrize(
        "term",
        HOSTILE_TERMS,
    )
    def test_a_term_is_never_query_syntax(self, index: Index, term: str):
        index.search([term], 10)
        assert set(found(index, term, "coffee")) >= {"black coffee beans"}

    def test_operators_are_found_as_the_words_they_are(self, index: Index):
        for word in ("NEAR", "AND"):
            assert found(index, word) == ["tea tea tea NEAR x AND y"]
        assert found(index, "te*") == [], "no prefix search behind the user's back"
        assert found(index, 'green" OR "coffee') == []

    @pytest.mark.parametrize("terms", [[], [""], [" ", "\0"]])
    def test_no_words_find_nothing(self, index: Index, terms: list[str]):
        assert index.search(terms, 10) == []

    @settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.text(st.characters(), max_size=12), max_size=6))
    def test_no_text_makes_search_fail(self, index: Index, terms: list[str]):
        index.search(terms, 3)

    def test_a_whole_page_of_words_can_be_asked_for(self, index: Index):
        assert found(index, *(f"word{i}" for i in range(5000)), "coffee") == ["black coffee beans"]

    def test_search_follows_replaced_and_removed_documents(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts
    ):
        index.put_document(folder.id, version(DOCS / "a"), texts("green tea leaves", "cocoa"))
        assert (found(index, "coffee"), found(index, "cocoa")) == ([], ["cocoa"])
        index.remove_document(DOCS / "a")
        assert found(index, "tea", "cocoa") == []
        index.put_document(folder.id, version(DOCS / "b"), texts("mate"))
        index.remove_folder(DOCS)
        assert found(index, "mate") == []
        index._rows("INSERT INTO chunks_fts(chunks_fts, rank) VALUES ('integrity-check', 1)")


class TestChunksByPlace:
    def test_a_chunk_is_found_by_its_place(self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts):
        for words in (["three", "two"], ["one", "two", "three"]):
            index.put_document(folder.id, version(DOCS / "a"), texts(*words))
        assert [index.chunk_at(DOCS / "a", ordinal) for ordinal in range(4)] == [*index.chunks(), None]
        assert index.chunk_at(DOCS / "b", 0) is None

    def test_first_chunks_are_those_of_the_files_that_changed_last(
        self, index: Index, folder: Folder, texts: MakeTexts
    ):
        for name, mtime_ns in (("old", 1), ("new", 3), ("middle", 2)):
            version = DocumentVersion(DOCS / name, 1, mtime_ns, "d1", name)
            index.put_document(folder.id, version, texts(f"{name} begins", f"{name} goes on"))

        def firsts(limit: int, document_ids: list[int] | None = None) -> list[str]:
            return [stored.chunk.text for stored in index.first_chunks(limit, document_ids)]

        assert firsts(9) == ["new begins", "middle begins", "old begins"]
        assert (firsts(2), firsts(0), firsts(-1)) == (["new begins", "middle begins"], [], [])
        old = index.document(DOCS / "old")
        assert old is not None
        assert (firsts(9, [old.id]), firsts(9, [])) == (["old begins"], [])


class TestStates:
    @pytest.fixture
    def chunk_ids(self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts) -> list[int]:
        index.put_document(folder.id, version(DOCS / "b"), texts("one", "two"))
        index.put_document(folder.id, version(DOCS / "a"), texts("three"))
        return [stored.id for stored in index.chunks()]

    def test_chunks_without_a_state_come_in_order_and_per_fingerprint(self, index: Index, chunk_ids: list[int]):
        index.record_state(key(1), "chunk", 3, 100, [chunk_ids[1]])
        assert [s.id for s in index.chunks_without_state(MODEL)] == [chunk_ids[0], chunk_ids[2]]
        assert [s.id for s in index.chunks_without_state(OTHER_MODEL)] == chunk_ids

    def test_a_forgotten_state_leaves_its_chunks_without(self, index: Index, chunk_ids: list[int]):
        index.record_state(key(1), "chunk", 3, 100, chunk_ids)
        assert index.chunks_without_state(MODEL) == []
        index.forget_state(key(1))
        assert [s.id for s in index.chunks_without_state(MODEL)] == chunk_ids
        assert not index.has_state(key(1))

    def test_recording_again_updates_and_adds_links(self, index: Index, chunk_ids: list[int]):
        index.record_state(key(1), "chunk", 3, 100, chunk_ids[:1])
        index.record_state(key(1), "chunk", 3, 250, chunk_ids[1:])
        assert index.chunks_without_state(MODEL) == []
        assert index.counts().num_state_bytes == 250

    def test_a_chunk_has_one_state_per_fingerprint_the_last_one(self, index: Index, chunk_ids: list[int]):
        index.record_state(key(1), "chunk", 3, 100, chunk_ids[:1])
        index.record_state(key(2), "chunk", 3, 100, chunk_ids[:1])
        assert index.unlinked_states() == [key(1)]

    def test_a_preamble_is_never_unlinked_whatever_it_is_called_later(self, index: Index):
        index.record_state(key(1), "chunk", 3, 100)
        assert index.unlinked_states() == [key(1)]
        index.record_state(key(1), "preamble", 3, 100)
        index.record_state(key(1), "chunk", 3, 100)
        assert index.unlinked_states() == []

    def test_forgetting_the_unlinked_spares_what_was_linked_meanwhile(self, index: Index, chunk_ids: list[int]):
        index.record_state(key(1), "chunk", 3, 100)
        unlinked = index.unlinked_states()
        index.record_state(key(1), "chunk", 3, 100, chunk_ids[:1])
        index.forget_unlinked(unlinked)
        assert index.has_state(key(1))

    def test_state_keys_are_listed_per_fingerprint(self, index: Index):
        index.record_state(key(1), "chunk", 3, 100)
        index.record_state(key(1, OTHER_MODEL), "chunk", 3, 100)
        assert index.state_keys(MODEL) == [key(1)]
        assert len(index.state_keys()) == 2

    def test_an_answer_counts_for_the_states_of_its_chunks_and_warms_those_of_their_documents(
        self, index: Index, chunk_ids: list[int], monkeypatch: pytest.MonkeyPatch
    ):
        for number, chunk_id in enumerate(chunk_ids, start=1):
            index.record_state(key(number), "chunk", 3, 100, [chunk_id])
        index.record_state(key(1, OTHER_MODEL), "chunk", 3, 100, chunk_ids[:1])
        index.record_state(key(1, THIRD_MODEL), "chunk", 3, 100, chunk_ids[:1])
        index.record_state(key(9), "preamble", 3, 100)
        index.record_state(key(9, THIRD_MODEL), "preamble", 3, 100)
        index._connection.execute("UPDATE states SET last_used_at = 5, num_hits = 8")
        monkeypatch.setattr(index_module, "now", lambda: 5 + HALF_LIFE_SECONDS)
        index.note_use([chunk_ids[0], 999], MODEL, THIRD_MODEL)
        rows = index._rows("SELECT fingerprint, digest, last_used_at, num_hits FROM states")
        kept = {StateKey(*row[:2]): row[2:] for row in rows}
        late = 5 + HALF_LIFE_SECONDS
        assert kept[key(1)] == (late, 5), "half of eight, and one"
        assert kept[key(1, OTHER_MODEL)] == (5, 8), "another model has its own"
        assert kept[key(1, THIRD_MODEL)] == kept[key(1)], "all that are named"
        assert kept[key(9)] == kept[key(9, THIRD_MODEL)] == (late, 8)
        siblings = {chunk.id for chunk in index.chunks(index.chunks_with_ids(chunk_ids[:1])[0].document_path)}
        for number, chunk_id in list(enumerate(chunk_ids, start=1))[1:]:
            assert kept[key(number)] == ((late, 4) if chunk_id in siblings else (5, 8))

    def test_a_state_counts_as_used_when_its_document_was(
        self, index: Index, folder: Folder, texts: MakeTexts, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(index_module, "now", lambda: 1_000)

        def put(mtime: int, *words: str) -> None:
            changed = DocumentVersion(DOCS / "plan", 1, mtime * 10**9, "d", "plan")
            index.put_document(folder.id, changed, texts(*words))

        def last_used() -> list[int]:
            return [row[0] for row in index._rows("SELECT last_used_at FROM states WHERE role = 'chunk'")]

        put(30, "tea")
        index.record_state(key(1), "chunk", 3, 100, [ids(index)["tea"]])
        assert last_used() == [30], "not now: it was steeped late because it is worth little"
        put(40, "tea", "cups")
        assert last_used() == [30], "nobody asks this model"
        index.record_state(key(9), "preamble", 3, 10)
        put(50, "tea", "cups")
        assert last_used() == [50]
        put(5_000, "tea", "cups")
        assert last_used() == [1_000], "whatever the file says of the future"

    def test_what_may_give_room_is_listed_coldest_first(self, index: Index, folder: Folder, texts: MakeTexts):
        for name, mtime in (("old", 10), ("new", 30), ("pinned", 5), ("shared", 20)):
            words = ("shared text",) if name in ("pinned", "shared") else (name,)
            version = DocumentVersion(DOCS / name, 1, mtime * 10**9, "d", name)
            index.put_document(folder.id, version, texts(*words))
        found = {stored.document_path.name: stored.id for stored in index.chunks()}
        for number, name in enumerate(("old", "new", "pinned"), start=1):
            index.record_state(key(number), "chunk", 3, number * 10, [found[name]])
        index.record_state(key(3), "chunk", 3, 30, [found["shared"]])
        index.record_state(key(9), "preamble", 3, 1000)
        assert [state.key for state in index.coldest_states()] == [key(1), key(3), key(2)]
        assert [state.key for state in index.coldest_states(limit=1)] == [key(1)]
        index.pin([DOCS / "pinned"], True)
        assert [state.key for state in index.coldest_states()] == [key(1), key(2)], "shared with a pinned one"
        assert index.immovable_bytes() == 1030
        owners = index.owners([key(1), key(3), key(8)])
        assert {state: set(whose) for state, whose in owners.items()} == {
            key(1): {DOCS / "old"},
            key(3): {DOCS / "pinned", DOCS / "shared"},
        }

    def test_counts_count_one_fingerprint_or_all(self, index: Index, folder: Folder, chunk_ids: list[int]):
        index.fail_document(folder.id, DocumentVersion(DOCS / "c", 1, 1, "d", "c"), "broken")
        index.record_state(key(1), "chunk", 3, 100, chunk_ids[:2])
        index.record_state(key(2), "preamble", 3, 10)
        index.record_state(key(1, OTHER_MODEL), "chunk", 3, 1000, chunk_ids[:1])
        assert index.counts(MODEL) == StoreCounts(1, 3, 1, 3, 2, 2, 110)
        assert index.counts() == StoreCounts(1, 3, 1, 3, 2, 3, 1110)
        assert index.counts("ee" * 16) == StoreCounts(1, 3, 1, 3, 0, 0, 0)


class TestStages:
    """Found → searchable → steeped, and what is to be steeped first."""

    def test_found_documents_are_listed_and_wait_until_they_are_put(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts
    ):
        index.put_document(folder.id, version(DOCS / "known"), texts("tea"))
        index.list_documents(folder.id, [version(DOCS / "known", ""), version(DOCS / "new", "")])
        assert {d.path.name: d.is_waiting for d in index.documents()} == {"known": False, "new": True}
        assert found(index, "tea") == ["tea"]
        index.put_document(folder.id, version(DOCS / "new"), [])
        assert not any(d.is_waiting for d in index.documents())

    def test_documents_of_a_folder_that_is_gone_are_not_listed(self, index: Index, version: MakeVersion):
        with pytest.raises(UnknownFolder, match="not listed: its folder is not watched"):
            index.list_documents(7, [version(DOCS / "a", "")])

    def test_stages_count_documents(self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts):
        index.list_documents(folder.id, [version(DOCS / "found", "")])
        index.fail_document(folder.id, version(DOCS / "broken"), "is broken")
        for name in ("half", "whole"):
            index.put_document(folder.id, version(DOCS / name), texts(f"{name} one", f"{name} two"))
        by_text = ids(index)
        steeped = [by_text[text] for text in ("half one", "whole one", "whole two")]
        index.record_state(key(1), "chunk", 3, 100, steeped)
        expected = {"found": 1, "unreadable": 1, "searchable": 1, "steeped": 1}
        assert index.stage_counts(MODEL) == index.stage_counts() == expected
        assert index.stage_counts(OTHER_MODEL) == expected | {"searchable": 2, "steeped": 0}
        assert index.backlog(MODEL) == Backlog(1, 3)

    def test_what_changed_or_was_used_last_is_steeped_first(self, index: Index, folder: Folder, texts: MakeTexts):
        for name, changed_at in (("old", 10), ("newer", 30), ("used", 20)):
            changed = DocumentVersion(DOCS / name, 1, changed_at * 10**9, "d", name)
            index.put_document(folder.id, changed, texts(f"{name} 1", f"{name} 2"))
        index.note_use([ids(index)["used 2"]], MODEL)
        listed = [stored.chunk.text for stored in index.chunks_without_state(MODEL)]
        assert listed == ["used 1", "used 2", "newer 1", "newer 2", "old 1", "old 2"]
        assert [stored.chunk.text for stored in index.chunks_without_state(MODEL, limit=3)] == listed[:3]

    def test_a_moved_document_keeps_the_states_of_its_text(
        self, index: Index, folder: Folder, version: MakeVersion, texts: MakeTexts
    ):
        index.put_document(folder.id, version(DOCS / "before"), texts("one", "two"))
        by_text = ids(index)
        index.record_state(key(1), "chunk", 3, 100, [by_text["one"]])
        index.record_state(key(2), "chunk", 3, 100, [by_text["two"]])
        index.record_state(key(3, OTHER_MODEL), "chunk", 3, 100, [by_text["two"]])
        index.put_document(folder.id, version(DOCS / "after"), texts("two", "one"))
        index.remove_document(DOCS / "before")
        assert index.unlinked_states() == []
        assert index.chunks_without_state(MODEL) == []
        assert [stored.chunk.text for stored in index.chunks_without_state(OTHER_MODEL)] == ["one"]


class TestModelFiles:
    def test_a_checksum_is_remembered_until_the_file_changes(self, index: Index):
        path = Path("/models/m.gguf")
        index.remember_model_sha256(path, 10, 20, "aa")
        assert index.model_sha256(path, 10, 20) == "aa"
        assert index.model_sha256(path, 11, 20) is None
        assert index.model_sha256(path, 10, 21) is None
        index.remember_model_sha256(path, 11, 20, "bb")
        assert index.model_sha256(path, 11, 20) == "bb"
        assert index.model_sha256(path, 10, 20) is None


class TestAlone:
    def test_what_is_done_within_is_one_transaction(self, index: Index, folder: Folder):
        with Index(index.path) as other:
            with index.alone():
                index.record_state(key(1), "chunk", 3, 100)
                with index.alone():
                    index.record_state(key(2), "chunk", 3, 100)
                assert other.state_keys() == []
            assert set(other.state_keys()) == {key(1), key(2)}

    @pytest.mark.parametrize("error", [OSError(28, "No space left"), ValueError("a mistake"), KeyboardInterrupt()])
    def test_an_exception_undoes_it_and_rises_as_it_is(self, index: Index, error: BaseException):
        def fail() -> None:
            with index.alone():
                index.record_state(key(1), "chunk", 3, 100)
                raise error

        with pytest.raises(type(error)) as caught:
            fail()
        assert caught.value is error
        assert index.state_keys() == []
        index.record_state(key(2), "chunk", 3, 100)
        assert index.state_keys() == [key(2)]

    def test_others_wait(self, index: Index, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(index_module, "BUSY_TIMEOUT_SECONDS", 0.05)
        with Index(index.path) as hasty, index.alone(), pytest.raises(StoreUnusable, match="keeps it locked"):
            hasty.record_state(key(1), "chunk", 3, 100)
