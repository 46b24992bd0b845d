"""The library: which documents there are, how far they are, what they take of the disk, and what can be done to them.

Everything shown is one `Overview`, read again when something tells that it changed: at most once a second, less often
where reading it takes long, and not at all while another screen is in front. What questions are restricted to is the
app's `scope`; the tree's marks follow it and set it.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Footer, Input, Static

from app.assistant.events import LibraryChanged, ModelReady, UpkeepTold
from app.errors import AppError, message_of
from app.library.actions import forget_folder, pin, steep_again, watch_folder
from app.library.background import Background
from app.library.overview import Overview, narrowed, read_overview
from app.library.selection import Selection
from app.library.tree import FolderNode, Node, documents_below
from app.tui.dialogs.confirm import ConfirmDialog
from app.tui.dialogs.folder_dialog import FolderDialog
from app.tui.library.detail_pane import DetailPane
from app.tui.library.document_view import DocumentView
from app.tui.library.filter_input import FilterInput
from app.tui.library.library_tree import LibraryTree
from app.tui.library.row_text import header_text
from app.tui.library.summary import Summary, Surroundings
from app.tui.messages import AssistantTold
from app.tui.opening import open_document
from app.tui.widgets.notice import Notice
from app.tui.widgets.title_bar import TitleBar
from app.wording import counted, size
from storage.errors import StorageError

if TYPE_CHECKING:
    from app.tui.app import SteepApp
    from app.wiring import Parts

T = TypeVar("T")

_SHORTEST_PAUSE_SECONDS = 1.0
_PAUSES_PER_READING = 10
"""Reading the overview may take a tenth of one thread's time."""


class ColumnHeader(Static):
    """What the tree's columns are."""

    DEFAULT_CSS = """
    ColumnHeader { height: 1; padding-left: 4; color: $text-muted; background: $panel; }
    """

    def on_resize(self) -> None:
        self.update(header_text(self.size.width - 1))  # the last column is the tree's scrollbar


class LibraryScreen(Screen[None]):
    """See the module."""

    CSS_PATH = "library.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - an instance variable of Textual's
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add_folder", "Add", tooltip="Watch another folder", id="library.add"),
        Binding("d", "remove_folder", "Remove", tooltip="Stop watching the folder and purge it", id="library.remove"),
        Binding("space", "choose", "Choose", tooltip="Restrict questions to it, or no longer", id="library.choose"),
        Binding("c", "ask_these", "Ask", tooltip="Ask questions about what is chosen", id="library.ask"),
        Binding("x", "clear_choice", "Clear", show=False, tooltip="Ask all documents again", id="library.clear"),
        Binding("slash", "filter", "Filter", tooltip="Only documents with words in their path", id="library.filter"),
        Binding("p", "pin", "Pin", show=False, tooltip="Steep it before the others, or no longer", id="library.pin"),
        Binding(
            "r", "steep_again", "Steep again", show=False, tooltip="Compute its states anew", id="library.steep_again"
        ),
        Binding("o", "open_file", "Open", show=False, tooltip="Open the file in its own program", id="library.open"),
        Binding("escape", "dismiss_notice", "Dismiss", show=False, id="library.dismiss"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.overview = Overview()
        """What is shown; frozen, so it may be looked at."""
        self._background = Background()
        self._is_stale = True
        self._is_reading = False
        self._pause_seconds = _SHORTEST_PAUSE_SECONDS
        self._timer: Timer | None = None
        self._selection = Selection()

    @property
    def steep(self) -> "SteepApp":
        return cast("SteepApp", self.app)

    def compose(self) -> ComposeResult:
        yield TitleBar("Library")
        yield Summary()
        yield Notice()
        yield FilterInput()
        with Container(id="library-body"):
            with Vertical(id="library-list"):
                yield ColumnHeader()
                yield LibraryTree()
            yield DetailPane()
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        for name in ("model", "watches_here"):
            self.watch(self.app, name, self._show_summary, init=False)
        self.watch(self.app, "scope", self._show_scope)
        self.query_one(LibraryTree).focus()

    # --- what is shown

    def on_screen_resume(self) -> None:
        if self._is_stale:
            self._read_again()

    def on_assistant_told(self, message: AssistantTold) -> None:
        match message.event:
            case LibraryChanged() | ModelReady():
                self._look_soon()
            case UpkeepTold(event):
                if self._background.note(event):
                    self._look_soon()
                self._show_summary()
            case _:
                pass

    def on_resize(self) -> None:
        self._show_summary()

    def _look_soon(self) -> None:
        """Read the overview again after a pause, unless nobody looks."""
        self._is_stale = True
        if self.is_current and self._timer is None:
            self._timer = self.set_timer(self._pause_seconds, self._read_again)

    @work(group="library.read")
    async def _read_again(self) -> None:
        self._timer = None
        if self._is_reading:
            return  # whoever reads looks whether to do it again
        self._is_reading = True
        try:
            await self._read()
        except StorageError as error:
            self._complain(error)
        finally:
            self._is_reading = False
        if self._is_stale:
            self._look_soon()

    async def _read(self) -> None:
        self._is_stale = False
        started = time.monotonic()
        model = self.steep.model
        fingerprints = model.fingerprints if isinstance(model, ModelReady) else ()
        self.overview = await self.steep.look(partial(read_overview, fingerprints=fingerprints))
        self._pause_seconds = max(_SHORTEST_PAUSE_SECONDS, _PAUSES_PER_READING * (time.monotonic() - started))
        self._show_tree()
        self._show_summary()

    def _show_tree(self) -> None:
        text = self.query_one(FilterInput).value
        self.query_one(LibraryTree).show(narrowed(self.overview, text), all_open=self._is_narrowed)

    @property
    def _is_narrowed(self) -> bool:
        """Whether a filter hides documents: folders then stand for those of them that are shown."""
        return bool(self.query_one(FilterInput).value.strip())

    def _show_summary(self) -> None:
        around = Surroundings(self.steep.model, self.steep.watches_here, self._selection)
        self.query_one(Summary).show(self.overview, self._background, around)

    def _show_scope(self) -> None:
        self._selection = Selection(self.steep.scope)
        self.query_one(LibraryTree).selection = self._selection
        self._show_summary()

    @on(LibraryTree.Highlighted)
    def _show_detail(self, message: LibraryTree.Highlighted) -> None:
        node = message.node
        self.query_one(DetailPane).show(node, problem=self._background.problem_at(node.path) if node else "")
        if node and not isinstance(node, FolderNode):
            self._show_last_use(node)

    @work(exclusive=True, group="library.detail")
    async def _show_last_use(self, node: Node) -> None:
        try:
            document = await self.steep.look(lambda parts: parts.index.document(node.path))
        except StorageError as error:
            self._complain(error)
            return
        if document and node is self.query_one(LibraryTree).node:
            self.query_one(DetailPane).show(node, last_used_at=document.last_used_at)

    def _say(self, text: str) -> None:
        self.query_one(Notice).say(text)

    def _complain(self, error: Exception) -> None:
        self.query_one(Notice).say(message_of(error), is_error=True)

    def action_dismiss_notice(self) -> None:
        self.query_one(Notice).clear()

    async def _done(self, work: "Callable[[Parts], T]") -> T | None:
        """Do something to the library and show what became of it; None when it could not be done, which is said."""
        self._say("")
        try:
            result = await self.steep.look(work)
            await self._read()
        except (StorageError, AppError, OSError) as error:
            self._complain(error)
            return None
        return result

    # --- folders

    @work(group="library.folders")
    async def action_add_folder(self) -> None:
        path = await self.app.push_screen_wait(FolderDialog(Path.home(), "Watch a folder"))
        if path and (folder := await self._done(partial(watch_folder, folder=path))):
            self.query_one(LibraryTree).go_to(folder.path)
            self._say(f"Watching {folder.path}: its documents are found and read now.")

    @work(group="library.folders")
    async def action_remove_folder(self) -> None:
        folder = self._watched_folder()
        if folder and await self.app.push_screen_wait(_removal_dialog(folder)):
            self._be_busy(folder.path, "is being removed")
            num_purged = await self._done(partial(forget_folder, folder=folder.path))
            self._be_busy(folder.path, "")
            if num_purged is not None:
                self.steep.scope = self._selection.without_folder(folder.path).as_scope()
                self._say(f"No longer watching {folder.path}; {counted(num_purged, 'state')} purged.")

    def _watched_folder(self) -> FolderNode | None:
        """The one that the node under the cursor lies in."""
        node = self.query_one(LibraryTree).node
        roots = self.overview.roots
        return next((root for root in roots if node and node.path.is_relative_to(root.path)), None)

    def _be_busy(self, path: Path, words: str) -> None:
        tree = self.query_one(LibraryTree)
        tree.busy = {**tree.busy, path: words}
        tree.refresh()
        if words:
            self.query_one(Notice).say(f"{path} {words} …", stays=True)

    # --- documents

    @work(group="library.documents")
    async def action_pin(self) -> None:
        """Pin what is not pinned yet; if all is, unpin."""
        node = self.query_one(LibraryTree).node
        documents = list(documents_below(node)) if node else []
        if not documents:
            return
        pinned = not all(document.is_pinned for document in documents)
        paths = [document.path for document in documents]
        await self._done(partial(pin, documents=paths, pinned=pinned))

    @work(group="library.documents")
    async def action_steep_again(self) -> None:
        node = self.query_one(LibraryTree).node
        steeped = [document for document in documents_below(node) if document.num_steeped_chunks] if node else []
        model = self.steep.model
        if not isinstance(model, ModelReady):
            self._say("There is no model that could steep: F4 chooses one.")
            return
        if not node or not steeped:
            self._say("Nothing is steeped there yet.")
            return
        if isinstance(node, FolderNode) and not await self.app.push_screen_wait(_steeping_dialog(node)):
            return
        paths = [document.path for document in steeped]
        num_dropped = await self._done(partial(steep_again, documents=paths, fingerprints=model.fingerprints))
        if num_dropped is not None:
            self._say(f"{counted(num_dropped, 'state')} dropped; they are computed anew when their turn comes.")

    @on(LibraryTree.Opened)
    def _open_document(self, message: LibraryTree.Opened) -> None:
        self._view(message.node.path)

    @work(group="library.view")
    async def _view(self, path: Path) -> None:
        try:
            chunks = await self.steep.look(lambda parts: parts.index.chunks(path))
        except StorageError as error:
            self._complain(error)
            return
        if await self.app.push_screen_wait(DocumentView(path, chunks)):
            self._open_outside(path)

    def action_open_file(self) -> None:
        if node := self.query_one(LibraryTree).node:
            self._open_outside(node.path)

    def _open_outside(self, path: Path) -> None:
        complaint = open_document(self.app, path)
        self.query_one(Notice).say(complaint, is_error=bool(complaint))

    # --- what questions are restricted to

    def action_choose(self) -> None:
        tree = self.query_one(LibraryTree)
        if tree.node and self._choose(tree.node):
            tree.action_move(1)

    @on(LibraryTree.Marked)
    def _choose_by_mouse(self, message: LibraryTree.Marked) -> None:
        self._choose(message.node)

    def _choose(self, node: Node) -> bool:
        """Whether there is something to choose."""
        if not any(document.num_chunks for document in documents_below(node)):
            self._say(f"There is no text to answer from in {node.path}.")
            return False
        roots = self.overview.roots
        if self._is_narrowed and isinstance(node, FolderNode):
            chosen = self._selection.toggled_documents(node, roots)
        else:
            chosen = self._selection.toggled(node, roots)
        self.steep.scope = chosen.as_scope()
        self._say("")
        return True

    def action_ask_these(self) -> None:
        """Of what is chosen; if nothing is, of what the cursor is on."""
        node = self.query_one(LibraryTree).node
        if self._selection or (node and self._choose(node)):
            self.app.switch_mode("chat")

    def action_clear_choice(self) -> None:
        self.steep.scope = ()

    # --- the filter

    def action_filter(self) -> None:
        self.query_one(FilterInput).begin()

    @on(Input.Changed)
    def _filter(self) -> None:
        self._show_tree()

    @on(FilterInput.Kept)
    def _leave_filter(self) -> None:
        self.query_one(LibraryTree).focus()

    @on(FilterInput.Ended)
    def _end_filter(self) -> None:
        self.query_one(FilterInput).end()
        self._show_tree()
        self.query_one(LibraryTree).focus()


def _removal_dialog(folder: FolderNode) -> ConfirmDialog:
    totals = folder.totals
    detail = (
        f"{folder.path}\n\nThe text of {counted(totals.num_documents, 'document')} leaves the index, and their states "
        f"leave the disk ({size(totals.num_state_bytes)} for this model), with what conversations remember of them. "
        "The files themselves stay as they are."
    )
    return ConfirmDialog("Stop watching this folder?", detail, yes="Remove", dangerous=True)


def _steeping_dialog(folder: FolderNode) -> ConfirmDialog:
    totals = folder.totals
    detail = f"{folder.path}\n\n{counted(totals.num_steeped_chunks, 'chunk')} of it are computed anew."
    return ConfirmDialog("Steep the whole folder again?", detail, yes="Steep again")
