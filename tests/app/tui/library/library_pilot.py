"""The library screen over a real index, and what is seen of it."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Static

from app.assistant.events import ModelReady
from app.tui.app import SteepApp
from app.tui.library.detail_pane import DetailPane
from app.tui.library.library_tree import LibraryTree
from app.tui.library.screen import LibraryScreen
from app.tui.library.summary import Summary
from app.tui.widgets.notice import Notice
from app.wiring import Parts
from storage.content_key import fingerprint, state_key
from storage.values import ChunkState, ChunkText, DocumentVersion
from tests.app.tui.fake_assistant import FakeAssistant
from tests.app.tui.pilot import piloted, until

MODEL = fingerprint({"model": "m"})
READY = ModelReady("model", Path("/m.gguf"), (MODEL,), 8192, True, "", 1.0)


class SeenLibrary:
    """The screen with its pilot; `lines` are what the tree shows, as text."""

    def __init__(self, app: SteepApp, assistant: FakeAssistant, pilot: Pilot) -> None:
        self.app, self.assistant, self.pilot = app, assistant, pilot

    @property
    def screen(self) -> LibraryScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, LibraryScreen)
        return screen

    @property
    def tree(self) -> LibraryTree:
        return self.screen.query_one(LibraryTree)

    @property
    def lines(self) -> list[str]:
        return [self.tree.render_line(y).text.rstrip() for y in range(self.tree.size.height)]

    @property
    def names(self) -> list[str]:
        """Names of the visible lines, without marks, counts and states."""
        return [line[4:].split("  ○")[0].split(" (")[0].strip(" ▾▸").split("  ")[0] for line in self.lines if line]

    @property
    def node_name(self) -> str:
        node = self.tree.node
        return node.path.name if node else ""

    @property
    def notice(self) -> str:
        return str(self.screen.query_one(Notice).content)

    @property
    def summary(self) -> str:
        return str(self.screen.query_one(Summary).content)

    @property
    def detail(self) -> str:
        return str(self.screen.query_one(DetailPane).query_one(Static).content)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object]) -> None:
        await until(self.pilot, condition)

    async def highlight(self, name: str) -> None:
        """Put the cursor on what has that path in the first watched folder."""
        self.tree.go_to(self.screen.overview.folders[0].path / name)
        await self.pilot.pause()
        assert self.tree.node
        assert self.tree.node.path.match(name), f"there is no {name}"


def see_library(
    assistant: FakeAssistant,
    scenario: Callable[[SeenLibrary], Awaitable[None]],
    *,
    size: tuple[int, int] = (80, 24),
    num_roots: int = 1,
) -> None:
    """Run a scenario on the library screen, with a model, once its watched folders are shown."""
    app = SteepApp(assistant)

    async def on_screen(pilot: Pilot) -> None:
        app.tell(READY)
        await pilot.press("f3")
        await pilot.pause()
        seen = SeenLibrary(app, assistant, pilot)
        await seen.until(lambda: len(seen.screen.overview.folders) == num_roots)
        await scenario(seen)

    piloted(app, on_screen, size)


def put(parts: Parts, path: Path, *texts: str, num_steeped: int = 0) -> None:
    """A document of one chunk per text, in the watched folder that it lies in."""
    folder = next(folder for folder in parts.index.folders() if path.is_relative_to(folder.path))
    chunks = [ChunkText(i, i + 1, i + 1, f"Section {i}", text, 10) for i, text in enumerate(texts)]
    parts.index.put_document(folder.id, DocumentVersion(path, 12_000, 1, "digest", path.name), chunks)
    for chunk in parts.index.chunks(path)[:num_steeped]:
        token_ids = tuple(chunk.chunk.text.encode())
        parts.store.put(ChunkState(state_key(MODEL, 3, token_ids), token_ids, b"rows", 3), "chunk", [chunk.id])
