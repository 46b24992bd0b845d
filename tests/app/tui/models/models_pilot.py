"""The models screen over folders with tiny models, on a machine with 16 GB, and what is seen of it."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Static

from app.assistant.events import ModelReady
from app.models.fit import Memory
from app.tui.app import SteepApp
from app.tui.models.arrival_line import ArrivalLine
from app.tui.models.model_detail import ModelDetail
from app.tui.models.model_list import ModelList
from app.tui.models.screen import ModelsScreen
from app.tui.widgets.notice import Notice
from tests.app.tui.fake_assistant import FakeAssistant
from tests.app.tui.pilot import piloted, until

MEMORY = Memory(16_000_000_000, 9_000_000_000)
TOO_LARGE, TIGHT = 20_000_000_000, 10_000_000_000


def ready(path: Path, name: str = "") -> ModelReady:
    return ModelReady(name or path.stem, path, ("fingerprint",), 8192, True, "", 412.0)


def grow(path: Path, num_bytes: int) -> Path:
    """Let a model be that large, without taking the room."""
    os.truncate(path, num_bytes)
    return path


class SeenModels:
    """The screen with its pilot."""

    def __init__(self, app: SteepApp, assistant: FakeAssistant, pilot: Pilot) -> None:
        self.app, self.assistant, self.pilot = app, assistant, pilot

    @property
    def screen(self) -> ModelsScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, ModelsScreen)
        return screen

    @property
    def models(self) -> ModelList:
        return self.screen.query_one(ModelList)

    @property
    def lines(self) -> list[str]:
        return [str(option.prompt).rstrip() for option in self.models.options]

    @property
    def names(self) -> list[str]:
        return [line[2:].split("  ")[0] for line in self.lines]

    @property
    def chosen(self) -> str:
        return self.models.entry.model.name if self.models.entry else ""

    @property
    def detail(self) -> str:
        return str(self.screen.query_one(ModelDetail).query_one(Static).content)

    @property
    def notice(self) -> str:
        return str(self.screen.query_one(Notice).content)

    @property
    def arrival(self) -> str:
        line = self.screen.query_one(ArrivalLine)
        return str(line.content) if line.display else ""

    @property
    def used(self) -> list[object]:
        return [asked["path"] for asked in self.assistant.all_asked("use_model")]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object]) -> None:
        await until(self.pilot, condition)

    async def on(self, kind: type) -> None:
        await self.until(lambda: isinstance(self.app.screen, kind))

    async def highlight(self, name: str) -> None:
        self.models.highlighted = self.names.index(name)
        await self.pilot.pause()


def see_models(
    assistant: FakeAssistant,
    scenario: Callable[[SeenModels], Awaitable[None]],
    *,
    loaded: Path | None = None,
    size: tuple[int, int] = (80, 24),
) -> None:
    """Run a scenario on the models screen once the models are listed; `loaded` answers."""
    app = SteepApp(assistant)

    async def on_screen(pilot: Pilot) -> None:
        if loaded:
            app.tell(ready(loaded))
            await until(pilot, lambda: isinstance(app.model, ModelReady))
        await pilot.press("f4")
        seen = SeenModels(app, assistant, pilot)
        await seen.on(ModelsScreen)
        await seen.until(lambda: seen.screen.catalogue)
        await pilot.pause()
        await scenario(seen)

    piloted(app, on_screen, size)
