"""The room for states: what is admitted, what goes for it, and when nothing does."""

import logging
import os
import shutil
import time
from pathlib import Path

import pytest

from app import budget
from app.budget import Room, budget_bytes, make_room, used_bytes
from app.locations import Locations
from app.settings import Settings
from engine.requests import ContextChunk
from storage.content_key import fingerprint, state_key
from storage.index import Index
from storage.store import SWEEP_AGE_SECONDS, StateStore
from storage.values import ChunkState, ChunkText, DocumentVersion, KeptState, Miss

MODEL, OF_FRONT = fingerprint({"model": "m"}), fingerprint({"model": "m", "preamble": (1,)})
POSITION = 3
BLOB = b"rows" * 5000
"""For each token of a chunk, 20 KB."""

DAY = 86400


class Library:
    """Documents of one chunk of one token, of the age that their name says in days, and their states."""

    def __init__(self, index: Index, store: StateStore, states_dir: Path, root: Path) -> None:
        self.index, self.store, self.states_dir = index, store, states_dir
        self._folder = index.add_folder(root)
        self._root = root

    def add(self, *ages: int) -> list[ContextChunk]:
        for age in ages:
            mtime_ns = int(time.time() - age * DAY) * 10**9
            version = DocumentVersion(self.path(age), 1, mtime_ns, "d", str(age))
            self.index.put_document(self._folder.id, version, [ChunkText(0, 1, None, None, f"text {age}", 1)])
        return [ContextChunk(self.chunk_id(age), (age,)) for age in ages]

    def path(self, age: int) -> Path:
        return self._root / str(age)

    def chunk_id(self, age: int) -> int:
        return self.index.chunks(self.path(age))[0].id

    def steep(self, *chunks: ContextChunk, model: str = MODEL) -> None:
        for chunk in chunks:
            key = state_key(model, POSITION, chunk.token_ids)
            self.store.put(ChunkState(key, chunk.token_ids, BLOB, POSITION), "chunk", [chunk.chunk_id])

    def steeped(self) -> set[int]:
        waiting = {stored.document_path for stored in self.index.chunks_without_state(MODEL)}
        return {int(document.path.name) for document in self.index.documents() if document.path not in waiting}

    def room(self, num_states: float, *fingerprints: str) -> Room:
        """For so many states of a chunk."""
        return Room(self.index, self.store, settings_for(num_states), self.states_dir, fingerprints)


def settings_for(num_states: float) -> Settings:
    num_bytes = 4096 + len(BLOB) + 16
    return Settings(budget_gb=(num_states * num_bytes + 5000) / 1e9)


def admitted(room: Room, chunks: list[ContextChunk]) -> list[int]:
    return [chunk.token_ids[0] for chunk in room.admit(chunks, MODEL, POSITION)]


@pytest.fixture
def library(index: Index, store: StateStore, locations: Locations, tmp_path: Path) -> Library:
    return Library(index, store, locations.states_dir, tmp_path.resolve())


class TestBudget:
    def test_a_setting_is_the_budget(self, tmp_path: Path):
        assert budget_bytes(Settings(budget_gb=1.5), tmp_path / "kv", 7) == 1_500_000_000

    def test_without_a_setting_it_is_a_tenth_of_what_is_free_besides_states(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        usage = shutil.disk_usage(tmp_path)
        for free, expected in ((1_000_000, 100_700), (10**15, 50_000_000_000)):
            monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
            assert budget_bytes(Settings(), tmp_path / "not" / "there" / "yet", 7000) == expected


class TestAdmission:
    def test_all_that_fit_are_admitted_at_once(self, library: Library):
        first, *others = library.add(1, 2, 3, 4)
        room = library.room(3.5)
        assert admitted(room, [first, *others]) == [1], "how much a state takes is not known before there is one"
        library.steep(first)
        assert admitted(room, others) == [2, 3]

    def test_what_is_worth_less_makes_way_for_a_newcomer_and_the_log_says_so(
        self, library: Library, caplog: pytest.LogCaptureFixture
    ):
        chunks = library.add(1, 40, 30, 60)
        library.steep(*chunks[1:])
        with caplog.at_level(logging.INFO):
            assert admitted(library.room(3), chunks[:1]) == [1]
        assert library.steeped() == {40, 30}
        assert not library.store.contains(state_key(MODEL, POSITION, (60,)))
        (line,) = [line for line in caplog.messages if "Evicted" in line]
        assert "a chunk that is worth more gets its room; no answer has used it" in line

    def test_nothing_makes_way_for_what_is_worth_as_much(self, library: Library):
        chunks = library.add(5, 6, 7, 8)
        library.steep(*chunks[1:])
        room = library.room(3)
        assert admitted(room, chunks[:1]) == []
        assert library.steeped() == {6, 7, 8}
        notice = room.full_notice(1)
        assert "budget of " in notice
        assert "is full of what is worth as much: 1 chunk " in notice
        assert "raise budget_gb or remove folders" in notice

    def test_what_answers_used_stays_and_what_they_did_not_makes_way(self, library: Library):
        chunks = library.add(1, 30, 31, 32)
        library.steep(*chunks[1:])
        library.index.note_use([library.chunk_id(32)], MODEL)
        assert admitted(library.room(3), chunks[:1]) == [1]
        assert library.steeped() == {30, 32}

    def test_what_is_expendable_makes_way_first_and_gets_only_what_is_free(self, library: Library):
        library.index.note_fingerprint("m", "f16", MODEL, OF_FRONT)
        old, *used = library.add(90, 1, 2)
        library.steep(*used)
        library.steep(*used, model=OF_FRONT)
        library.index.note_use([chunk.chunk_id for chunk in used], MODEL, OF_FRONT)
        room = library.room(4)
        assert admitted(room, [old]) == [90], "although what answers used a moment ago goes for it"
        library.steep(old)
        assert library.steeped() == {90, 1, 2}
        assert len(library.index.state_keys(OF_FRONT)) == 1
        for is_pinned in (False, True):
            library.index.pin([library.path(90)], is_pinned)
            assert room.admit([old], OF_FRONT, POSITION) == ()
            assert library.steeped() == {90, 1, 2}

    def test_what_a_state_takes_is_known_from_those_for_other_places(self, library: Library):
        chunks = library.add(1, 2)
        library.steep(*chunks)
        assert library.room(2.5, MODEL, OF_FRONT).admit(chunks, OF_FRONT, POSITION) == ()
        assert library.room(3.5, MODEL, OF_FRONT).admit(chunks, OF_FRONT, POSITION) == tuple(chunks[:1])

    def test_what_is_expendable_goes_first_when_there_is_too_much(self, library: Library):
        library.index.note_fingerprint("m", "f16", MODEL, OF_FRONT)
        chunks = library.add(90, 1)
        library.steep(*chunks)
        library.steep(*chunks, model=OF_FRONT)
        library.room(2).settle()
        assert library.steeped() == {90, 1}
        assert library.index.state_keys(OF_FRONT) == []

    def test_a_pinned_document_gets_its_room_from_all_others_and_gives_none(self, library: Library):
        chunks = library.add(90, 1, 2)
        library.steep(*chunks[1:])
        library.index.pin([library.path(90)], True)
        assert admitted(library.room(2), chunks[:1]) == [90]
        library.steep(chunks[0])
        assert library.steeped() == {90, 1}
        library.index.pin([library.path(1)], True)
        (newcomer,) = library.add(0)
        room = library.room(2)
        assert admitted(room, [newcomer]) == []
        assert "pinned documents" in room.full_notice(1)

    def test_more_room_is_used_as_soon_as_it_is_there(self, library: Library):
        chunks = library.add(5, 6, 7)
        library.steep(*chunks[:2])
        room = library.room(2)
        assert admitted(room, chunks[2:]) == []
        library.store.drop(state_key(MODEL, POSITION, (5,)), "a test")
        assert admitted(room, chunks[2:]) == [7]

    def test_a_state_that_is_there_takes_no_room(self, library: Library):
        chunks = library.add(5, 6)
        library.steep(*chunks)
        library.index.forget_state(state_key(MODEL, POSITION, (6,)))
        assert admitted(library.room(0.5), chunks[1:]) == [6]

    def test_files_that_no_row_lists_count_but_nothing_is_evicted_for_them(self, library: Library):
        chunks = library.add(5, 6, 1)
        library.steep(*chunks[:2])
        stray = library.states_dir / MODEL / "aa" / f"{'aa' * 20}.kv"
        stray.parent.mkdir(parents=True, exist_ok=True)
        stray.write_bytes(BLOB * 2)
        old = time.time() - SWEEP_AGE_SECONDS - 60
        os.utime(stray, (old, old))
        room = library.room(3)
        assert admitted(room, chunks[2:]) == []
        room.settle()
        assert library.steeped() == {5, 6}
        assert "files that the index does not list" in room.full_notice(1)

    def test_rows_that_lost_their_files_give_their_room(self, library: Library):
        chunks = library.add(5, 6, 7)
        library.steep(*chunks[:2])
        library.store.path_of(state_key(MODEL, POSITION, (5,))).unlink()
        assert admitted(library.room(2), chunks[2:]) == [7]
        assert library.steeped() == {6}


class TestSettling:
    def test_what_is_too_much_goes_least_worth_first(self, library: Library):
        library.steep(*library.add(3, 90, 2, 80, 1))
        library.room(3).settle()
        assert library.steeped() == {1, 2, 3}

    def test_what_fits_stays(self, library: Library):
        library.steep(*library.add(3, 90, 2))
        library.room(3).settle()
        assert library.steeped() == {3, 90, 2}

    def test_a_corpus_much_larger_than_the_budget_comes_to_rest_with_the_best_of_it(self, library: Library):
        chunks = library.add(*range(1, 200, 7))
        room, num_steeped = library.room(5), 0
        for _ in range(len(chunks) + 1):
            waiting = [
                ContextChunk(stored.id, (int(stored.document_path.name),))
                for stored in library.index.chunks_without_state(MODEL, 4)
            ]
            chosen = room.admit(waiting, MODEL, POSITION)
            if not chosen:
                break
            for chunk in chosen:
                library.steep(chunk)
                room.settle()
                num_steeped += 1
        else:
            raise AssertionError("it never comes to rest")
        assert num_steeped == 5
        assert library.steeped() == {1, 8, 15, 22, 29}

    def test_many_of_the_same_age_are_looked_through_in_steps(self, library: Library, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(budget, "_FIRST_LOOK", 2)
        monkeypatch.setattr("storage.store._NUM_IN_ONE_STEP", 2)
        library.steep(*library.add(*range(40, 50)))
        library.room(3).settle()
        assert library.steeped() == {40, 41, 42}


class TestConversations:
    """Three with a memory of 16 KB and a little each, that of the second one kept longest ago."""

    @pytest.fixture
    def talks(self, index: Index, store: StateStore) -> list[int]:
        ids = [index.start_conversation(name).id for name in ("first", "second", "third")]
        for number, conversation_id in enumerate(ids):
            tokens = (number, 1, 2)
            state = ChunkState(state_key(MODEL, 0, tokens), tokens, b"rows" * 4000, 0)
            assert store.keep_conversation(conversation_id, 1, "{}", (), state) == ""
            age = (5, 50, 20)[number]
            index._connection.execute(
                "UPDATE states SET last_used_at = ? WHERE digest = ?", (int(time.time()) - age, state.key.digest)
            )
        return ids

    @staticmethod
    def memory(num_bytes: int) -> KeptState:
        key = state_key(MODEL, 0, (99, 1, 2))
        return KeptState(key, "conversation", num_bytes, 3, int(time.time()), num_uses=1)

    @staticmethod
    def remembered(store: StateStore, talks: list[int]) -> list[bool]:
        return [not isinstance(store.recall_conversation(talk), Miss) for talk in talks]

    def test_what_fits_moves_nobody(self, index: Index, store: StateStore, talks: list[int]):
        assert make_room(index, store, used_bytes(index) + 500, self.memory(500), talks[0]) == ""
        assert all(self.remembered(store, talks))

    def test_the_one_kept_longest_ago_gives_room_first_and_the_log_says_so(
        self, index: Index, store: StateStore, talks: list[int], caplog: pytest.LogCaptureFixture
    ):
        new = index.start_conversation("new").id
        with caplog.at_level(logging.INFO):
            assert make_room(index, store, used_bytes(index) + 500, self.memory(20_000), new) == ""
        assert self.remembered(store, talks) == [True, False, True]
        assert "what a model remembers of a conversation" in caplog.text

    def test_what_a_conversation_has_already_is_room_for_it(self, index: Index, store: StateStore, talks: list[int]):
        assert make_room(index, store, used_bytes(index), self.memory(16_000), talks[1]) == ""
        assert all(self.remembered(store, talks))

    def test_two_conversations_that_share_a_file_give_its_room_once(
        self, index: Index, store: StateStore, talks: list[int]
    ):
        copy, tokens = index.start_conversation("a copy").id, (1, 1, 2)
        state = ChunkState(state_key(MODEL, 0, tokens), tokens, b"rows" * 4000, 0)
        store.keep_conversation(copy, 1, "{}", (), state)
        index._connection.execute("UPDATE states SET last_used_at = 5 WHERE digest = ?", (state.key.digest,))
        assert make_room(index, store, used_bytes(index), self.memory(16_000), copy) == "", "it is no room of its own"
        assert self.remembered(store, [copy, *talks]) == [False, True, False, True]

    def test_chunks_that_nobody_asked_about_for_long_give_room_before_them(self, library: Library, talks: list[int]):
        index, store = library.index, library.store
        library.steep(*library.add(60))
        assert make_room(index, store, used_bytes(index), self.memory(16_000), index.start_conversation("new").id) == ""
        assert all(self.remembered(store, talks))
        assert library.steeped() == set()

    def test_where_there_is_no_room_nobody_is_moved_and_the_reason_is_given(
        self, index: Index, store: StateStore, talks: list[int]
    ):
        reason = make_room(index, store, 1_000_000, self.memory(2_000_000), talks[0])
        assert "2 MB" in reason
        assert "budget_gb" in reason
        assert all(self.remembered(store, talks))
