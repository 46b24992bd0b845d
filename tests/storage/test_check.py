"""Everything that can be out of order is made so on purpose, found, mended, and found no more."""

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import xxhash

from storage import check as check_module
from storage import chunk_file
from storage.check import Describe, StoreCheck
from storage.content_key import fingerprint, state_key, text_digest
from storage.findings import Finding, FindingKind, Progress
from storage.index import Index
from storage.inventory import key_of, path_of
from storage.mend import StoreMender
from storage.store import StateStore
from storage.values import ChunkState, ChunkText, DocumentVersion, Turn
from storage.vectors import VectorStore

MakeState = Callable[..., ChunkState]

DOCS = Path("/docs").absolute()
LONG_AGO = int(time.time()) - 7200


class Store:
    """A store of two documents: the first with three chunks that are all steeped, the second without any."""

    def __init__(self, folder: Path, make_state: MakeState) -> None:
        self.root, self.vectors_root, self.log = folder / "kv", folder / "vectors", folder / "steep.log"
        self.index = Index(folder / "index.db")
        self.states = StateStore(self.root, self.index)
        watched = self.index.add_folder(DOCS)
        texts = [ChunkText(i, i + 1, None, None, text, 3) for i, text in enumerate(("one", "two", "three"))]
        self.index.put_document(watched.id, DocumentVersion(DOCS / "a", 1, 1, "digest", "a"), texts)
        self.index.put_document(watched.id, DocumentVersion(DOCS / "b", 1, 1, "digest", "b"), [])
        self.kept = [make_state((number,)) for number in range(3)]
        for state, chunk in zip(self.kept, self.index.chunks(), strict=True):
            self.states.put(state, chunk_ids=[chunk.id])
        self.states.put(make_state((9,), start_position=0), role="preamble")
        self.first = self.states.path_of(self.kept[0].key)

    def find(self, *, deep: bool = False, describe: Describe | None = None) -> list[Finding]:
        check = StoreCheck(
            self.index, self.root, self.vectors_root, private=[self.log], pause_seconds=0, describe=describe
        )
        events = check.find(deep=deep)
        return [event for event in events if isinstance(event, Finding)]

    def kinds(self, *, deep: bool = False) -> set[FindingKind]:
        return {finding.kind for finding in self.find(deep=deep)}

    def mend(self) -> None:
        for outcome in StoreMender(self.index, self.root).mend(self.find(deep=True)):
            assert outcome.failure is None, outcome

    def sql(self, script: str) -> None:
        """As a program would that knows nothing of foreign keys."""
        with closing(sqlite3.connect(self.index.path)) as db:
            db.executescript(script)

    def age(self, *, also: Path | None = None) -> None:
        """Everything on disk and in the index, or one file only, was last touched long ago."""
        for path in [also] if also else [self.root, *self.root.rglob("*")]:
            os.utime(path, (LONG_AGO, LONG_AGO))
        if also is None:
            self.sql(f"UPDATE states SET created_at = {LONG_AGO}, last_used_at = {LONG_AGO}")
            self.sql(f"UPDATE documents SET indexed_at = {LONG_AGO}")


@pytest.fixture
def store(tmp_path: Path, make_state: MakeState) -> Iterator[Store]:
    made = Store(tmp_path, make_state)
    with made.index:
        yield made


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096] ^= 1
    path.write_bytes(data)


class TestHealthyStores:
    @pytest.mark.parametrize("deep", [False, True])
    def test_have_no_findings(self, store: Store, deep: bool):
        assert store.find(deep=deep) == []
        store.age()
        assert store.find(deep=deep) == []

    def test_are_as_good_as_empty_ones(self, tmp_path: Path):
        with Index(tmp_path / "index.db") as index:
            check = StoreCheck(index, tmp_path / "kv", pause_seconds=0)
            assert [event for event in check.find(deep=True) if isinstance(event, Finding)] == []

    def test_are_looked_at_once(self, store: Store, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(check_module.time, "sleep", lambda _: pytest.fail("nothing was to be looked at again"))
        assert [event for event in StoreCheck(store.index, store.root).find() if isinstance(event, Finding)] == []

    def test_show_how_far_the_check_is(self, store: Store):
        quick, deep = (
            [event for event in StoreCheck(store.index, store.root).find(deep=deep) if isinstance(event, Progress)]
            for deep in (False, True)
        )
        for events in (quick, deep):
            done = [event.num_done for event in events]
            assert done == list(range(len(events)))
            assert {event.num_total for event in events} == {done[-1]}
        assert len(deep) == len(quick) + 4, "a step for each file"


def test_both_ways_to_the_path_of_a_state_agree(tmp_path: Path, make_state: MakeState):
    key = make_state().key
    with Index(tmp_path / "index.db") as index:
        path = StateStore(tmp_path, index).path_of(key)
    assert path_of(os.fspath(tmp_path), key) == os.fspath(path)
    assert key_of(path) == key


class TestChunkFiles:
    def test_a_row_without_its_file_is_forgotten(self, store: Store):
        store.first.unlink()
        (finding,) = store.find()
        assert (finding.kind, finding.subject) == (FindingKind.MISSING_FILE, store.first)
        store.mend()
        assert store.find() == []
        assert len(store.index.chunks_without_state(store.kept[0].key.fingerprint)) == 1, "it will be steeped again"

    def test_a_store_that_lost_all_its_files_forgets_all_rows(self, store: Store):
        for path in store.root.rglob("*.kv"):
            path.unlink()
        assert [finding.kind for finding in store.find()] == [FindingKind.MISSING_FILE] * 4
        store.mend()
        assert store.find() == []
        assert store.index.state_keys() == []

    def test_a_file_that_came_back_before_it_was_mended_keeps_its_row(self, store: Store):
        data = store.first.read_bytes()
        store.first.unlink()
        findings = store.find()
        store.first.write_bytes(data)
        assert [outcome.failure for outcome in StoreMender(store.index, store.root).mend(findings)] == [None]
        assert store.index.has_state(store.kept[0].key)

    @pytest.mark.parametrize("size", [None, 300])
    @pytest.mark.parametrize("recorded", [True, False])
    def test_a_file_of_a_newer_version_is_told_and_left_alone(self, store: Store, size: int | None, recorded: bool):
        data = bytearray(store.first.read_bytes())
        data[8] = 2
        data[-16:] = xxhash.xxh3_128_digest(data[:-16])
        store.first.write_bytes(data[:size])
        if not recorded:
            store.index.forget_state(store.kept[0].key)
            num_bytes = store.states.path_of(store.kept[1].key).stat().st_size
            store.index.record_state(store.kept[1].key, "chunk", 1, num_bytes, [1])
        store.age()
        found = store.find(deep=True)
        assert [(each.kind, each.subject) for each in found] == [(FindingKind.NEWER_FILE, store.first)]
        store.mend()
        assert store.first.exists()

    def test_a_blob_that_is_not_built_as_a_state_is_dropped(self, store: Store):
        def describe(state: ChunkState) -> str:
            if state.token_ids == (1,):
                raise ValueError("a state of one cell is no state of ten")
            return "two layers"

        (finding,) = store.find(deep=True, describe=describe)
        assert (finding.kind, finding.subject) == (FindingKind.FOREIGN_BLOB, store.states.path_of(store.kept[1].key))
        assert "no state of ten" in finding.problem
        for outcome in StoreMender(store.index, store.root).mend([finding]):
            assert outcome.failure is None
        assert store.find(deep=True, describe=describe) == []
        assert len(store.index.state_keys()) == 3

    def test_a_blob_built_otherwise_than_the_others_of_its_model_is_dropped(self, store: Store):
        def describe(state: ChunkState) -> str:
            return "three layers" if state.token_ids == (0,) else "two layers"

        (finding,) = store.find(deep=True, describe=describe)
        assert (finding.kind, finding.subject) == (FindingKind.FOREIGN_BLOB, store.first)

    def test_two_states_that_differ_do_not_say_which_one_is_wrong(self, store: Store):
        def describe(state: ChunkState) -> str:
            return "three layers" if state.token_ids in ((0,), (1,)) else "two layers"

        assert store.find(deep=True, describe=describe) == []

    def test_a_flipped_byte_is_found_by_reading_only(self, store: Store, caplog: pytest.LogCaptureFixture):
        spoil(store.first)
        assert store.find() == []
        (finding,) = store.find(deep=True)
        assert (finding.kind, finding.subject) == (FindingKind.DAMAGED_FILE, store.first)
        assert "checksum" in finding.problem
        assert str(store.first) not in finding.problem, "the subject says it"
        store.mend()
        assert store.find(deep=True) == []
        assert not store.first.exists()
        assert "Dropped the chunk state" in caplog.text

    def test_a_file_in_the_place_of_another_is_damaged(self, store: Store):
        store.first.write_bytes(store.states.path_of(store.kept[1].key).read_bytes())
        assert store.kinds(deep=True) == {FindingKind.DAMAGED_FILE}

    def test_a_damaged_file_that_was_replaced_before_it_was_mended_stays(self, store: Store):
        spoil(store.first)
        findings = store.find(deep=True)
        store.states.put(store.kept[0])
        list(StoreMender(store.index, store.root).mend(findings))
        assert store.states.get(store.kept[0].key, store.kept[0].token_ids) == store.kept[0]

    def test_a_file_cut_short_is_dropped(self, store: Store):
        os.truncate(store.first, 4100)
        (finding,) = store.find()
        assert (finding.kind, finding.subject) == (FindingKind.WRONG_SIZE, store.first)
        assert "4,100" in finding.problem
        store.mend()
        assert store.find(deep=True) == []
        assert not store.index.has_state(store.kept[0].key)

    def test_a_wrong_size_on_record_is_corrected_and_the_whole_file_stays(self, store: Store):
        store.sql("UPDATE states SET num_bytes = 5 WHERE role = 'preamble'")
        assert store.kinds() == {FindingKind.WRONG_SIZE}
        store.mend()
        assert store.find(deep=True) == []
        assert len(store.index.state_keys()) == 4
        assert store.index.unlinked_states() == [], "the preamble is still one"

    def test_a_file_that_may_not_be_read_is_left_to_the_user(self, store: Store, monkeypatch: pytest.MonkeyPatch):
        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(chunk_file, "read", refuse)
        findings = store.find(deep=True)
        assert {finding.kind for finding in findings} == {FindingKind.UNREADABLE_FILE}
        assert "Permission denied" in findings[0].problem
        assert list(StoreMender(store.index, store.root).mend(findings)) == []

    def test_what_the_system_refuses_is_told_and_does_not_stop_the_rest(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ):
        def refuse(path: Path) -> None:
            raise OSError(30, "Read-only file system")

        stray = store.first.with_name(".x.kv.1.0123456789abcdef.tmp")
        stray.touch(mode=0o600)
        store.age(also=stray)
        store.sql("UPDATE chunks SET ordinal = 7 WHERE ordinal = 0")
        findings = store.find()
        assert {finding.kind for finding in findings} == {FindingKind.STRAY_FILE, FindingKind.MISNUMBERED_CHUNKS}
        monkeypatch.setattr(chunk_file, "remove", refuse)
        outcomes = {out.finding.kind: out.failure for out in StoreMender(store.index, store.root).mend(findings)}
        assert outcomes == {FindingKind.STRAY_FILE: "Read-only file system", FindingKind.MISNUMBERED_CHUNKS: None}


class TestFilesWithoutARow:
    def test_are_removed_once_they_are_old(self, store: Store, make_state: MakeState):
        state = make_state((5,))
        path = store.states.path_of(state.key)
        chunk_file.write(path, state)
        assert store.find() == [], "it may be between its two steps"
        store.age(also=path)
        (finding,) = store.find()
        assert (finding.kind, finding.subject, finding.can_be_mended) == (FindingKind.UNRECORDED_FILE, path, True)
        store.mend()
        assert store.find() == []
        assert not path.exists()

    def test_may_have_any_name(self, store: Store):
        path = store.first.with_name("copy of something.kv")
        path.touch(mode=0o600)
        store.age(also=path)
        assert store.kinds() == {FindingKind.UNRECORDED_FILE}
        store.mend()
        assert store.find() == []

    def test_stay_if_they_got_their_row_before_they_were_mended(self, store: Store, make_state: MakeState):
        state = make_state((5,))
        path = store.states.path_of(state.key)
        chunk_file.write(path, state)
        store.age(also=path)
        findings = store.find()
        assert store.states.get(state.key, state.token_ids) == state
        list(StoreMender(store.index, store.root).mend(findings))
        assert path.exists()

    def test_stay_while_a_document_waits_to_be_steeped(self, store: Store):
        store.index.forget_state(store.kept[0].key)
        store.age(also=store.first)
        (finding,) = store.find()
        assert (finding.kind, finding.can_be_mended) == (FindingKind.UNRECORDED_FILE, False)
        store.mend()
        chunk = store.index.chunks_without_state(store.kept[0].key.fingerprint)[0]
        assert store.states.adopt(store.kept[0].key, store.kept[0].token_ids, [chunk.id]), "it is used again"
        assert store.find() == []

    def test_are_all_kept_under_a_new_index(self, store: Store, tmp_path: Path):
        store.age()
        with Index(tmp_path / "new.db") as index:
            check = StoreCheck(index, store.root, pause_seconds=0)
            (finding,) = [event for event in check.find() if isinstance(event, Finding)]
            assert (finding.kind, finding.can_be_mended) == (FindingKind.UNUSED_FOLDER, False)
            list(StoreMender(index, store.root).mend([finding]))
        assert store.find(deep=True) == []


class TestFoldersOfFingerprintsThatNoRowMentions:
    @pytest.fixture
    def unused(self, store: Store, make_state: MakeState) -> Path:
        state = make_state((1,), model="another model")
        path = store.states.path_of(state.key)
        chunk_file.write(path, state)
        return path

    def test_are_removed_with_their_files_once_they_are_old(self, store: Store, unused: Path):
        assert store.find() == []
        store.age()
        (finding,) = store.find()
        assert (finding.kind, finding.subject) == (FindingKind.UNUSED_FOLDER, unused.parent.parent)
        for _ in range(2):  # the second time somebody else was faster
            assert [out.failure for out in StoreMender(store.index, store.root).mend([finding])] == [None]
        assert store.find() == []
        assert not unused.parent.parent.exists()

    def test_are_removed_when_they_are_empty_whatever_waits(self, store: Store, unused: Path):
        unused.unlink()
        store.index.forget_state(store.kept[0].key)
        store.age()
        store.mend()
        assert not unused.parent.parent.exists()

    def test_stay_when_somebody_writes_into_them_before_they_are_mended(self, store: Store, unused: Path):
        store.age()
        findings = store.find()
        unused.touch()
        list(StoreMender(store.index, store.root).mend(findings))
        assert unused.exists()

    def test_stay_for_what_strangers_put_there_but_lose_their_chunk_files(self, store: Store, unused: Path):
        note = unused.with_name("note.txt")
        note.touch(mode=0o600)
        store.age()
        assert store.kinds() == {FindingKind.UNRECORDED_FILE}
        store.mend()
        assert store.find() == []
        assert (note.exists(), unused.exists()) == (True, False)

    def test_are_told_from_what_is_not_ours(self, store: Store):
        (store.root / "lost+found").mkdir(mode=0o700)
        store.age()
        assert store.find() == []


class TestOtherFiles:
    def test_a_temporary_of_a_killed_writer_is_removed(self, store: Store):
        path = store.first.with_name(".x.kv.1.0123456789abcdef.tmp")
        path.touch(mode=0o600)
        assert store.find() == [], "its writer is alive"
        store.age(also=path)
        (finding,) = store.find()
        assert (finding.kind, finding.subject) == (FindingKind.STRAY_FILE, path)
        store.mend()
        assert store.find() == []

    @pytest.mark.skipif(os.name == "nt", reason="rights are not in the mode there")
    def test_what_others_may_read_is_made_private(self, store: Store):
        opened = [store.root, store.first.parent, store.first, *store.index.files()]
        assert len(opened) == 6
        for path in opened:
            path.chmod(0o755 if path.is_dir() else 0o644)
        findings = store.find()
        assert {finding.kind for finding in findings} == {FindingKind.NOT_PRIVATE}
        assert sorted(finding.subject for finding in findings) == sorted(opened)
        store.mend()
        assert store.find() == []
        modes = {stat.S_IMODE(path.stat().st_mode) for path in opened}
        assert modes == {0o700, 0o600}


class TestUnusedStates:
    def test_are_removed_once_no_purge_can_be_meant_to_come(self, store: Store):
        store.age()
        store.index.remove_document(DOCS / "a")
        (finding,) = store.find()
        assert finding.kind is FindingKind.UNUSED_STATES
        assert "3" in finding.problem
        store.mend()
        assert store.find() == []
        assert len(list(store.root.rglob("*.kv"))) == 1, "the preamble"

    def test_are_left_to_the_purge_while_documents_are_being_read(self, store: Store):
        store.age()
        store.index.remove_document(DOCS / "a")
        store.sql(f"UPDATE documents SET indexed_at = {int(time.time())}")
        assert store.find() == []

    def test_are_left_alone_while_their_files_go_before_their_rows(self, store: Store):
        store.index.remove_document(DOCS / "a")
        store.first.unlink()
        assert store.find() == []


class TestMemories:
    """Of conversations: states of a role of their own."""

    @pytest.fixture
    def kept(self, store: Store, make_state: MakeState) -> Path:
        state = make_state((1, 2, 3, 4), start_position=0)
        chunk_ids = [chunk.id for chunk in store.index.chunks()]
        talk = store.index.start_conversation("Tea").id
        assert store.states.keep_conversation(talk, 1, "{}", chunk_ids, state) == ""
        return store.states.path_of(state.key)

    def test_are_no_findings_while_their_conversation_lives(self, store: Store, kept: Path):
        assert store.find(deep=True) == []
        store.age()
        assert store.find(deep=True) == []
        assert kept.exists()

    def test_without_their_file_are_forgotten(self, store: Store, kept: Path):
        kept.unlink()
        (finding,) = store.find()
        assert (finding.kind, finding.subject) == (FindingKind.MISSING_FILE, kept)
        store.mend()
        assert store.find() == []
        assert store.index.remembered_conversations() == []

    def test_that_are_damaged_are_dropped(self, store: Store, kept: Path):
        spoil(kept)
        assert store.kinds(deep=True) == {FindingKind.DAMAGED_FILE}
        store.mend()
        assert store.find(deep=True) == []
        assert not kept.exists()

    def test_of_another_size_on_record_stay_memories(self, store: Store, kept: Path):
        store.sql("UPDATE states SET num_bytes = 1 WHERE role = 'conversation'")
        assert store.kinds() == {FindingKind.WRONG_SIZE}
        store.mend()
        assert store.find(deep=True) == []
        assert store.index.state_bytes()["conversation"] == kept.stat().st_size

    @pytest.mark.parametrize("cause", ["edited document", "deleted conversation"])
    def test_that_no_purge_took_are_removed(self, store: Store, kept: Path, cause: str):
        if cause == "edited document":
            texts = [chunk.chunk for chunk in store.index.chunks()][:2]
            folder = store.index.folders()[0]
            store.index.put_document(folder.id, DocumentVersion(DOCS / "a", 1, 1, "other", "a"), texts)
            store.states.drop(store.kept[2].key, "the chunk's own state is not what this test is about")
        else:
            store.index.delete_conversation(store.index.conversations()[0].id)
        assert store.find() == []
        store.age()
        assert store.kinds() == {FindingKind.UNUSED_STATES}
        store.mend()
        assert store.find() == []
        assert not kept.exists()

    @pytest.mark.parametrize("table", ["conversations", "conversation_states", "states"])
    def test_that_lost_what_they_refer_to_go_with_all_their_rows(self, store: Store, kept: Path, table: str):
        store.index.put_turn(Turn(store.index.conversations()[0].id, 0, "Which?", "That.", "{}", 1))
        store.sql(f"DELETE FROM {table}" + (" WHERE role = 'conversation'" if table == "states" else ""))
        assert FindingKind.DANGLING_ROWS in store.kinds()
        for _ in range(3):  # rows that go bring out what referred to them, and states that nothing uses
            store.mend()
            store.age()
        assert store.find(deep=True) == []
        assert not kept.exists()


class TestVectors:
    @pytest.fixture
    def vectors(self, store: Store) -> VectorStore:
        """Of the three texts there are."""
        made = VectorStore(store.vectors_root, store.index, "e" * 32)
        digests = [text_digest(None, text) for text in ("one", "two", "three")]
        made.put(digests, np.eye(3, dtype=np.float32))
        return made

    def test_in_order_are_no_findings(self, store: Store, vectors: VectorStore):
        assert store.find() == []
        assert vectors.count_missing() == 0

    @pytest.mark.parametrize("num_bytes", [None, 7])
    def test_that_their_file_has_lost_are_forgotten(self, store: Store, vectors: VectorStore, num_bytes: int | None):
        if num_bytes is None:
            vectors.path.unlink()
        else:
            os.truncate(vectors.path, num_bytes)
        (finding,) = store.find()
        assert (finding.kind, finding.subject) == (FindingKind.LOST_VECTORS, vectors.path)
        store.mend()
        assert store.find() == []
        assert store.index.vector_rows("e" * 32) == ([] if num_bytes is None else [0])

    def test_of_texts_that_are_gone_are_erased_once_no_purge_can_be_meant_to_come(
        self, store: Store, vectors: VectorStore
    ):
        store.index.remove_document(DOCS / "a")
        store.states.purge_unlinked()
        assert store.find() == []
        store.age()
        assert [finding.kind for finding in store.find()] == [FindingKind.UNUSED_VECTORS]
        store.mend()
        assert store.find() == []
        assert not any(vectors.path.read_bytes())

    def test_of_a_model_that_nobody_knows_are_removed_once_they_are_old(self, store: Store):
        path = store.vectors_root / f"{'f' * 32}.f16"
        path.parent.mkdir(mode=0o700)
        path.touch(0o600)
        assert store.find() == []
        store.age(also=path)
        assert [finding.kind for finding in store.find()] == [FindingKind.UNUSED_FILE]
        store.mend()
        assert not path.exists()

    @pytest.mark.skipif(os.name == "nt", reason="rights are not in the mode there")
    def test_that_others_may_read_are_made_private_and_so_is_the_log(self, store: Store, vectors: VectorStore):
        store.log.touch()
        for path in (store.log, vectors.path):
            path.chmod(0o644)
        assert {finding.subject for finding in store.find()} == {store.log, vectors.path}
        store.mend()
        assert store.find() == []


class TestTheIndex:
    def test_a_search_table_that_lost_a_text_is_made_anew(self, store: Store):
        table, _ = store.index._search_tables()
        store.sql(f"DELETE FROM {table}_docsize WHERE id = 1; DELETE FROM {table}_data WHERE id > 10")
        (finding,) = store.find()
        assert (finding.kind, finding.subject) == (FindingKind.DAMAGED_SEARCH, table)
        store.mend()
        assert store.find() == []
        assert [hit.chunk.chunk.text for hit in store.index.search(["one"], 5)] == ["one"]

    def test_a_search_table_that_says_other_words_than_the_texts_is_made_anew(self, store: Store):
        with closing(sqlite3.connect(store.index.path)) as db:
            triggers = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        store.sql(";".join(f"DROP TRIGGER {name}" for name in triggers))
        store.sql("UPDATE chunks SET text = 'uno' WHERE text = 'one'")
        assert store.kinds() == {FindingKind.DAMAGED_SEARCH}
        store.mend()
        assert store.find() == []
        assert [hit.chunk.chunk.text for hit in store.index.search(["uno"], 5)] == ["uno"]

    def test_rows_that_refer_to_nothing_are_removed(self, store: Store):
        store.sql("DELETE FROM chunks WHERE ordinal = 2")
        store.sql("DELETE FROM states WHERE role = 'chunk' AND digest = (SELECT min(digest) FROM states)")
        assert store.kinds() == {FindingKind.DANGLING_ROWS}
        store.mend()
        assert FindingKind.DANGLING_ROWS not in store.kinds()

    def test_documents_without_folder_go_with_their_chunks(self, store: Store):
        store.sql("DELETE FROM folders")
        (finding,) = store.find()
        assert (finding.kind, finding.subject) == (FindingKind.DANGLING_ROWS, "documents")
        store.mend()
        assert store.find() == []
        assert (store.index.documents(), store.index.chunks()) == ([], [])

    @pytest.mark.parametrize("change", ["3 WHERE ordinal = 0", "3 WHERE ordinal = 1", "2 WHERE ordinal = 1"])
    def test_chunks_that_are_misnumbered_are_numbered_in_order_and_read_again(self, store: Store, change: str):
        store.sql(f"UPDATE chunks SET ordinal = {change}")
        (finding,) = store.find()
        assert (finding.kind, finding.subject) == (FindingKind.MISNUMBERED_CHUNKS, DOCS / "a")
        store.mend()
        assert store.find() == []
        assert [chunk.ordinal for chunk in store.index.chunks(DOCS / "a")] == [0, 1, 2]
        digests = {document.path.name: document.content_digest for document in store.index.documents()}
        assert digests == {"a": "", "b": "digest"}

    def test_a_damaged_index_ends_the_check_and_nothing_is_removed_on_its_word(self, store: Store):
        store.sql("UPDATE chunks SET ordinal = 7 WHERE ordinal = 0")
        store.first.unlink()
        store.sql(
            """PRAGMA writable_schema = ON;
            UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'folders')
            WHERE name = 'states_by_use';"""
        )
        with Index(store.index.path) as index:
            check = StoreCheck(index, store.root, pause_seconds=0)
            (finding,) = [event for event in check.find(deep=True) if isinstance(event, Finding)]
            assert (finding.kind, finding.subject) == (FindingKind.DAMAGED_INDEX, index.path)
            assert "add your folders again" in finding.remedy
            assert list(StoreMender(index, store.root).mend([finding])) == []


class TestLookingTwice:
    def test_what_is_gone_at_the_second_look_is_no_finding(self, store: Store, monkeypatch: pytest.MonkeyPatch):
        data = store.first.read_bytes()
        store.first.unlink()
        monkeypatch.setattr(check_module.time, "sleep", lambda _: store.first.write_bytes(data))
        assert store.find() == []

    def test_looks_go_on_while_what_they_see_changes(self, store: Store, monkeypatch: pytest.MonkeyPatch):
        paths = {store.states.path_of(state.key): state for state in store.kept}
        for path in paths:
            path.unlink()

        def somebody_writes(_: float) -> None:
            if paths:
                chunk_file.write(*paths.popitem())

        monkeypatch.setattr(check_module.time, "sleep", somebody_writes)
        assert store.find() == []


def _churn(folder: Path, stop: threading.Event, rounds: list[int]) -> None:
    """Documents come, are steeped and change; states are read, dropped and purged: all with files before rows."""
    with Index(folder / "index.db") as index:
        store, watched = StateStore(folder / "kv", index), index.folders()[0]
        while not stop.is_set():
            number = len(rounds)
            texts = [ChunkText(i, i + 1, None, None, f"text {number} {i}", 3) for i in range(number % 4)]
            index.put_document(watched.id, DocumentVersion(DOCS / f"{number % 3}", 1, 1, "digest", "t"), texts)
            for chunk in index.chunks(DOCS / f"{number % 3}"):
                token_ids = (100 + number, chunk.ordinal)
                key = state_key(fingerprint({"model": "m"}), 0, token_ids)
                store.put(ChunkState(key, token_ids, bytes(100_000)), chunk_ids=[chunk.id])
                if chunk.ordinal:
                    store.drop(key, "a test")
            index.remove_document(DOCS / f"{(number + 1) % 3}")
            store.purge_unlinked()
            rounds.append(number)


def test_nothing_is_found_while_somebody_works(tmp_path: Path, make_state: MakeState):
    made = Store(tmp_path, make_state)
    stop, rounds = threading.Event(), list[int]()
    worker = threading.Thread(target=_churn, args=(tmp_path, stop, rounds))
    worker.start()
    try:
        with made.index:
            deadline = time.monotonic() + 2
            while time.monotonic() < deadline:
                check = StoreCheck(made.index, made.root, pause_seconds=0.3)
                found = [event for event in check.find(deep=True) if isinstance(event, Finding)]
                assert found == []
    finally:
        stop.set()
        worker.join()
    assert len(rounds) > 5
