"""Conversations in the index and in the store: turns, their search, and what the model remembers."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.content_key import state_key
from storage.errors import UnknownConversation
from storage.index import Index
from storage.store import StateStore
from storage.values import Conversation, DocumentStage, Miss, Rates, SavedConversation, Turn
from tests.storage.conftest import MakeState

DOCS = Path("/docs")


@pytest.fixture
def talk(index: Index) -> Conversation:
    return index.start_conversation("About tea", (DOCS,))


@pytest.fixture
def put(index: Index, version: Callable[..., object], texts: Callable[..., list[object]]) -> Callable[..., list[int]]:
    """Puts a document of one chunk per text; the ids of its chunks."""
    folder = index.add_folder(DOCS)

    def put_document(name: str, *words: str) -> list[int]:
        index.put_document(folder.id, version(DOCS / name), texts(*words))  # type: ignore[arg-type]
        return [chunk.id for chunk in index.chunks(DOCS / name)]

    return put_document


def turn(conversation: Conversation, ordinal: int, question: str, answer: str = "An answer.") -> Turn:
    return Turn(conversation.id, ordinal, question, answer, "{}", 1_700_000_000 + ordinal)


def found(index: Index, *terms: str) -> list[tuple[int, int]]:
    return [(hit.conversation.id, hit.ordinal) for hit in index.search_conversations(terms, 10)]


class TestTurns:
    def test_come_back_in_order_and_count(self, index: Index, talk: Conversation):
        second, first = turn(talk, 1, "And green tea?"), turn(talk, 0, "What is oolong?")
        index.put_turn(first)
        index.put_turn(second)
        assert index.turns(talk.id) == [first, second]
        kept = index.conversation(talk.id)
        assert kept is not None
        assert (kept.num_turns, kept.scope, kept.title) == (2, (DOCS,), "About tea")

    def test_a_turn_replaces_the_one_in_its_place_and_all_that_followed(self, index: Index, talk: Conversation):
        for ordinal in range(3):
            index.put_turn(turn(talk, ordinal, f"Question {ordinal}"))
        edited = turn(talk, 1, "Another question")
        index.put_turn(edited)
        assert index.turns(talk.id) == [turn(talk, 0, "Question 0"), edited]

    def test_of_a_deleted_conversation_are_gone_and_none_is_added(self, index: Index, talk: Conversation):
        index.put_turn(turn(talk, 0, "What is oolong?"))
        index.delete_conversation(talk.id)
        index.put_turn(turn(talk, 1, "Still there?"))
        assert index.conversation(talk.id) is None
        assert index.turns(talk.id) == []
        assert found(index, "oolong") == found(index, "there") == []

    def test_a_copy_has_the_first_ones_and_says_where_it_comes_from(self, index: Index, talk: Conversation):
        for ordinal in range(3):
            index.put_turn(turn(talk, ordinal, f"Question {ordinal}"))
        copy = index.copy_conversation(talk.id, 2, "A branch")
        assert (copy.num_turns, copy.branched_from, copy.scope) == (2, talk.id, (DOCS,))
        assert [kept.question for kept in index.turns(copy.id)] == ["Question 0", "Question 1"]
        index.delete_conversation(talk.id)
        left = index.conversation(copy.id)
        assert left is not None
        assert left.branched_from is None

    def test_a_conversation_that_is_gone_cannot_be_copied(self, index: Index, talk: Conversation):
        index.delete_conversation(talk.id)
        with pytest.raises(UnknownConversation):
            index.copy_conversation(talk.id, 1, "A branch")
        assert index.conversations() == []

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 4), st.text(max_size=20), st.text(max_size=20))))
    def test_any_sequence_of_edits_ends_as_a_list_would(self, index: Index, edits: list[tuple[int, str, str]]):
        conversation = index.start_conversation("Any")
        expected: list[Turn] = []
        for place, question, answer in edits:
            ordinal = min(place, len(expected))
            put = turn(conversation, ordinal, question, answer)
            index.put_turn(put)
            expected = [*expected[:ordinal], put]
        assert index.turns(conversation.id) == expected
        assert index.damaged_search_tables() == []

    def test_questions_come_back_each_once_the_last_first(self, index: Index, talk: Conversation):
        for ordinal, question in enumerate(("a", "b", "a", "c")):
            index.put_turn(turn(talk, ordinal, question))
        assert index.questions(2) == ["c", "a"]


class TestTheList:
    def test_has_what_changed_last_first(self, index: Index, talk: Conversation, monkeypatch: pytest.MonkeyPatch):
        other = index.start_conversation("Another")
        assert [each.id for each in index.conversations()] == [other.id, talk.id]
        monkeypatch.setattr("storage.conversation_index.now", lambda: 4_000_000_000)
        index.put_turn(turn(talk, 0, "What is oolong?"))
        assert [each.id for each in index.conversations()] == [talk.id, other.id]

    def test_takes_paths_that_are_no_text(self, index: Index):
        scope = (Path("/docs/caf\udce9"),)
        conversation = index.start_conversation("caf\udce9", scope)
        kept = index.conversation(conversation.id)
        assert kept is not None
        assert (kept, kept.scope) == (conversation, scope)

    def test_shows_new_titles_and_scopes(self, index: Index, talk: Conversation):
        index.rename_conversation(talk.id, "Leaves")
        index.set_scope(talk.id, ())
        kept = index.conversation(talk.id)
        assert kept is not None
        assert (kept.title, kept.scope) == ("Leaves", ())


class TestSearch:
    def test_finds_words_of_questions_answers_and_titles(self, index: Index, talk: Conversation):
        index.put_turn(turn(talk, 0, "What is oolong?", "A tea from Fujian."))
        index.put_turn(turn(talk, 1, "Which cups?", "Small ones of clay."))
        assert found(index, "oolongs") == [(talk.id, 0)]
        assert found(index, "clay") == [(talk.id, 1)]
        assert found(index, "TEA", "about") == [(talk.id, 0)]
        assert found(index, "coffee") == found(index) == []

    def test_finds_words_of_scripts_without_spaces(self, index: Index, talk: Conversation):
        index.put_turn(turn(talk, 0, "抹茶を飲むのは誰ですか", "นักเรียนดื่มชา"))
        assert found(index, "抹茶") == found(index, "ดื่ม") == [(talk.id, 0)]

    def test_shows_each_conversation_once_with_the_words_found(self, index: Index, talk: Conversation):
        for ordinal in range(3):
            index.put_turn(turn(talk, ordinal, "Why oolong?", f"{'word ' * 50}oolong {'word ' * 50}"))
        (hit,) = index.search_conversations(["oolong"], 10)
        assert hit.excerpt == "Why oolong?"

    def test_shows_words_as_they_were_written(self, index: Index, talk: Conversation):
        index.put_turn(turn(talk, 0, "Who?", "抹茶を飲むのは 학생이 or parseFile"))
        (hit,) = index.search_conversations(["抹茶"], 10)
        assert hit.excerpt == "抹茶を飲むのは 학생이 or parseFile"

    def test_gives_the_best_turn_of_as_many_conversations_as_wanted(self, index: Index, talk: Conversation):
        index.put_turn(turn(talk, 0, "A question about other things, with oolong in it", "word " * 50))
        index.put_turn(turn(talk, 1, "Oolong?", "Oolong."))
        other = index.start_conversation("Cups")
        index.put_turn(turn(other, 0, "Oolong or any other tea in these cups, what do you say?", "word " * 20))
        assert found(index, "oolong") == [(talk.id, 1), (other.id, 0)]
        assert len(index.search_conversations(["oolong"], 1)) == 1
        assert index.search_conversations(["tea"], 0) == []

    def test_forgets_what_was_replaced(self, index: Index, talk: Conversation):
        index.put_turn(turn(talk, 0, "What is oolong?"))
        index.put_turn(turn(talk, 0, "What is matcha?"))
        assert found(index, "oolong") == []
        assert index.damaged_search_tables() == []

    def test_leaves_no_word_of_a_deleted_conversation_in_the_file(self, index: Index, talk: Conversation):
        index.put_turn(turn(talk, 0, "What is zanzibarite?"))
        index.delete_conversation(talk.id)
        assert all(b"zanzibarit" not in path.read_bytes() for path in index.files())


class TestMemory:
    def keep(
        self,
        store: StateStore,
        conversation: Conversation,
        make_state: MakeState,
        chunk_ids: list[int],
        tokens: int = 3,
    ) -> str:
        state = make_state(tuple(range(tokens)), start_position=0)
        return store.keep_conversation(conversation.id, 1, "{}", chunk_ids, state)

    def recalled(self, store: StateStore, conversation: Conversation) -> SavedConversation | str:
        found = store.recall_conversation(conversation.id)
        return found.reason if isinstance(found, Miss) else found

    def files(self, store: StateStore) -> int:
        return len(list(store.path_of(state_key("0" * 32, 0, (1,))).parents[2].glob("*/*/*.kv")))

    def test_comes_back_as_it_was_kept(
        self, store: StateStore, talk: Conversation, make_state: MakeState, put: Callable[..., list[int]]
    ):
        assert self.keep(store, talk, make_state, put("a", "one")) == ""
        saved = self.recalled(store, talk)
        assert isinstance(saved, SavedConversation)
        assert (saved.state.token_ids, bytes(saved.state.blob), saved.transcript) == (
            (0, 1, 2),
            b"rows of K and V",
            "{}",
        )

    def test_a_later_one_takes_the_place_of_the_one_before(
        self, store: StateStore, index: Index, talk: Conversation, make_state: MakeState
    ):
        self.keep(store, talk, make_state, [])
        self.keep(store, talk, make_state, [], tokens=5)
        saved = self.recalled(store, talk)
        assert isinstance(saved, SavedConversation)
        assert len(saved.state.token_ids) == 5
        assert self.files(store) == len(index.state_keys()) == 1

    def test_those_of_the_same_tokens_share_a_file_until_all_are_gone(
        self, store: StateStore, index: Index, talk: Conversation, make_state: MakeState
    ):
        copy, second_copy = index.start_conversation("The same"), index.start_conversation("And again")
        for conversation in (talk, copy, second_copy):
            self.keep(store, conversation, make_state, [])
        assert self.files(store) == 1
        store.let_go_of_conversation(second_copy.id, "test")
        assert isinstance(self.recalled(store, copy), SavedConversation)
        index.delete_conversation(talk.id)
        store.purge_unlinked()
        assert isinstance(self.recalled(store, copy), SavedConversation)
        store.let_go_of_conversation(copy.id, "test")
        assert self.files(store) == 0
        assert index.state_keys() == []

    def test_of_a_document_that_was_edited_is_not_served_and_goes_with_the_next_purge(
        self, store: StateStore, talk: Conversation, make_state: MakeState, put: Callable[..., list[int]]
    ):
        self.keep(store, talk, make_state, put("a", "one", "two"))
        put("a", "one", "changed")
        assert "changed or removed" in str(self.recalled(store, talk))
        assert store.purge_unlinked() == 1
        assert self.files(store) == 0

    def test_goes_with_the_folder_of_its_documents(
        self, store: StateStore, index: Index, talk: Conversation, make_state: MakeState, put: Callable[..., list[int]]
    ):
        self.keep(store, talk, make_state, put("a", "one"))
        index.remove_folder(DOCS)
        store.purge_unlinked()
        assert self.files(store) == 0
        assert index.remembered(talk.id) is None

    def test_stays_when_another_document_changes(
        self, store: StateStore, talk: Conversation, make_state: MakeState, put: Callable[..., list[int]]
    ):
        self.keep(store, talk, make_state, put("a", "one"))
        put("b", "other")
        put("b", "changed")
        assert store.purge_unlinked() == 0
        assert isinstance(self.recalled(store, talk), SavedConversation)

    def test_is_not_kept_of_what_is_gone_already(
        self, store: StateStore, index: Index, talk: Conversation, make_state: MakeState, put: Callable[..., list[int]]
    ):
        assert "changed or removed" in self.keep(store, talk, make_state, [*put("a", "one"), 999])
        index.delete_conversation(talk.id)
        assert "deleted" in self.keep(store, talk, make_state, [])
        assert self.files(store) == 0

    def test_a_damaged_file_is_a_miss_and_gone_afterwards(
        self, store: StateStore, index: Index, talk: Conversation, make_state: MakeState
    ):
        self.keep(store, talk, make_state, [])
        (key,) = index.state_keys()
        path = store.path_of(key)
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        assert "checksum" in str(self.recalled(store, talk))
        assert not path.exists()
        assert self.recalled(store, talk) == "nothing was kept of it"

    def test_a_row_whose_file_was_never_there_is_a_miss(
        self, store: StateStore, index: Index, talk: Conversation, make_state: MakeState
    ):
        self.keep(store, talk, make_state, [])
        (key,) = index.state_keys()
        store.path_of(key).unlink()
        assert "there is no file" in str(self.recalled(store, talk))
        assert index.state_keys() == []

    def test_a_file_that_a_killed_program_left_beside_its_successor_goes_with_the_next_purge(
        self,
        store: StateStore,
        index: Index,
        talk: Conversation,
        make_state: MakeState,
        monkeypatch: pytest.MonkeyPatch,
    ):
        self.keep(store, talk, make_state, [])
        with monkeypatch.context() as patched:
            patched.setattr(store, "_purge", lambda wanted: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                self.keep(store, talk, make_state, [], tokens=5)
        assert self.files(store) == 2
        assert store.purge_unlinked() == 1
        assert isinstance(self.recalled(store, talk), SavedConversation)

    def test_that_cannot_be_recorded_leaves_no_file_and_the_one_before_stays(
        self,
        store: StateStore,
        index: Index,
        talk: Conversation,
        make_state: MakeState,
        monkeypatch: pytest.MonkeyPatch,
    ):
        self.keep(store, talk, make_state, [])
        (key,) = index.state_keys()
        with monkeypatch.context() as patched:
            patched.setattr(index, "remember", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                self.keep(store, talk, make_state, [], tokens=5)
        assert self.files(store) == 1
        saved = self.recalled(store, talk)
        assert isinstance(saved, SavedConversation)
        assert saved.state.key == key

    def test_is_not_served_any_more_once_letting_go_began_and_a_purge_finishes_it(
        self,
        store: StateStore,
        index: Index,
        talk: Conversation,
        make_state: MakeState,
        monkeypatch: pytest.MonkeyPatch,
    ):
        self.keep(store, talk, make_state, [])
        with monkeypatch.context() as patched:
            patched.setattr(store, "_purge", lambda keys: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                store.let_go_of_conversation(talk.id, "a test")
        assert self.recalled(store, talk) == "nothing was kept of it"
        assert store.purge_unlinked() == 1
        assert self.files(store) == 0

    def test_its_size_counts_under_its_own_role(
        self, store: StateStore, index: Index, talk: Conversation, make_state: MakeState
    ):
        self.keep(store, talk, make_state, [])
        (key,) = index.state_keys()
        num_bytes = store.path_of(key).stat().st_size
        assert index.state_bytes() == {"conversation": num_bytes}
        assert index.remembered_conversations() == [(talk.id, num_bytes)]


class TestDocuments:
    def test_pinned_ones_are_steeped_first(self, index: Index, put: Callable[..., list[int]]):
        put("a", "one")
        put("b", "two")
        index.pin([DOCS / "b", DOCS / "nowhere"], True)
        assert [chunk.document_path.name for chunk in index.chunks_without_state("0" * 32)] == ["b", "a"]
        index.pin([DOCS / "b"], False)
        assert [chunk.document_path.name for chunk in index.chunks_without_state("0" * 32)] == ["a", "b"]

    def test_stay_pinned_when_they_are_read_again(self, index: Index, put: Callable[..., list[int]]):
        put("a", "one")
        index.pin([DOCS / "a"], True)
        put("a", "changed")
        document = index.document(DOCS / "a")
        assert document is not None
        assert document.is_pinned

    def test_stand_where_their_chunks_stand(
        self, index: Index, store: StateStore, put: Callable[..., list[int]], make_state: MakeState
    ):
        (first, _), (third,) = put("a", "one", "two"), put("b", "three")
        state, other = make_state((1, 2)), make_state((1, 2), model="other")
        store.put(state, "chunk", [first, third])
        store.put(other, "chunk", [first])
        num_bytes = store.path_of(state.key).stat().st_size
        half, whole = index.standings(state.key.fingerprint)
        assert (half.stage, half.num_chunks, half.num_steeped_chunks) == (DocumentStage.SEARCHABLE, 2, 1)
        assert (whole.stage, whole.num_steeped_chunks) == (DocumentStage.STEEPED, 1)
        assert half.num_state_bytes == whole.num_state_bytes == num_bytes
        assert index.standings()[0].num_state_bytes == 2 * num_bytes
        both, one = index.standings(state.key.fingerprint, other.key.fingerprint)
        assert (both.num_chunks, both.num_steeped_chunks, both.num_state_bytes) == (2, 1, 2 * num_bytes)
        assert (one.stage, one.num_state_bytes) == (DocumentStage.STEEPED, num_bytes)
        turned = index.standings(other.key.fingerprint, state.key.fingerprint)
        assert [each.num_steeped_chunks for each in turned] == [1, 0]
        assert index.backlog(state.key.fingerprint, other.key.fingerprint).num_chunks == 1 + 2
        assert index.states_of_document(DOCS / "a", state.key.fingerprint) == [state.key]
        counted = dict.fromkeys(DocumentStage, 0) | {half.stage: 1, whole.stage: 1}
        assert index.stage_counts(state.key.fingerprint) == counted

    def test_that_wait_or_cannot_be_read_say_so(
        self, index: Index, put: Callable[..., list[int]], version: Callable[..., object]
    ):
        put("a", "one")
        folder = index.folders()[0]
        index.fail_document(folder.id, version(DOCS / "b"), "is broken")  # type: ignore[arg-type]
        index.list_documents(folder.id, [version(DOCS / "c", "")])  # type: ignore[list-item]
        _, broken, waiting = index.standings()
        assert (broken.stage, broken.error) == (DocumentStage.UNREADABLE, "is broken")
        assert waiting.stage is DocumentStage.FOUND

    def test_chunks_are_found_by_their_numbers_as_long_as_they_are_there(
        self, index: Index, put: Callable[..., list[int]]
    ):
        first, second = put("a", "one", "two")
        assert {chunk.id for chunk in index.chunks_with_ids([first, second, 999])} == {first, second}


@pytest.mark.parametrize("scope", ["", "{]", "[3]", "null", "7"])
def test_a_scope_that_makes_no_sense_is_none(index: Index, scope: str):
    index.start_conversation("About tea", [Path("/docs")])
    index._rows("UPDATE conversations SET scope = ?", scope)
    assert [conversation.scope for conversation in index.conversations()] == [()]


def test_a_speed_is_remembered_per_model(index: Index):
    assert index.rates("a", "CPU") is None
    index.put_rates("a", "CPU", Rates(5.0, 0.001, 1e9, 2e9))
    index.put_rates("a", "CPU", Rates(4.0, 0.002, 3e9, 4e9))
    index.put_rates("a", "GPU", Rates(0.5, 0.0, 3e9, 4e9))
    assert index.rates("a", "CPU") == Rates(4.0, 0.002, 3e9, 4e9)
    assert index.rates("b", "CPU") is None
    assert index.model_speeds() == {"a": 250.0}


def test_the_version_of_the_data_changes_when_somebody_else_writes(index: Index):
    before = index.data_version()
    index.start_conversation("Mine")
    assert index.data_version() == before
    with Index(index.path) as other:
        other.start_conversation("Theirs")
    assert index.data_version() != before


def test_states_and_links_survive_the_step_that_admits_conversations(tmp_path: Path):
    from storage import migrations

    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrations.apply(db, stop_before="m008_conversations")
        db.executescript(
            """
            INSERT INTO folders(id, path, added_at) VALUES (1, '/docs', 1);
            INSERT INTO documents(id, folder_id, path, num_bytes, mtime_ns, content_digest, title, indexed_at)
                VALUES (1, 1, '/docs/a', 1, 1, 'd', 'a', 1);
            INSERT INTO chunks(id, document_id, ordinal, start, "end", text, text_digest, num_tokens)
                VALUES (7, 1, 0, 0, 1, 'one', 'd', 1);
            INSERT INTO states(fingerprint, digest, role, num_tokens, num_bytes, created_at, last_used_at, num_hits)
                VALUES ('aaaaaaaa', 'bbbbbbbb', 'chunk', 3, 30, 1, 2, 4),
                    ('aaaaaaaa', 'cccccccc', 'preamble', 5, 50, 1, 2, 0);
            INSERT INTO chunk_states VALUES (7, 'aaaaaaaa', 'bbbbbbbb');
            """
        )
    with Index(path) as index:
        assert {key.digest for key in index.state_keys()} == {"bbbbbbbb", "cccccccc"}
        assert index.unlinked_states() == []
        assert index.dangling_rows() == {}
        assert index.counts("aaaaaaaa").num_steeped_chunks == 1
        index.remove_folder(Path("/docs"))
        assert [key.digest for key in index.unlinked_states()] == ["bbbbbbbb"]
