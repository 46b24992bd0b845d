"""A newcomer's four steps: each shows how far it is, can be taken from the keyboard, and can be left out."""

import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, Static

from app.assistant.events import LibraryChanged, ModelFailed, ModelLoading, ModelReady
from app.models.choice import choose_model
from app.tui.app import SteepApp
from app.tui.chat.screen import ChatScreen
from app.tui.dialogs.folder_dialog import FolderDialog
from app.tui.models.screen import ModelsScreen
from app.tui.welcome.screen import WelcomeScreen, demo_folder
from app.tui.welcome.step import Step
from app.wiring import Parts
from storage.content_key import fingerprint, state_key
from storage.values import ChunkState, ChunkText, DocumentVersion
from tests.app.tui.fake_assistant import FakeAssistant
from tests.app.tui.pilot import piloted, until
from tests.tiny_model import write_tiny_model
from tests.waiting import WAIT_SECONDS

MODEL = fingerprint({"model": "m"})
READY = ModelReady("qwen", Path("/m.gguf"), (MODEL,), 8192, True, "", 1.0)
NONE = ModelFailed("", "there is no model yet. Install [one].")


@pytest.fixture
def assistant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAssistant]:
    """A new user on a machine without any model, whoever runs the tests."""
    monkeypatch.setattr("app.models.starter.find_spec", lambda name: None)
    for name in ("HOME", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "LLAMA_CACHE", "OLLAMA_MODELS"):
        monkeypatch.setenv(name, str(tmp_path / "user"))
    (tmp_path / "user").mkdir()
    assistant = FakeAssistant(tmp_path / "home")
    yield assistant
    assistant.close()


class Seen:
    """The first steps with their pilot."""

    def __init__(self, app: SteepApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    def step(self, name: str) -> Step:
        return self.app.screen_stack[1].query_one(f"#{name}", Step)

    def words(self, name: str) -> str:
        """Everything that a step says, its choices too."""
        step = self.step(name)
        return "\n".join([*(str(each.content) for each in step.query(Static)), *self.choices(name)])

    def choices(self, name: str) -> list[str]:
        return [str(button.label) for button in self.step(name).query(Button)]

    async def choose(self, name: str, label: str) -> None:
        """Go to a choice and press it, as the keyboard does."""
        await self.until(lambda: any(label in choice for choice in self.choices(name)))
        # The choices are made anew whenever the step learns something, so each look asks for them again.
        deadline = time.monotonic() + WAIT_SECONDS
        while not any(label in str(button.label) and button.has_focus for button in self.step(name).query(Button)):
            assert time.monotonic() < deadline, f"{label} cannot be reached"
            await self.pilot.press("down")
        await self.pilot.press("enter")

    async def until(self, condition: Callable[[], object]) -> None:
        await until(self.pilot, condition)


def see_first_steps(
    assistant: FakeAssistant, scenario: Callable[[Seen], Awaitable[None]], size: tuple[int, int] = (80, 24)
) -> None:
    """As a newcomer sees them, who has no folder."""
    app = SteepApp(assistant, welcomes=True)

    async def on_screen(pilot: Pilot[None]) -> None:
        app.action_welcome()
        seen = Seen(app, pilot)
        await seen.until(lambda: isinstance(app.screen, WelcomeScreen) and len(app.screen.query(Step)) == 4)
        await scenario(seen)

    piloted(app, on_screen, size)


def put_document(parts: Parts, name: str, *, is_steeped: bool = False) -> None:
    folder = next(iter(parts.index.folders()), None) or parts.index.add_folder(Path("/documents"))
    path = Path("/documents") / name
    chunk = ChunkText(0, 4, None, "The morning ferry", "text", 10)
    parts.index.put_document(folder.id, DocumentVersion(path, 4, 1, "digest", path.stem), [chunk])
    if is_steeped:
        (stored,) = parts.index.chunks(path)
        parts.store.put(ChunkState(state_key(MODEL, 3, (1,)), (1,), b"rows", 3), "chunk", [stored.id])


# --- when they are shown


def test_who_has_no_folder_is_led_through_them(assistant: FakeAssistant):
    app = SteepApp(assistant, welcomes=True)

    async def scenario(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: isinstance(app.screen, WelcomeScreen))

    piloted(app, scenario)


def test_who_has_a_folder_begins_with_the_chat(assistant: FakeAssistant):
    assistant.now(lambda parts: parts.index.add_folder(Path("/documents")))
    app = SteepApp(assistant, welcomes=True)

    async def scenario(pilot: Pilot[None]) -> None:
        await pilot.pause()
        assistant.now(lambda _: None)
        await pilot.app.workers.wait_for_complete()
        assert isinstance(app.screen, ChatScreen)

    piloted(app, scenario)


def test_they_can_be_skipped_and_taken_again_but_never_twice_at_once(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        seen.app.action_welcome()
        await seen.pilot.press("escape")
        await seen.until(lambda: isinstance(seen.app.screen, ChatScreen))
        seen.app.action_welcome()
        await seen.until(lambda: isinstance(seen.app.screen, WelcomeScreen))

    see_first_steps(assistant, scenario)


# --- 1: a model


def test_without_a_model_the_first_step_says_how_to_get_one(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        assistant.tell(NONE)
        await seen.until(lambda: "There is no model yet. Install [one]." in seen.words("model"))
        assert seen.choices("model") == ["▸ Choose or download another"]
        await seen.choose("model", "Choose or download")
        await seen.until(lambda: isinstance(seen.app.screen, ModelsScreen))

    see_first_steps(assistant, scenario)


def test_a_model_that_is_there_can_be_used_at_once(assistant: FakeAssistant):
    models = assistant.locations.models_dir
    models.mkdir(parents=True)
    path = write_tiny_model(models / "tiny.gguf")

    async def scenario(seen: Seen) -> None:
        assistant.tell(NONE)
        await seen.choose("model", "Use tiny")
        await seen.until(lambda: assistant.all_asked("use_model"))
        assert assistant.all_asked("use_model") == [{"path": path}]
        config_file = assistant.locations.config_file
        assert not config_file.exists()
        assistant.tell(replace(READY, name="tiny", path=path))
        await seen.until(lambda: config_file.exists() and 'model = "tiny"' in config_file.read_text())

    see_first_steps(assistant, scenario)


def test_a_model_that_has_gone_meanwhile_is_told_and_the_step_stays(
    assistant: FakeAssistant, monkeypatch: pytest.MonkeyPatch
):
    models = assistant.locations.models_dir
    models.mkdir(parents=True)
    path = write_tiny_model(models / "tiny.gguf")

    def gone_first(name: str, *others: Any) -> Path:
        path.unlink()  # behind the last look for models, which would have taken the choice away
        return choose_model(name, *others)

    monkeypatch.setattr("app.models.choice.choose_model", gone_first)

    async def scenario(seen: Seen) -> None:
        assistant.tell(NONE)
        await seen.choose("model", "Use tiny")
        await seen.until(lambda: "tiny.gguf" in seen.words("model"))
        assert not assistant.all_asked("use_model")
        assert any("Choose or download" in choice for choice in seen.choices("model"))

    see_first_steps(assistant, scenario)


def test_the_first_step_follows_the_model(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        for event, words in (
            (ModelLoading("qwen", 0.43), "qwen is prepared: 43%"),
            (ModelLoading("qwen"), "qwen is loaded …"),
            (READY, "qwen answers."),
        ):
            assistant.tell(event)
            await seen.until(lambda words=words: words in seen.words("model"))
        assert seen.words("model").startswith("● 1")
        assert not seen.choices("model")

    see_first_steps(assistant, scenario)


# --- 2: a folder


def test_a_folder_is_chosen_and_watched(assistant: FakeAssistant, tmp_path: Path):
    folder = tmp_path / "letters"
    folder.mkdir()

    async def scenario(seen: Seen) -> None:
        await seen.choose("folder", "Choose a folder")
        await seen.until(lambda: isinstance(seen.app.screen, FolderDialog) and seen.app.screen.query(Input))
        seen.app.screen.query_one(Input).value = str(folder)
        await seen.pilot.press("enter")
        await seen.until(lambda: "letters" in seen.words("folder"))
        assert seen.words("folder").startswith("● 2")
        assert [each.path for each in assistant.now(lambda parts: parts.index.folders())] == [folder.resolve()]

    see_first_steps(assistant, scenario)


def test_no_folder_is_watched_when_the_dialog_is_left(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        await seen.choose("folder", "Choose a folder")
        await seen.until(lambda: isinstance(seen.app.screen, FolderDialog))
        await seen.pilot.press("escape")
        await seen.until(lambda: isinstance(seen.app.screen, WelcomeScreen))
        assert not assistant.now(lambda parts: parts.index.folders())

    see_first_steps(assistant, scenario)


def test_the_demo_is_watched_when_it_is_chosen(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        await seen.choose("folder", "documents of the demo")
        await seen.until(lambda: "demo" in seen.words("folder") and seen.words("folder").startswith("● 2"))
        assert [each.path for each in assistant.now(lambda parts: parts.index.folders())] == [demo_folder()]

    see_first_steps(assistant, scenario)


def test_without_the_demo_it_is_not_offered(assistant: FakeAssistant, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("app.tui.welcome.screen.demo_folder", lambda: None)

    async def scenario(seen: Seen) -> None:
        await seen.until(lambda: seen.choices("folder"))
        assert seen.choices("folder") == ["▸ Choose a folder …"]

    see_first_steps(assistant, scenario)


# --- 3: reading and steeping


def test_the_third_step_follows_the_documents(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        await seen.until(lambda: "found, then searchable, then steeped" in seen.words("reading"))
        assistant.now(lambda parts: put_document(parts, "ferry.md"))
        assistant.tell(LibraryChanged())
        await seen.until(lambda: "1 document: " in seen.words("reading"))
        assert seen.words("reading").startswith("◐ 3")
        assert "You need not wait" in seen.words("reading")
        assistant.now(lambda parts: put_document(parts, "ferry.md", is_steeped=True))
        assistant.tell(LibraryChanged())
        await seen.until(lambda: seen.words("reading").startswith("● 3"))
        assert "You need not wait" not in seen.words("reading")

    see_first_steps(assistant, scenario)


# --- 4: a question


def test_a_suggested_question_is_asked_in_the_chat(assistant: FakeAssistant):
    async def scenario(seen: Seen) -> None:
        await seen.until(lambda: "As soon as something is searchable" in seen.words("question"))
        assert not seen.choices("question")
        assistant.now(lambda parts: put_document(parts, "ferry.md"))
        assistant.tell(LibraryChanged())
        question = "What does “ferry” say about “The morning ferry”?"
        await seen.choose("question", question)
        await seen.until(lambda: assistant.all_asked("ask"))
        (asked,) = assistant.all_asked("ask")
        assert (asked["question"], asked["conversation_id"], asked["ordinal"]) == (question, None, None)
        await seen.until(lambda: isinstance(seen.app.screen, ChatScreen))

    see_first_steps(assistant, scenario)


def test_all_of_it_can_be_reached_in_the_smallest_window(assistant: FakeAssistant):
    assistant.now(lambda parts: put_document(parts, "ferry.md"))

    async def scenario(seen: Seen) -> None:
        assistant.tell(NONE)
        await seen.choose("question", "What does")
        await seen.until(lambda: assistant.all_asked("ask"))

    see_first_steps(assistant, scenario, (60, 16))
