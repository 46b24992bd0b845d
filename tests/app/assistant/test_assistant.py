"""The assistant as a face sees it: the tiny model, real documents, a real index."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.assistant.assistant import Assistant
from app.assistant.events import (
    AnswerFailed,
    AnswerFinished,
    AnswerPiece,
    ConversationOpened,
    ConversationRecalled,
    ModelFailed,
    ModelReady,
    PassagesFound,
    Trouble,
)
from app.conversations.account import Account, from_json
from storage.errors import StoreUnusable
from storage.index import Index
from storage.values import Turn
from tests.app.assistant.conftest import Ear
from tests.waiting import wait_until

Start = Callable[[], Assistant]


def asked(assistant: Assistant, ear: Ear, question: str, **where: object) -> AnswerFinished:
    """The end of an answer."""
    number = len(ear.all(AnswerFinished)) + 1
    assistant.ask(question, **where)  # type: ignore[arg-type]
    wait_until(lambda: len(ear.all(AnswerFinished)) >= number or ear.all(AnswerFailed))
    assert not ear.all(AnswerFailed), ear.all(AnswerFailed)
    return ear.all(AnswerFinished)[-1]


def account(finished: AnswerFinished) -> Account:
    return from_json(finished.turn.account)


def kept_turns(home: Path, conversation_id: int) -> list[Turn]:
    with Index(home / "data" / "index.sqlite3") as index:
        return index.turns(conversation_id)


def test_a_question_becomes_a_turn_of_a_new_conversation(home: Path, ear: Ear, start: Start) -> None:
    finished = asked(start(), ear, "Who is the captain of the ferry?")
    assert finished.conversation.title == "Who is the captain of the ferry?"
    assert "".join(piece.text for piece in ear.all(AnswerPiece)) == finished.turn.answer
    assert kept_turns(home, finished.conversation.id) == [finished.turn]
    assert {source.path.name for source in account(finished).sources} >= {"ferry.md"}
    assert account(finished).num_loaded > 0


def test_the_next_question_finds_its_documents_in_memory(home: Path, ear: Ear, start: Start) -> None:
    assistant = start()
    first = asked(assistant, ear, "Who is the captain of the ferry?")
    second = asked(assistant, ear, "And when does it leave?", conversation_id=first.conversation.id)
    assert (second.conversation.id, second.turn.ordinal) == (first.conversation.id, 1)
    assert account(second).num_kept > 0
    assert account(second).num_loaded == account(second).num_computed == 0
    assert ear.all(PassagesFound)[1].num_kept == ear.all(PassagesFound)[1].num_passages
    assert second.memory is not None
    assert first.memory is not None
    assert second.memory.num_tokens > first.memory.num_tokens


def test_a_conversation_is_resumed_by_another_process(home: Path, ear: Ear, start: Start) -> None:
    assistant = start()
    first = asked(assistant, ear, "Who is the captain of the ferry?")
    assistant.close()
    other = start()
    other.open_conversation(first.conversation.id)
    recalled = ear.wait(ConversationRecalled)
    assert recalled.memory is not None, recalled.reason
    assert ear.wait(ConversationOpened).turns == (first.turn,)
    second = asked(other, ear, "And when does it leave?", conversation_id=first.conversation.id)
    assert account(second).num_history_tokens == 0
    assert account(second).num_kept > 0


def test_a_damaged_memory_is_read_again(home: Path, ear: Ear, start: Start) -> None:
    assistant = start()
    first = asked(assistant, ear, "Who is the captain of the ferry?")
    before = set((home / "data" / "kv").glob("*/*/*.kv"))
    assistant.close()
    (kept,) = set((home / "data" / "kv").glob("*/*/*.kv")) - before
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    second = asked(start(), ear, "And when does it leave?", conversation_id=first.conversation.id)
    assert account(second).num_history_tokens > 0
    assert any("again" in notice for notice in account(second).notices)


def test_an_edited_question_replaces_its_turn_and_what_followed(home: Path, ear: Ear, start: Start) -> None:
    assistant = start()
    first = asked(assistant, ear, "Who is the captain of the ferry?")
    conversation_id = first.conversation.id
    asked(assistant, ear, "And when does it leave?", conversation_id=conversation_id)
    edited = asked(assistant, ear, "What are the cats called?", conversation_id=conversation_id, ordinal=0)
    assert kept_turns(home, conversation_id) == [edited.turn]


def test_the_same_question_again_gets_the_same_answer_unless_varied(home: Path, ear: Ear, start: Start) -> None:
    assistant = start()
    first = asked(assistant, ear, "Who is the captain?")
    place = {"conversation_id": first.conversation.id, "ordinal": 0}
    assert asked(assistant, ear, "Who is the captain?", **place).turn.answer == first.turn.answer
    assert asked(assistant, ear, "Who is the captain?", vary=True, **place).turn.answer != first.turn.answer


def test_a_branch_has_the_first_turns_and_their_memory(home: Path, ear: Ear, start: Start) -> None:
    assistant = start()
    first = asked(assistant, ear, "Who is the captain of the ferry?")
    asked(assistant, ear, "And when does it leave?", conversation_id=first.conversation.id)
    assistant.branch(first.conversation.id, 1)
    opened = ear.wait(ConversationOpened)
    assert opened.conversation.branched_from == first.conversation.id
    assert [turn.question for turn in opened.turns] == ["Who is the captain of the ferry?"]
    assert ear.wait(ConversationRecalled).memory is not None
    other = asked(assistant, ear, "Does she keep cats?", conversation_id=opened.conversation.id)
    assert account(other).num_history_tokens == 0
    assert len(kept_turns(home, first.conversation.id)) == 2


def test_answers_come_from_the_scope_only(home: Path, ear: Ear, start: Start) -> None:
    with Index(home / "data" / "index.sqlite3") as index:
        cats = next(document.path for document in index.documents() if document.path.name == "cats.txt")
    finished = asked(start(), ear, "Who is Odile Marsh?", scope=(cats,))
    assert {source.path for source in account(finished).sources} == {cats}
    assert finished.conversation.scope == (cats,)


def test_a_question_that_was_stopped_before_its_turn_came_is_given_back(home: Path, ear: Ear, start: Start) -> None:
    assistant = start()
    assistant.ask("Who is the captain?")
    assistant.stop()
    wait_until(lambda: ear.all(AnswerFailed) or ear.all(AnswerFinished))
    if failed := ear.all(AnswerFailed):
        assert (failed[0].question, failed[0].reason) == ("Who is the captain?", "")
        with Index(home / "data" / "index.sqlite3") as index:
            assert index.conversations() == []
    else:
        assert account(ear.all(AnswerFinished)[0]).stopped


def test_stopping_an_answer_keeps_what_there_is_of_it(
    home: Path, ear: Ear, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEEP_MAX_ANSWER_TOKENS", "1000")
    assistant = start()
    assistant.ask("Who is the captain?")
    ear.wait(AnswerPiece)
    assistant.stop()
    finished = ear.wait(AnswerFinished)
    assert account(finished).stopped
    assert finished.turn.answer
    assert kept_turns(home, finished.conversation.id) == [finished.turn]


def test_a_deleted_conversation_is_gone_with_its_memory(home: Path, ear: Ear, start: Start) -> None:
    files = set((home / "data" / "kv").glob("*/*/*.kv"))
    assistant = start()
    first = asked(assistant, ear, "Who is the captain of the ferry?")
    assistant.close()
    assert set((home / "data" / "kv").glob("*/*/*.kv")) > files
    other = start()
    other.delete_conversation(first.conversation.id)
    other.close()
    assert set((home / "data" / "kv").glob("*/*/*.kv")) == files
    assert kept_turns(home, first.conversation.id) == []


def test_a_model_that_is_not_there_is_told_and_another_can_be_used(
    home: Path, ear: Ear, start: Start, monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    monkeypatch.setenv("STEEP_MODEL", "/nowhere/gone.gguf")
    assistant = start()
    assert "gone.gguf" in ear.wait(ModelFailed).reason
    assistant.ask("Who is the captain?")
    assert "gone.gguf" in ear.wait(AnswerFailed).reason
    assistant.use_model(tiny_model)
    ear.wait(ModelReady)
    ear.events.clear()
    assert asked(assistant, ear, "Who is the captain?").turn.answer


def test_a_model_that_cannot_be_loaded_leaves_the_one_before(
    home: Path, ear: Ear, start: Start, tmp_path: Path
) -> None:
    assistant = start()
    ear.wait(ModelReady)
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF nonsense")
    assistant.use_model(broken)
    assert "answers again" in ear.wait(Trouble).reason
    ear.events.clear()
    assert asked(assistant, ear, "Who is the captain?").turn.answer


def test_a_compute_thread_that_died_is_replaced(
    home: Path, ear: Ear, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.runtime import Runtime

    def die(*_: object) -> None:
        raise RuntimeError("the compute thread is made to end")

    assistant, take_over = start(), Runtime._take_over
    ear.wait(ModelReady)
    monkeypatch.setattr(Runtime, "_take_over", die)
    assistant.ask("Who is the captain?")
    assert "made to end" in ear.wait(AnswerFailed).reason
    monkeypatch.setattr(Runtime, "_take_over", take_over)
    ear.events.clear()
    assistant.ask("Who is the captain?")
    wait_until(lambda: ear.all(AnswerFinished) or ear.all(AnswerFailed))
    assert ear.all(AnswerFinished)


def test_an_index_that_cannot_be_opened_is_told_and_questions_are_given_back(
    home: Path, ear: Ear, start: Start
) -> None:
    for path in (home / "data").glob("index.sqlite3*"):
        path.write_bytes(b"this is no database" * 100)
    assistant = start()
    assert "index.sqlite3" in ear.wait(ModelFailed).reason
    assistant.ask("Who is the captain?")
    assert "index.sqlite3" in ear.wait(AnswerFailed).reason


def test_work_on_the_index_is_done_beside_and_its_errors_rise(home: Path, ear: Ear, start: Start) -> None:
    assistant = start()
    assert assistant.run(lambda parts: parts.index.counts().num_documents).result() == 3
    with pytest.raises(ZeroDivisionError):
        assistant.run(lambda parts: 1 // 0).result()


def full(*_: object) -> None:
    raise StoreUnusable("The index cannot be used: database or disk is full. Make room and try again.")


def test_a_full_disk_keeps_the_answer_on_the_screen_and_says_so(
    home: Path, ear: Ear, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = start()
    with monkeypatch.context() as patched:
        patched.setattr(Index, "put_turn", full)
        finished = asked(assistant, ear, "Who is the captain of the ferry?")
    assert finished.turn.answer
    assert any("could not be kept" in notice and "full" in notice for notice in account(finished).notices)
    again = asked(assistant, ear, "And when does it leave?")
    assert kept_turns(home, again.conversation.id) == [again.turn]


def test_a_full_disk_before_the_answer_gives_the_question_back(
    home: Path, ear: Ear, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = start()
    ear.wait(ModelReady)
    with monkeypatch.context() as patched:
        patched.setattr(Index, "start_conversation", full)
        assistant.ask("Who is the captain?")
        failed = ear.wait(AnswerFailed)
    assert "full" in failed.reason
    assert failed.question == "Who is the captain?"
    ear.events.clear()
    assert asked(assistant, ear, "Who is the captain?").turn.answer


def test_a_full_disk_at_the_end_loses_the_memory_and_nothing_else(
    home: Path, ear: Ear, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = start()
    first = asked(assistant, ear, "Who is the captain of the ferry?")
    with monkeypatch.context() as patched:
        patched.setattr(Index, "remember", full)
        assistant.close()
    second = asked(start(), ear, "And when does it leave?", conversation_id=first.conversation.id)
    assert account(second).num_history_tokens > 0


def test_a_model_file_that_vanishes_leaves_the_one_that_answers(
    home: Path, ear: Ear, start: Start, tmp_path: Path, tiny_model: Path
) -> None:
    assistant = start()
    ear.wait(ModelReady)
    other = tmp_path / "other.gguf"
    other.write_bytes(tiny_model.read_bytes())
    other.unlink()
    assistant.use_model(other)
    assert "other.gguf" in ear.wait(ModelFailed).reason
    assert "answers again" in ear.wait(Trouble).reason
    ear.events.clear()
    assert asked(assistant, ear, "Who is the captain?").turn.answer


def test_words_that_the_question_attended_to_lie_in_their_passages(home: Path, ear: Ear, start: Start) -> None:
    finished = asked(start(), ear, "Who is the captain of the ferry?")
    sources = account(finished).sources
    assert any(source.heat for source in sources)
    assert all(source.start <= heat.start < heat.end <= source.end for source in sources for heat in source.heat)
