"""How much of the disk states may take, and who gives room."""

import logging
import shutil
from pathlib import Path

import pytest

from app.budget import budget_bytes, make_room
from app.settings import Settings
from storage.content_key import fingerprint, state_key
from storage.index import Index
from storage.store import StateStore
from storage.values import ChunkState, Miss

MODEL = fingerprint({"model": "a"})


@pytest.fixture
def talks(index: Index, store: StateStore, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Three conversations, the first one changed last, each with a memory of its own."""
    ids = [index.start_conversation(title).id for title in ("a", "b", "c")]
    for number, conversation_id in enumerate(ids):
        tokens = (number, 1, 2)
        state = ChunkState(state_key(MODEL, 0, tokens), tokens, b"rows" * 1000, 0)
        assert store.keep_conversation(conversation_id, 1, "{}", (), state) == ""
    monkeypatch.setattr("storage.conversation_index.now", lambda: 4_000_000_000)
    index._connection.execute("UPDATE conversations SET changed_at = 4000000000 WHERE id = ?", (ids[0],))
    return ids


def is_remembered(store: StateStore, conversation_id: int) -> bool:
    return not isinstance(store.recall_conversation(conversation_id), Miss)


def used(index: Index) -> int:
    return sum(index.state_bytes().values())


def test_a_setting_is_the_budget(index: Index, tmp_path: Path):
    assert budget_bytes(Settings(budget_gb=1.5), tmp_path / "kv", index) == 1_500_000_000


def test_without_a_setting_it_is_a_tenth_of_what_is_free_besides_states(
    index: Index, talks: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    usage = shutil.disk_usage(tmp_path)
    for free, expected in ((1_000_000, (1_000_000 + used(index)) // 10), (10**15, 50_000_000_000)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        assert budget_bytes(Settings(), tmp_path / "not" / "there" / "yet", index) == expected


def test_what_fits_moves_nobody(index: Index, store: StateStore, talks: list[int]):
    assert make_room(index, store, used(index) + 500, 500, talks[0]) == ""
    assert all(is_remembered(store, talk) for talk in talks)


def test_the_conversation_that_changed_longest_ago_gives_room_first_and_the_log_says_so(
    index: Index, store: StateStore, talks: list[int], caplog: pytest.LogCaptureFixture
):
    new = index.start_conversation("new").id
    with caplog.at_level(logging.INFO):
        assert make_room(index, store, used(index) + 500, 1000, new) == ""
    assert [is_remembered(store, talk) for talk in talks] == [True, False, True]
    assert f"conversation {talks[1]}" in caplog.text


def test_what_a_conversation_has_already_is_room_for_it(index: Index, store: StateStore, talks: list[int]):
    assert make_room(index, store, used(index), 4000, talks[1]) == ""
    assert all(is_remembered(store, talk) for talk in talks)


def test_two_conversations_that_share_a_file_give_its_room_once(index: Index, store: StateStore, talks: list[int]):
    copy, tokens = index.start_conversation("a copy").id, (1, 1, 2)
    store.keep_conversation(copy, 1, "{}", (), ChunkState(state_key(MODEL, 0, tokens), tokens, b"rows" * 1000, 0))
    index._connection.execute("UPDATE conversations SET changed_at = 0 WHERE id = ?", (copy,))
    new = index.start_conversation("new").id
    assert make_room(index, store, used(index) + 500, 1000, new) == ""
    assert [is_remembered(store, talk) for talk in (copy, *talks)] == [False, True, False, True]


def test_where_there_is_no_room_nobody_is_moved_and_the_reason_is_given(
    index: Index, store: StateStore, talks: list[int]
):
    reason = make_room(index, store, 1_000_000, 2_000_000, talks[0])
    assert "2 MB" in reason
    assert "budget_gb" in reason
    assert all(is_remembered(store, talk) for talk in talks)
