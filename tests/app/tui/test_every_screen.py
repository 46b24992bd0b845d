"""What works on every screen: the app's own keys, its title bar, what it remembers, and how it tells of trouble."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from app.assistant.events import (
    ConversationOpened,
    ConversationsChanged,
    ModelFailed,
    ModelLoading,
    ModelReady,
    Trouble,
    WatchingElsewhere,
    WatchingHere,
)
from app.settings import Settings, load_settings
from app.tui.app import SteepApp
from app.tui.dialogs.help import HelpDialog
from app.tui.welcome.screen import WelcomeScreen
from app.tui.widgets.title_bar import TitleBar
from storage.values import Conversation
from tests.app.tui.fake_assistant import FakeAssistant
from tests.app.tui.pilot import piloted, until

READY = ModelReady("qwen", Path("/m.gguf"), ("f" * 32,), 8192, True, "", 1.0)
MODES = {"f2": "chat", "f3": "library", "f4": "models", "f5": "conversations"}


@pytest.fixture
def assistant(tmp_path: Path) -> Iterator[FakeAssistant]:
    assistant = FakeAssistant(tmp_path)
    yield assistant
    assistant.close()


class Seen:
    """The app with its pilot."""

    def __init__(self, app: SteepApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def title_bar(self) -> str:
        return str(self.app.screen.query_one(TitleBar).render())

    @property
    def told(self) -> list[str]:
        return [toast.message for toast in self.app._notifications]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object]) -> None:
        await until(self.pilot, condition)


def see_app(app: SteepApp, scenario: Callable[[Seen], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> None:
    piloted(app, lambda pilot: scenario(Seen(app, pilot)), size)


def talk(assistant: FakeAssistant, title: str) -> Conversation:
    return assistant.now(lambda parts: parts.index.start_conversation(title))


# --- keys


def test_function_keys_lead_to_every_screen_and_back(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        for key in ("f3", "f4", "f5", "f2"):
            await seen.press(key)
            assert seen.app.current_mode == MODES[key]
            assert type(seen.app.screen) is seen.app.MODES[MODES[key]]

    see_app(SteepApp(assistant), scenario)


@pytest.mark.parametrize("key", MODES)
def test_f1_opens_and_closes_the_help_on_every_screen(assistant: FakeAssistant, key: str):
    async def scenario(seen: Seen) -> None:
        await seen.press(key, "f1")
        assert isinstance(seen.app.screen, HelpDialog)
        await seen.press("f1")
        assert type(seen.app.screen) is seen.app.MODES[MODES[key]]

    see_app(SteepApp(assistant), scenario)


def test_ctrl_n_begins_a_new_conversation_from_anywhere(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        assistant.tell(ConversationOpened(talk(assistant, "Ferries"), ()))
        await seen.until(lambda: seen.app.conversation_title == "Ferries")
        await seen.press("f5", "ctrl+n")
        assert seen.app.current_mode == "chat"
        assert (seen.app.conversation_id, seen.app.conversation_title) == (None, "")

    see_app(SteepApp(assistant), scenario)


@pytest.mark.parametrize("before", [(), ("f3",), ("f5",), ("f1",)], ids=["chat", "library", "conversations", "dialog"])
def test_ctrl_q_closes_the_app_from_anywhere(assistant: FakeAssistant, before: tuple[str, ...]):
    app = SteepApp(assistant)

    async def scenario(seen: Seen) -> None:
        await seen.press(*before)
        assert app.return_code is None
        await seen.pilot.press("ctrl+q")

    see_app(app, scenario)
    assert app.return_code == 0


def test_keys_of_ones_own_replace_those_that_were_there(tmp_path: Path):
    assistant = FakeAssistant(tmp_path, Settings(keys=(("app.library", "f8"), ("conversations.search", "s"))))

    async def scenario(seen: Seen) -> None:
        await seen.press("f3")
        assert seen.app.current_mode == "chat"
        await seen.press("f8")
        assert seen.app.current_mode == "library"
        await seen.press("f5", "slash")
        assert not seen.app.screen.query_one("#search").has_focus
        await seen.press("s")
        assert seen.app.screen.query_one("#search").has_focus

    see_app(SteepApp(assistant), scenario)
    assistant.close()


def test_ctrl_c_alone_closes_nothing(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        await seen.press("f3", "ctrl+c")
        assert seen.app.return_code is None
        assert any("ctrl+q" in words for words in seen.told)

    see_app(SteepApp(assistant), scenario)


# --- what the title bar says


def test_the_title_bar_follows_the_model(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        assert "◐ loading the model" in seen.title_bar
        for event, words in (
            (ModelLoading("qwen", 0.5), "◐ preparing qwen 50%"),
            (READY, "● qwen"),
            (ModelFailed("qwen", "it is damaged."), "○ qwen failed"),
        ):
            assistant.tell(event)
            await seen.until(lambda words=words: seen.title_bar.endswith(words))

    see_app(SteepApp(assistant), scenario)


def test_the_title_bar_of_every_screen_has_the_open_conversation_by_its_newest_name(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        conversation = talk(assistant, "Ferries")
        assistant.tell(ConversationOpened(conversation, ()))
        await seen.until(lambda: "Chat · Ferries" in seen.title_bar)
        assistant.now(lambda parts: parts.index.rename_conversation(conversation.id, "Ships"))
        assistant.tell(ConversationsChanged())
        await seen.until(lambda: "Chat · Ships" in seen.title_bar)
        await seen.press("f5")
        assert "Conversations · Ships" in seen.title_bar

    see_app(SteepApp(assistant), scenario)


def test_the_title_bar_tells_who_watches(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        assistant.tell(WatchingElsewhere())
        await seen.until(lambda: "watched by another process" in seen.title_bar)
        assert seen.app.watches_here is False
        assistant.tell(WatchingHere())
        await seen.until(lambda: "watched by" not in seen.title_bar)
        assert seen.app.watches_here is True

    see_app(SteepApp(assistant), scenario)


# --- what is remembered


def test_the_scope_survives_a_walk_through_all_screens(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        seen.app.scope = (Path("/documents/island"),)
        await seen.press(*MODES, "f2")
        assert seen.app.scope == (Path("/documents/island"),)
        await seen.press(*"Who?", "enter")
        (asked,) = assistant.all_asked("ask")
        assert asked["scope"] == (Path("/documents/island"),)

    see_app(SteepApp(assistant), scenario)


def test_a_theme_that_is_chosen_is_written_into_the_config_file_and_the_rest_of_it_stays(assistant: FakeAssistant):
    config_file = assistant.locations.config_file
    config_file.parent.mkdir(parents=True)
    config_file.write_text("# mine\nratio = 0.2\n", "utf-8")

    async def scenario(seen: Seen) -> None:
        assert "theme" not in config_file.read_text("utf-8")
        seen.app.theme = "steep-light"
        await seen.until(lambda: load_settings(config_file, {}, {}).theme == "steep-light")
        assert config_file.read_text("utf-8").startswith("# mine\nratio = 0.2\n")

    see_app(SteepApp(assistant), scenario)


def test_the_theme_of_the_settings_is_used_and_not_written_again(tmp_path: Path):
    assistant = FakeAssistant(tmp_path, Settings(theme="nord"))

    async def scenario(seen: Seen) -> None:
        assert seen.app.theme == "nord"
        await seen.press("f3", "f2")

    see_app(SteepApp(assistant), scenario)
    assert not assistant.locations.config_file.exists()
    assistant.close()


def test_a_theme_that_cannot_be_remembered_is_used_all_the_same(assistant: FakeAssistant):
    config_file = assistant.locations.config_file
    config_file.parent.mkdir(parents=True)
    config_file.write_text("theme = = =", "utf-8")

    async def scenario(seen: Seen) -> None:
        seen.app.theme = "steep-light"
        await seen.until(lambda: any("is not valid TOML" in words for words in seen.told))
        assert seen.app.theme == "steep-light"

    see_app(SteepApp(assistant), scenario)


# --- continuing


def test_continuing_opens_the_conversation_that_changed_last(assistant: FakeAssistant, monkeypatch: pytest.MonkeyPatch):
    for seconds, title in ((30, "newest"), (10, "oldest"), (20, "other")):
        monkeypatch.setattr("storage.conversation_index.now", lambda seconds=seconds: seconds)
        talk(assistant, title)
    newest = assistant.now(lambda parts: parts.index.conversations())[0]
    assert newest.title == "newest"

    async def scenario(seen: Seen) -> None:
        await seen.until(lambda: assistant.all_asked("open_conversation"))
        assert assistant.asked_for == [("open_conversation", {"conversation_id": newest.id})]
        assert seen.app.current_mode == "chat"

    see_app(SteepApp(assistant, continues=True), scenario)


def test_without_continuing_the_app_begins_anew(assistant: FakeAssistant):
    talk(assistant, "Ferries")

    async def scenario(seen: Seen) -> None:
        await seen.until(lambda: assistant.now(lambda _: True))
        await seen.pilot.pause()
        assert not assistant.asked_for
        assert seen.app.conversation_id is None

    see_app(SteepApp(assistant), scenario)


def test_where_there_is_nothing_to_continue_this_is_said(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        await seen.until(lambda: "There is no conversation to continue yet." in seen.told)
        assert not assistant.asked_for

    see_app(SteepApp(assistant, continues=True), scenario)


# --- trouble


@pytest.mark.parametrize("key", MODES)
def test_trouble_is_told_once_on_whatever_screen_one_is(assistant: FakeAssistant, key: str):
    async def scenario(seen: Seen) -> None:
        await seen.press(key)
        assistant.tell(Trouble("The disk is [bold]full[/bold]."))
        await seen.until(lambda: seen.told)
        assert seen.told == ["The disk is [bold]full[/bold]."]

    see_app(SteepApp(assistant), scenario)


def test_lasting_trouble_stays_in_the_title_bar_until_a_model_is_ready(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        assistant.tell(Trouble("Search goes by words alone.", is_lasting=True))
        await seen.until(lambda: "! trouble" in seen.title_bar)
        assistant.tell(READY)
        await seen.until(lambda: "! trouble" not in seen.title_bar)

    see_app(SteepApp(assistant), scenario)


def test_a_newcomer_without_a_model_is_led_to_one(assistant: FakeAssistant):
    assistant.now(lambda parts: parts.index.add_folder(Path("/documents")))

    async def scenario(seen: Seen) -> None:
        assistant.tell(ModelFailed("", "there is no model yet."))
        await seen.until(lambda: isinstance(seen.app.screen, WelcomeScreen))
        assert not seen.told
        assistant.tell(ModelFailed("", "there is no model yet."))
        await seen.until(lambda: not seen.app._is_welcoming or len(seen.app.screen_stack) == 2)
        await seen.press("escape")
        assert not isinstance(seen.app.screen, WelcomeScreen)

    see_app(SteepApp(assistant, welcomes=True), scenario)


def test_a_model_that_fails_is_told_with_the_way_to_another(assistant: FakeAssistant):
    assistant.now(lambda parts: parts.index.add_folder(Path("/documents")))

    async def scenario(seen: Seen) -> None:
        assistant.tell(ModelFailed("qwen", "/m.gguf is cut [off]."))
        await seen.until(lambda: seen.told)
        assert seen.told == ["/m.gguf is cut [off].\nF4: choose another model."]
        assert seen.app.current_mode == "chat"
        await seen.press("f4")
        assert seen.app.current_mode == "models"

    see_app(SteepApp(assistant, welcomes=True), scenario)


def test_an_index_that_cannot_be_read_is_told_and_the_app_goes_on(assistant: FakeAssistant):
    assistant.locations.index_file.parent.mkdir(parents=True)
    assistant.locations.index_file.write_bytes(b"no database" * 1000)

    async def scenario(seen: Seen) -> None:
        await seen.until(lambda: any("index" in words for words in seen.told))
        for key in ("f3", "f5", "f2"):
            await seen.press(key)
            assert seen.app.current_mode == MODES[key]

    see_app(SteepApp(assistant, welcomes=True, continues=True), scenario)
