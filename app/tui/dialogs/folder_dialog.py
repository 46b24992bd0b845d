"""Asks for a folder: typed, completed, or found in a tree. The absolute path of a folder that is there, or None."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from rich.text import Text, TextType
from textual import on, work
from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Button, DirectoryTree, Input

from app.terminal import printable
from app.tui.dialogs.dialog import Complaint, Dialog, detail


class FolderDialog(Dialog[Path | None]):
    """See the module. Moving in the tree writes the path; typing the path moves the tree; Enter chooses the path."""

    DEFAULT_CSS = """
    FolderDialog {
        & > .dialog-box { height: 94%; max-height: 30; width: 90; }
        PathInput { width: 1fr; background: $surface; padding: 0 1; }
        FolderTree { height: 1fr; margin-top: 1; background: $panel; }
    }
    """

    def __init__(self, start: Path, title: str = "Choose a folder") -> None:
        super().__init__(title)
        self._start = start.absolute()

    def body(self) -> Iterable[Widget]:
        yield PathInput(_typed(self._start))
        yield Complaint()
        yield FolderTree(self._start)
        yield detail("enter chooses · tab completes · ↓ tree · backspace: one up")

    def buttons(self) -> Iterable[Button]:
        yield from super().buttons()
        yield Button("Choose", id="yes", variant="primary", compact=True)

    def on_mount(self) -> None:
        box = self.query_one(PathInput)
        box.focus()
        box.cursor_position = len(box.value)

    @on(Input.Changed)
    def _note_path(self, message: Input.Changed) -> None:
        self.query_one(Complaint).say("")
        self._follow_path(_folder_of(message.value))

    @work(exclusive=True, group="follow")
    async def _follow_path(self, folder: Path) -> None:
        """A worker: while this screen waits, keys that are bindings would come after letters that were typed later."""
        tree = self.query_one(FolderTree)
        if folder != tree.path and await asyncio.to_thread(_is_folder, folder):
            tree.path = folder

    @on(DirectoryTree.NodeHighlighted)
    def _follow_tree(self, message: DirectoryTree.NodeHighlighted) -> None:
        tree = self.query_one(FolderTree)
        if tree.has_focus and message.node.data is not None:
            self._write(message.node.data.path)

    @on(DirectoryTree.DirectorySelected)
    def _choose_in_tree(self, message: DirectoryTree.DirectorySelected) -> None:
        self._write(message.path)
        self.accept()

    def _write(self, path: Path) -> None:
        with self.prevent(Input.Changed):
            self.query_one(PathInput).value = _typed(path)

    @on(Input.Submitted)
    def _choose(self) -> None:
        self.accept()

    def accept(self) -> None:
        self._accept()

    @work(exclusive=True)
    async def _accept(self) -> None:
        path = _expanded(self.query_one(PathInput).value.strip()).absolute()
        if await asyncio.to_thread(_is_folder, path):
            self.dismiss(path)
        else:
            self.query_one(Complaint).say(f"{path} is not a folder that can be read.")


class PathInput(Input):
    """A path; Tab takes what is offered as its completion."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete", show=False),
        Binding("down", "app.focus_next", "To the tree", show=False),
    ]

    def __init__(self, value: str) -> None:
        super().__init__(value, suggester=FolderSuggester(), select_on_focus=False, compact=True, id="path")

    def action_complete(self) -> None:
        if self._suggestion and self.cursor_at_end:
            self.action_cursor_right()
        else:
            self.app.action_focus_next()


class FolderSuggester(Suggester):
    """Completes the last part of a path with the first folder of that name."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        return await asyncio.to_thread(completion, value)


class FolderTree(DirectoryTree):
    """Folders only, hidden ones left out. Enter chooses; → and ← open and close."""

    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("backspace", "up", "Up", show=False),
        Binding("right", "open", "Open", show=False),
        Binding("left", "shut", "Close", show=False),
    ]
    auto_expand = False

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        return [path for path in paths if not path.name.startswith(".") and _is_folder(path)]

    def process_label(self, label: TextType) -> Text:
        return Text(printable(str(label)).replace("\n", "\ufffd"))

    def action_up(self) -> None:
        self.path = Path(self.path).parent

    def action_open(self) -> None:
        if self.cursor_node is not None:
            self.cursor_node.expand()

    def action_shut(self) -> None:
        node = self.cursor_node
        if node is None:
            return
        if node.is_expanded or node.parent is None:
            node.collapse()
        else:
            self.move_cursor(node.parent)


def completion(value: str) -> str | None:
    """The path with its last part completed, and a separator behind it; None where no folder begins like this."""
    typed = _expanded(value)
    parent, beginning = (typed, "") if value.endswith(os.sep) or value == "~" else (typed.parent, typed.name)
    if not beginning:
        return None
    try:
        names = sorted(
            entry.name for entry in os.scandir(parent) if entry.name.startswith(beginning) and entry.is_dir()
        )
    except OSError:
        return None
    return f"{value}{names[0].removeprefix(beginning)}{os.sep}" if names else None


def _expanded(value: str) -> Path:
    """The path with the home of a user for `~`; a user that nobody knows is left as typed."""
    try:
        return Path(value or ".").expanduser()
    except RuntimeError:
        return Path(value)


def _typed(path: Path) -> str:
    """How the path of a folder is written when one may go on typing."""
    text = os.fspath(path)
    return text if text.endswith(os.sep) else text + os.sep


def _folder_of(value: str) -> Path:
    """The folder that the tree shows for what was typed so far: a part that is still being typed is left out."""
    typed = _expanded(value).absolute()
    return typed if value.endswith(os.sep) else typed.parent


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir() and os.access(path, os.R_OK | os.X_OK)
    except OSError:
        return False
