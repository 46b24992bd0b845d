"""What every screen looks like: two sizes, dark, light and without colours; pictures that a person has looked at.

After a change that is meant: `pytest tests/app/tui/test_snapshots.py --snapshot-update`, and look at the pictures.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from app.assistant.events import (
    AnswerFailed,
    AnswerFinished,
    AnswerPiece,
    AnswerStarted,
    ModelReady,
    PassagesFound,
    PromptRead,
)
from app.citation import Quote
from app.conversations.account import Account, Heat, MemoryFill, Source, Timing
from app.models.places import Source as ModelSource
from app.settings import Settings
from app.tui.app import SteepApp
from app.tui.dialogs.confirm import ConfirmDialog
from app.tui.dialogs.folder_dialog import FolderDialog
from app.tui.dialogs.help import HelpDialog
from app.tui.dialogs.text_dialog import TextDialog
from app.tui.models.catalogue import Catalogue
from app.tui.too_small import TooSmall
from app.tui.welcome.screen import WelcomeScreen
from app.wiring import Parts
from engine.requests import Memory
from storage.content_key import fingerprint, state_key
from storage.values import ChunkState, ChunkText, Conversation, DocumentVersion, Turn
from tests.app.tui.fake_assistant import FakeAssistant
from tests.app.tui.models.model_entries import FACTS, embedding_entry, entry
from tests.app.tui.models.models_pilot import MEMORY, TOO_LARGE
from tests.app.tui.pilot import piloted, until

SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
LOOKS = ("dark", "light", "no-colour")

MODEL = fingerprint({"model": "m"})
READY = ModelReady("qwen2.5-coder-0.5b", Path("/models/qwen.gguf"), (MODEL,), 32768, True, "", 412.0)
DOCUMENTS = Path("/documents")
NOW = 1_750_000_000
TEXTS = {
    "thistle_farm.md": (
        "Thistle Farm is the only farm with goats on Wendelow. The farmer is Wilma Oakes. She has 46 goats.\n\n"
        "The oldest goat is called Admiral. She is 17 years old and wears a brass bell. She once swam to Seal Rock and "
        "came back with a hat. Nobody knows whose hat it was."
    ),
    "people.md": "Wilma Oakes lives at Thistle Farm in the east of the island. Her brother keeps the lighthouse.",
    "island/ferry.pdf": "The ferry leaves at seven in the morning and at five in the afternoon.",
    "island/lighthouse.md": "The lighthouse was built in 1871. Its lamp is seen from twenty miles away.",
}
ANSWER = (
    "The farmer is **Wilma Oakes**. She keeps 46 goats:\n\n- the oldest is *Admiral*, 17 years old\n"
    "- she wears a `brass bell`\n"
)

LARGE = replace(FACTS, architecture="llama", num_parameters="8B", context_length=131_072, kv_bytes_per_token=131_072)
WINDOW = "it attends through a sliding window (512 tokens)"
CATALOGUE = Catalogue(
    (
        entry("qwen2.5-coder-0.5b", loaded_as=READY.path),
        entry("llama-3.1-8b", facts=LARGE, num_bytes=4_900_000_000, source=ModelSource.OLLAMA),
        entry("gemma-3-270m", facts=replace(FACTS, blendable=False, reason=WINDOW), source=ModelSource.LM_STUDIO),
        entry("qwen2.5-32b", facts=LARGE, num_bytes=TOO_LARGE, source=ModelSource.LLAMA_CPP),
        embedding_entry(),
    ),
    MEMORY,
    (("steep", Path("/home/data/models")),),
)

Show = Callable[["Shown"], Awaitable[None]]


class Shown:
    """An app with a library and a conversation, and the pilot that walks to what is to be seen."""

    def __init__(self, app: SteepApp, assistant: FakeAssistant, pilot: Pilot[None]) -> None:
        self.app, self.assistant, self.pilot = app, assistant, pilot
        self.talk = assistant.now(lambda parts: parts.index.conversations())[-1]

    async def until(self, condition: Callable[[], object]) -> None:
        await until(self.pilot, condition)

    async def on(self, kind: type) -> None:
        await self.until(lambda: isinstance(self.app.screen, kind))

    async def answered(self) -> None:
        """The chat with one answer."""
        source = _source(self.assistant)
        other = replace(source, chunk_id=0, path=DOCUMENTS / "people.md", heading="Hill Road", attention=0.24, heat=())
        last = replace(
            source, chunk_id=0, path=DOCUMENTS / "island/ferry.pdf", page=3, attention=0.14, quote=None, heat=()
        )
        account = Account(
            mode="blend",
            model="qwen2.5-coder-0.5b",
            sources=(source, replace(other, num_kept=40, num_loaded=20), last),
            timing=Timing(12, 31, 402, 1400, 1920, 3600, 26.4, 412, 14300),
            num_answer_tokens=40,
            memory=MemoryFill(1426, 8192),
        )
        question = "Who is the farmer, and which of the goats is the oldest?"
        turn = Turn(self.talk.id, 0, question, ANSWER, account.as_json(), NOW)
        self.assistant.now(lambda parts: parts.index.put_turn(turn))
        self.assistant.tell(AnswerStarted(self.talk, 0, question))
        self.assistant.tell(AnswerPiece(ANSWER[:40]))
        self.assistant.tell(AnswerFinished(self.talk, turn, Memory(self.talk.id, 1, 1426, 8192, 17_000_000)))
        await self.until(lambda: "SourceList" in {type(widget).__name__ for widget in self.app.screen.query("*")})
        await self.until(lambda: self.app.screen.query_one("SourceList").option_count == 3)  # type: ignore[attr-defined]


def _source(assistant: FakeAssistant) -> Source:
    text = TEXTS["thistle_farm.md"]
    (chunk,) = assistant.now(lambda parts: parts.index.chunks(DOCUMENTS / "thistle_farm.md"))
    at = {word: text.index(word) for word in ("farmer", "Wilma Oakes", "46 goats", "oldest goat", "Admiral")}
    heat = [
        Heat(place, place + len(word), level) for (word, place), level in zip(at.items(), (4, 9, 3, 7, 8), strict=True)
    ]
    first = text.index("The farmer is")
    return Source(
        chunk_id=chunk.id,
        path=chunk.document_path,
        page=None,
        heading="Island > Thistle Farm and its goats",
        start=0,
        end=len(text),
        quote=Quote(first, first + 28, text[first : first + 28]),
        score=1.0,
        attention=0.62,
        num_tokens=225,
        num_loaded=167,
        num_recomputed=58,
        heat=tuple(heat),
    )


# --- what is seen


async def chat_start(shown: Shown) -> None:
    await shown.until(lambda: shown.app.screen.query("StartPage Button"))


async def too_small(shown: Shown) -> None:
    await shown.on(TooSmall)


async def chat_answer(shown: Shown) -> None:
    await shown.answered()


async def chat_reading(shown: Shown) -> None:
    shown.app.scope = (DOCUMENTS / "island",)
    shown.assistant.tell(AnswerStarted(shown.talk, 0, "When does the ferry leave?"))
    shown.assistant.tell(PassagesFound(7, 2))
    shown.assistant.tell(PromptRead(812, 1390))
    await shown.pilot.pause()


async def chat_failed(shown: Shown) -> None:
    shown.assistant.tell(AnswerStarted(shown.talk, 0, "When does the ferry leave?"))
    reason = "The index /data/index.sqlite3 cannot be used: disk I/O error. Make room and try again."
    shown.assistant.tell(AnswerFailed(None, 0, "When does the ferry leave?", reason))
    await shown.pilot.pause()


async def chat_sources(shown: Shown) -> None:
    await shown.answered()
    await shown.pilot.press("ctrl+s")


async def passage(shown: Shown) -> None:
    await shown.answered()
    await shown.pilot.press("ctrl+s", "enter")
    await shown.until(lambda: str(shown.app.screen.query_one("#passage-text").content))  # type: ignore[attr-defined]


async def library(shown: Shown) -> None:
    await shown.pilot.press("f3")
    await shown.until(lambda: getattr(shown.app.screen, "overview", None) and shown.app.screen.overview.folders)  # type: ignore[attr-defined]
    await shown.pilot.press("down", "space")


async def models(shown: Shown) -> None:
    await shown.pilot.press("f4")
    await shown.until(lambda: shown.app.screen.query_one("ModelList").option_count == 5)  # type: ignore[attr-defined]


async def conversations(shown: Shown) -> None:
    await shown.pilot.press("f5")
    await shown.until(lambda: shown.app.screen.query_one("ConversationList").option_count)  # type: ignore[attr-defined]


async def welcome(shown: Shown) -> None:
    shown.app.push_screen(WelcomeScreen())
    await shown.on(WelcomeScreen)
    await shown.until(lambda: len(shown.app.screen.query("Button")) > 2)


async def help_keys(shown: Shown) -> None:
    shown.app.push_screen(HelpDialog("chat"))
    await shown.on(HelpDialog)


async def confirm(shown: Shown) -> None:
    detail = "4 documents, their text, and 812 MB of states leave the disk."
    shown.app.push_screen(ConfirmDialog("Stop watching /documents?", detail, "Remove", True))
    await shown.on(ConfirmDialog)


async def text_dialog(shown: Shown) -> None:
    shown.app.push_screen(TextDialog("Rename the conversation", "The goats of Wendelow"))
    await shown.on(TextDialog)


async def folder_dialog(shown: Shown) -> None:
    folder = shown.assistant.locations.data_dir.parents[1] / "somewhere"
    for name in ("letters", "notes/2024", "recipes"):
        (folder / name).mkdir(parents=True)
    dialog = FolderDialog(folder)
    shown.app.push_screen(dialog)
    await shown.on(FolderDialog)
    await shown.until(lambda: "recipes" in str(dialog.query_one("FolderTree").root.children))  # type: ignore[attr-defined]
    dialog.query_one(Input).value = ""  # the path is another one every time


MAIN: tuple[Show, ...] = (chat_start, chat_answer, passage, library, models, conversations, welcome, help_keys)
OTHER: tuple[Show, ...] = (chat_reading, chat_failed, chat_sources, confirm, text_dialog)


@pytest.fixture
def furnished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAssistant]:
    """A library of four documents and three conversations."""
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setattr("storage.conversation_index.now", lambda: NOW - 3600)
    monkeypatch.setattr("app.tui.models.screen.read_catalogue", lambda *_: CATALOGUE)
    assistant = FakeAssistant(tmp_path / "home", Settings(budget_gb=2))
    assistant.now(_furnish)
    yield assistant
    assistant.close()


def _furnish(parts: Parts) -> None:
    folder = parts.index.add_folder(DOCUMENTS)
    for number, (name, text) in enumerate(TEXTS.items()):
        chunk = ChunkText(0, len(text), 3 if name.endswith("pdf") else None, "Island > Thistle Farm", text, 225)
        version = DocumentVersion(DOCUMENTS / name, 12_000 * number, NOW, "digest", Path(name).stem)
        parts.index.put_document(folder.id, version, [chunk])
    broken = DocumentVersion(DOCUMENTS / "island/map.pdf", 1, NOW, "digest", "map")
    parts.index.fail_document(folder.id, broken, "is encrypted: open it with its password and save it without")
    for name in ("thistle_farm.md", "people.md"):
        (stored,) = parts.index.chunks(DOCUMENTS / name)
        state = ChunkState(state_key(MODEL, 3, (stored.id,)), (stored.id,), bytes(2_700_000), 3)
        parts.store.put(state, "chunk", [stored.id])
    titles = (
        "Who is the farmer, and which of the goats is the oldest?",
        "When does the last ferry leave?",
        "Lighthouse",
    )
    for title in titles:
        talk: Conversation = parts.index.start_conversation(title)
        parts.index.put_turn(Turn(talk.id, 0, title, "It leaves at five in the afternoon.", "{}", NOW))


class SvgExtension(SingleFileSnapshotExtension):
    """One picture a file, as browsers show it."""

    file_extension = "svg"
    _write_mode = WriteMode.TEXT


@pytest.fixture
def picture(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(SvgExtension)


def seen(assistant: FakeAssistant, show: Show, size: tuple[int, int], look: str, patch: pytest.MonkeyPatch) -> str:
    """What is on the screen, as SVG."""
    if look == "no-colour":
        patch.setenv("NO_COLOR", "1")
    app = SteepApp(assistant)
    app.now = lambda: NOW
    app.theme = "steep-light" if look == "light" else "steep-dark"
    pictures: list[str] = []

    async def walk(pilot: Pilot[None]) -> None:
        app.tell(READY)
        await pilot.pause()
        await show(Shown(app, assistant, pilot))
        for field in app.screen.query("Input, TextArea"):
            assert isinstance(field, Input | TextArea)
            field.cursor_blink = False
        pictures.append(await _still(app, pilot))

    piloted(app, walk, size)
    return pictures[0]


async def _still(app: SteepApp, pilot: Pilot[None]) -> str:
    """A picture of what does not change any more: behind a dialog, the screen below may still be filling."""
    before = ""
    for _ in range(100):
        await pilot.pause(0.1)
        picture = app.export_screenshot()
        if picture == before:
            return picture
        before = picture
    raise AssertionError("the screen does not come to rest")


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("show", MAIN, ids=lambda show: show.__name__)
def test_a_screen_looks_as_it_should(
    picture: SnapshotAssertion,
    furnished: FakeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    show: Show,
    size: str,
    look: str,
) -> None:
    assert seen(furnished, show, SIZES[size], look, monkeypatch) == picture


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("show", OTHER, ids=lambda show: show.__name__)
def test_what_comes_and_goes_looks_as_it_should(
    picture: SnapshotAssertion, furnished: FakeAssistant, monkeypatch: pytest.MonkeyPatch, show: Show, size: str
) -> None:
    assert seen(furnished, show, SIZES[size], "dark", monkeypatch) == picture


def test_a_window_that_is_too_small_says_so(
    picture: SnapshotAssertion, furnished: FakeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seen(furnished, too_small, (50, 12), "dark", monkeypatch) == picture
