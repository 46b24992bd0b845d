"""The command palette: every action from everywhere, and conversations by title."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.command import CommandList, CommandPalette
from textual.pilot import Pilot

from app.tui.app import SteepApp
from app.tui.conversations.screen import ConversationsScreen
from app.tui.dialogs.help import HelpDialog
from app.tui.dialogs.text_dialog import TextDialog
from app.tui.welcome.screen import WelcomeScreen
from tests.app.tui.fake_assistant import FakeAssistant
from tests.app.tui.pilot import piloted, until


@pytest.fixture
def assistant(tmp_path: Path) -> FakeAssistant:
    assistant = FakeAssistant(tmp_path)
    assistant.now(lambda parts: parts.index.start_conversation("When does the [b]ferry\x1b leave?"))
    return assistant


def walk(assistant: FakeAssistant, scenario: Callable[[SteepApp, Pilot], Awaitable[None]]) -> None:
    app = SteepApp(assistant)
    piloted(app, lambda pilot: scenario(app, pilot))
    assistant.close()


def offered(app: SteepApp) -> list[str]:
    return [str(option.prompt) for option in app.screen.query_one(CommandList).options]


async def search(app: SteepApp, pilot: Pilot, text: str, expected: str) -> None:
    """Open the palette, type, and wait until the first thing offered is what is expected."""
    await pilot.press("ctrl+p")
    await until(pilot, lambda: isinstance(app.screen, CommandPalette))
    await pilot.press(*text)
    await until(pilot, lambda: any(option.startswith(expected) for option in offered(app)[:1]))


async def choose(app: SteepApp, pilot: Pilot, text: str, expected: str) -> None:
    await search(app, pilot, text, expected)
    await pilot.press("enter")


def test_actions_of_the_app_are_offered_with_their_keys(assistant: FakeAssistant):
    async def scenario(app: SteepApp, pilot: Pilot) -> None:
        await search(app, pilot, "help", "Help")
        assert "f1" in offered(app)[0]
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, HelpDialog))

    walk(assistant, scenario)


def test_an_action_of_another_screen_goes_there_first(assistant: FakeAssistant):
    async def scenario(app: SteepApp, pilot: Pilot) -> None:
        await choose(app, pilot, "conversations rename", "Conversations: Rename")
        await until(pilot, lambda: app.current_mode == "conversations")
        await until(pilot, lambda: isinstance(app.screen, ConversationsScreen | TextDialog))

    walk(assistant, scenario)


def test_a_conversation_is_opened_by_a_part_of_its_title(assistant: FakeAssistant):
    async def scenario(app: SteepApp, pilot: Pilot) -> None:
        await choose(app, pilot, "ferry", "When does the [b]ferry\ufffd leave?")
        await until(pilot, lambda: assistant.asked_for)

    walk(assistant, scenario)
    assert assistant.all_asked("open_conversation") == [{"conversation_id": 1}]


def test_the_first_steps_can_be_taken_again(assistant: FakeAssistant):
    async def scenario(app: SteepApp, pilot: Pilot) -> None:
        for _ in range(2):
            await choose(app, pilot, "first steps", "First steps")
            await until(pilot, lambda: isinstance(app.screen, WelcomeScreen))
            await pilot.press("escape")

    walk(assistant, scenario)
