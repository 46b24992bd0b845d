"""The help has every key as it is set now, those of the screen first, and agrees with the memory bar."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widgets import Static

from app.settings import Settings
from app.tui.app import SteepApp
from app.tui.dialogs.help import HelpDialog
from app.tui.keys import known_keys, title_of
from app.tui.widgets.memory_bar import COMPUTED, KEPT, LOADED, RECOMPUTED, Origin
from tests.app.tui.fake_assistant import FakeAssistant
from tests.app.tui.pilot import piloted, until


def see_help(
    home: Path,
    look: Callable[[list[str]], None],
    *keys: str,
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> None:
    """Press keys until the help is there; `look` gets its sections."""
    assistant = FakeAssistant(home, settings)
    app = SteepApp(assistant)

    async def scenario(pilot: Pilot[None]) -> None:
        await pilot.press(*keys)
        await until(pilot, lambda: isinstance(app.screen, HelpDialog))
        look([str(section.content) for section in app.screen.query_one(VerticalScroll).query(Static)])

    piloted(app, scenario)
    assistant.close()


def test_every_key_is_listed_by_its_id(tmp_path: Path):
    def look(sections: list[str]) -> None:
        listed = {line.split()[-1] for section in sections for line in section.splitlines() if line.strip()}
        assert {key.id for key in known_keys()} <= listed

    see_help(tmp_path, look, "f1")


@pytest.mark.parametrize(("key", "area"), [("f2", "chat"), ("f3", "library"), ("f5", "conversations")])
def test_the_keys_of_the_screen_that_one_comes_from_are_first(tmp_path: Path, key: str, area: str):
    def look(sections: list[str]) -> None:
        assert sections[0].splitlines()[0] == title_of(area)

    see_help(tmp_path, look, key, "f1")


def test_keys_of_ones_own_are_shown_in_place_of_the_others(tmp_path: Path):
    def look(sections: list[str]) -> None:
        (line,) = [line for section in sections for line in section.splitlines() if line.endswith("app.library")]
        assert line.startswith("f8 ")

    see_help(tmp_path, look, "f1", settings=Settings(keys=(("app.library", "f8"),)))


@pytest.mark.parametrize("origin", [KEPT, LOADED, RECOMPUTED, COMPUTED], ids=lambda origin: origin.word)
def test_every_part_of_the_memory_bar_is_explained(tmp_path: Path, origin: Origin):
    def look(sections: list[str]) -> None:
        (guide,) = [section for section in sections if section.startswith("The memory bar")]
        assert any(line.startswith(f"{origin.glyph} {origin.word} ") for line in guide.splitlines())

    see_help(tmp_path, look, "f1")


@pytest.mark.parametrize("key", ["escape", "q", "f1", "enter"])
def test_it_is_closed_by_any_of_its_keys(tmp_path: Path, key: str):
    app = SteepApp(assistant := FakeAssistant(tmp_path))

    async def scenario(pilot: Pilot[None]) -> None:
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpDialog))
        if key == "enter":
            await pilot.press("tab")
        await pilot.press(key)
        await until(pilot, lambda: not isinstance(app.screen, HelpDialog))

    piloted(app, scenario)
    assistant.close()
