"""A window that is too small says so, and everything is as it was once it has grown."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from app.tui.app import SteepApp
from app.tui.chat.question_input import QuestionInput
from app.tui.chat.screen import ChatScreen
from app.tui.dialogs.help import HelpDialog
from app.tui.too_small import MIN_HEIGHT, MIN_WIDTH, TooSmall
from app.tui.welcome.screen import WelcomeScreen
from tests.app.tui.fake_assistant import FakeAssistant
from tests.app.tui.pilot import piloted, until


@pytest.fixture
def assistant(tmp_path: Path) -> Iterator[FakeAssistant]:
    assistant = FakeAssistant(tmp_path)
    yield assistant
    assistant.close()


def walk(
    assistant: FakeAssistant,
    scenario: Callable[[SteepApp, Pilot[None]], Awaitable[None]],
    size: tuple[int, int] = (80, 24),
) -> None:
    app = SteepApp(assistant)
    piloted(app, lambda pilot: scenario(app, pilot), size)


async def resize(app: SteepApp, pilot: Pilot[None], width: int, height: int, expected: type) -> None:
    """Make the window that large, and wait for the screen that is expected then."""
    await pilot.resize_terminal(width, height)
    await until(pilot, lambda: isinstance(app.screen, expected))


def words(app: SteepApp) -> str:
    return str(app.screen.query_one(Static).content)


@pytest.mark.parametrize(("width", "height"), [(MIN_WIDTH - 1, 24), (80, MIN_HEIGHT - 1)])
def test_it_is_told_how_large_the_window_is_and_should_be(assistant: FakeAssistant, width: int, height: int):
    async def scenario(app: SteepApp, pilot: Pilot[None]) -> None:
        await resize(app, pilot, width, height, TooSmall)
        assert words(app) == f"steep needs 60 × 16 characters,\nthe window has {width} × {height}."
        await pilot.resize_terminal(30, 10)
        await until(pilot, lambda: "30 × 10" in words(app))

    walk(assistant, scenario)


def test_the_smallest_window_that_will_do_shows_the_app(assistant: FakeAssistant):
    async def scenario(app: SteepApp, pilot: Pilot[None]) -> None:
        assert isinstance(app.screen, ChatScreen)
        await resize(app, pilot, MIN_WIDTH - 1, MIN_HEIGHT, TooSmall)
        await resize(app, pilot, MIN_WIDTH, MIN_HEIGHT, ChatScreen)

    walk(assistant, scenario, (MIN_WIDTH, MIN_HEIGHT))


def test_what_was_typed_is_there_again_when_the_window_has_grown(assistant: FakeAssistant):
    async def scenario(app: SteepApp, pilot: Pilot[None]) -> None:
        await pilot.press(*"Who")
        await resize(app, pilot, 40, 10, TooSmall)
        await pilot.press("x")
        await resize(app, pilot, 80, 24, ChatScreen)
        await pilot.press("?")
        assert app.screen.query_one(QuestionInput).text == "Who?"

    walk(assistant, scenario)


def test_a_dialog_that_is_covered_comes_back(assistant: FakeAssistant):
    async def scenario(app: SteepApp, pilot: Pilot[None]) -> None:
        await pilot.press("f1")
        await resize(app, pilot, 40, 10, TooSmall)
        await resize(app, pilot, 80, 24, HelpDialog)

    walk(assistant, scenario)


def test_it_goes_when_what_was_opened_above_it_goes(assistant: FakeAssistant):
    async def scenario(app: SteepApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: isinstance(app.screen, TooSmall))
        app.action_welcome()
        await until(pilot, lambda: isinstance(app.screen, WelcomeScreen))
        await pilot.resize_terminal(80, 24)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ChatScreen))

    walk(assistant, scenario, (40, 10))


def test_the_app_can_be_closed_from_it(assistant: FakeAssistant):
    app = SteepApp(assistant)

    async def scenario(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: isinstance(app.screen, TooSmall))
        await pilot.press("ctrl+q")

    piloted(app, scenario, (40, 10))
    assert app.return_code == 0
