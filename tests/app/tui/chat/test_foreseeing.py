"""What a question will need is looked for while it is typed: after a pause, and once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.tui.chat import question_input
from tests.app.tui.chat.chat_pilot import SeenChat, see_chat
from tests.app.tui.fake_assistant import FakeAssistant


@pytest.fixture
def assistant(tmp_path: Path) -> Iterator[FakeAssistant]:
    made = FakeAssistant(tmp_path / "home")
    yield made
    made.close()


def drafts(assistant: FakeAssistant) -> list[object]:
    return [asked["draft"] for asked in assistant.all_asked("prefetch")]


def test_typing_quickly_asks_once(assistant: FakeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(question_input, "_PAUSE_SECONDS", 2.0)  # between two keys, on a busy machine

    async def scenario(seen: SeenChat) -> None:
        await seen.press(*"cats")
        await seen.press("space")
        await seen.press(*"on")
        assert drafts(assistant) == []
        await seen.until(lambda: drafts(assistant))
        assert drafts(assistant) == ["cats on"]

    see_chat(assistant, scenario)


def test_every_pause_asks_but_an_unchanged_text_does_not_again(
    assistant: FakeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question_input, "_PAUSE_SECONDS", 0.02)

    async def scenario(seen: SeenChat) -> None:
        async def type_and_wait(text: str, number: int) -> None:
            await seen.type(text)
            await seen.until(lambda: len(drafts(assistant)) == number)

        await type_and_wait("cats on board", 1)
        await seen.type(" ")
        await seen.press("backspace")
        await seen.pilot.pause(0.2)
        await type_and_wait(" the ferry", 2)
        assert drafts(assistant) == ["cats on board", "cats on board the ferry"]

    see_chat(assistant, scenario)


def test_it_asks_as_the_question_would(assistant: FakeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(question_input, "_PAUSE_SECONDS", 0.02)

    async def scenario(seen: SeenChat) -> None:
        conversation = seen.conversation()
        await seen.answer(conversation, 0, "Who?", "Odile Marsh.")
        seen.app.scope = (Path("/documents/cats.pdf"),)
        await seen.press("ctrl+e")
        await seen.type(" is the captain?")
        await seen.until(lambda: "Who? is the captain?" in drafts(assistant))
        await seen.press("enter")
        (asked,) = assistant.all_asked("ask")
        foreseen = assistant.all_asked("prefetch")[-1]
        assert asked == {"question": foreseen.pop("draft"), "vary": False, **foreseen}
        assert (foreseen["conversation_id"], foreseen["ordinal"]) == (conversation.id, 0)

    see_chat(assistant, scenario)


def test_nothing_is_asked_for_an_empty_input(assistant: FakeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(question_input, "_PAUSE_SECONDS", 0.02)

    async def scenario(seen: SeenChat) -> None:
        await seen.type("  ")
        await seen.pilot.pause(0.2)
        assert drafts(assistant) == []

    see_chat(assistant, scenario)
