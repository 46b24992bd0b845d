"""All conversations: found, opened, renamed, deleted, exported."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from app.assistant.events import ConversationsChanged
from app.tui.app import SteepApp
from app.tui.conversations.conversation_list import ConversationList
from app.tui.conversations.screen import ConversationsScreen
from app.tui.dialogs.confirm import ConfirmDialog
from app.tui.dialogs.text_dialog import TextDialog
from app.wiring import Parts
from storage.values import Turn
from tests.app.tui.fake_assistant import FakeAssistant
from tests.app.tui.pilot import piloted, until

NOW = 1_750_000_000
TALKS = {
    "When does the ferry leave?": "At seven, says the captain.",
    "Who keeps\nthe [bold]light\x1b[2J": "Ada does.",
    "灯塔在哪里": "在岛上。",
}
"""Titles and answers; the last one is the newest."""


class Seen:
    """The screen with its pilot."""

    def __init__(self, app: SteepApp, assistant: FakeAssistant, pilot: Pilot) -> None:
        self.app, self.assistant, self.pilot = app, assistant, pilot

    @property
    def talks(self) -> ConversationList:
        return self.app.screen_stack[0].query_one(ConversationList)

    @property
    def rows(self) -> list[str]:
        return [str(option.prompt) for option in self.talks.options]

    @property
    def titles(self) -> list[str]:
        return [row.partition("\n")[0] for row in self.rows]

    @property
    def chosen(self) -> str:
        return self.talks.chosen.title if self.talks.chosen else ""

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object]) -> None:
        await until(self.pilot, condition)

    async def on(self, kind: type) -> None:
        await self.until(lambda: isinstance(self.app.screen, kind) and self.app.screen.is_mounted)


@pytest.fixture
def assistant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeAssistant:
    monkeypatch.setattr("storage.conversation_index.now", lambda: NOW - 3600)
    return FakeAssistant(tmp_path)


def fill(parts: Parts) -> None:
    for title, answer in TALKS.items():
        talk = parts.index.start_conversation(title)
        parts.index.put_turn(Turn(talk.id, 0, title, answer, "{}", NOW))


def walk(assistant: FakeAssistant, scenario: Callable[[Seen], Awaitable[None]], *, filled: bool = True) -> None:
    if filled:
        assistant.now(fill)
    app = SteepApp(assistant)
    app.now = lambda: NOW

    async def run(pilot: Pilot) -> None:
        seen = Seen(app, assistant, pilot)
        await seen.press("f5")
        await seen.on(ConversationsScreen)
        await seen.until(lambda: seen.rows)
        await scenario(seen)

    piloted(app, run)
    assistant.close()


def test_the_newest_comes_first_with_its_age_and_its_turns(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        assert seen.rows[0] == "灯塔在哪里\n1 h ago · 1 turn"
        assert seen.chosen == "灯塔在哪里"

    walk(assistant, scenario)


def test_a_title_is_one_line_of_text_that_nobody_obeys(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        assert seen.titles[1] == "Who keeps the [bold]light\ufffd[2J"

    walk(assistant, scenario)


def test_without_conversations_the_way_to_one_is_told(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        assert seen.rows == ["No conversation yet. Ask something: F2."]
        await seen.press("enter", "r", "d", "e")
        assert isinstance(seen.app.screen, ConversationsScreen)

    walk(assistant, scenario, filled=False)
    assert assistant.asked_for == []


def test_enter_opens_the_conversation_in_the_chat(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        await seen.press("down", "down", "enter")
        assert seen.app.current_mode == "chat"

    walk(assistant, scenario)
    assert assistant.all_asked("open_conversation") == [{"conversation_id": 1}]


def test_a_click_opens_it_as_well(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        await seen.pilot.click(ConversationList, offset=(4, 2))
        await seen.until(lambda: seen.app.current_mode == "chat")

    walk(assistant, scenario)
    assert assistant.all_asked("open_conversation") == [{"conversation_id": 2}]


def test_a_search_looks_into_answers_and_shows_where(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        await seen.press("slash", *"captain")
        await seen.until(lambda: len(seen.rows) == 1)
        assert "At seven, says the captain." in seen.rows[0]
        await seen.press("enter")
        assert seen.app.current_mode == "chat"

    walk(assistant, scenario)
    assert assistant.all_asked("open_conversation") == [{"conversation_id": 1}]


def test_a_search_that_finds_nothing_says_so_and_escape_ends_it(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        await seen.press("slash", *"zzz")
        await seen.until(lambda: seen.rows == ["Nothing was found."])
        await seen.press("escape")
        await seen.until(lambda: len(seen.rows) == len(TALKS))
        assert seen.talks.has_focus
        assert seen.app.screen.query_one(Input).value == ""

    walk(assistant, scenario)


def test_a_conversation_is_renamed_and_stays_highlighted(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        await seen.press("down", "down", "r")
        await seen.on(TextDialog)
        await seen.press("backspace", *"Ferry", "enter")
        await seen.until(lambda: "Ferry" in seen.titles)
        assert seen.chosen == "Ferry"

    walk(assistant, scenario)


def test_an_open_conversation_that_is_renamed_has_its_new_title_everywhere(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        seen.app.conversation_id = 3
        await seen.press("r")
        await seen.on(TextDialog)
        await seen.press("backspace", *"Light", "enter")
        await seen.until(lambda: seen.app.conversation_title == "Light")

    walk(assistant, scenario)


@pytest.mark.parametrize("title", ["", "  ", "x" * 201])
def test_a_title_of_no_or_of_too_many_characters_is_refused(assistant: FakeAssistant, title: str):
    async def scenario(seen: Seen) -> None:
        await seen.press("r")
        await seen.on(TextDialog)
        seen.app.screen.query_one(Input).value = title
        await seen.press("enter")
        assert isinstance(seen.app.screen, TextDialog)

    walk(assistant, scenario)


def test_a_conversation_is_deleted_only_after_a_question(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        seen.app.conversation_id = 3
        await seen.press("d")
        await seen.on(ConfirmDialog)
        await seen.press("escape")
        assert assistant.asked_for == []
        await seen.press("delete")
        await seen.on(ConfirmDialog)
        await seen.press("y")
        await seen.until(lambda: assistant.asked_for)
        assert seen.app.conversation_id is None

    walk(assistant, scenario)
    assert assistant.all_asked("delete_conversation") == [{"conversation_id": 3}]


def test_what_was_deleted_goes_from_the_list_when_that_is_told(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        assistant.now(lambda parts: parts.index.delete_conversation(3))
        assistant.tell(ConversationsChanged())
        await seen.until(lambda: len(seen.rows) == 2)
        assert seen.talks.highlighted == 0

    walk(assistant, scenario)


def test_a_conversation_is_exported_to_a_file(
    assistant: FakeAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)

    async def scenario(seen: Seen) -> None:
        await seen.press("down", "down", "e")
        await seen.on(TextDialog)
        await seen.press("enter")
        await seen.until(lambda: list(tmp_path.glob("*.md")))

    walk(assistant, scenario)
    (file,) = tmp_path.glob("*.md")
    assert file.name == "when-does-the-ferry-leave.md"
    assert "says the captain" in file.read_text("utf-8")


def test_n_begins_a_new_one(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        seen.app.conversation_id = 3
        await seen.press("n")
        assert (seen.app.current_mode, seen.app.conversation_id) == ("chat", None)

    walk(assistant, scenario)


def test_thousands_are_listed(assistant: FakeAssistant):
    def many(parts: Parts) -> None:
        for number in range(2000):
            parts.index.start_conversation(f"Conversation {number}")

    assistant.now(many)

    async def scenario(seen: Seen) -> None:
        assert len(seen.rows) == 2000
        await seen.press("end")
        assert seen.chosen == "Conversation 0"

    walk(assistant, scenario, filled=False)
