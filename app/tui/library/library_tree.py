"""The folders and documents as a tree on the screen: thousands of lines, of which only those in view are drawn.

Not Textual's own tree, which keeps a node per line: here a refresh is a new list of rows, and cursor, open folders and
scroll position stay because they are kept by path. The screen gives it nodes with `show`; it posts what the user does.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from app.library.selection import Selection
from app.library.tree import FolderNode, Node, Row, rows_of
from app.tui.library.row_text import MARK_CELLS, RowStyles, arrow_cells, row_text
from storage.values import DocumentStage

_STYLED_STAGES = (*DocumentStage, None)


class LibraryTree(ScrollView, can_focus=True):
    """See the module."""

    DEFAULT_CSS = """
    LibraryTree {
        background: $surface;
        color: $foreground;
        overflow-x: hidden;
        overflow-y: scroll;
        scrollbar-size-vertical: 1;

        & > .library-tree--cursor {
            background: $block-cursor-blurred-background;
            text-style: $block-cursor-blurred-text-style;
        }
        &:focus > .library-tree--cursor {
            color: $block-cursor-foreground;
            background: $block-cursor-background;
            text-style: $block-cursor-text-style;
        }
        & > .library-tree--muted { color: $text-muted; }
        & > .library-tree--mark { color: $text-accent; text-style: bold; }
        & > .library-tree--found { color: $text-muted; }
        & > .library-tree--searchable { color: $text-warning; }
        & > .library-tree--steeped { color: $text-success; }
        & > .library-tree--unreadable { color: $text-error; text-style: bold; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "library-tree--cursor",
        "library-tree--muted",
        "library-tree--mark",
        *(f"library-tree--{stage}" for stage in DocumentStage),
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "first", "First", show=False),
        Binding("end", "last", "Last", show=False),
        Binding("enter", "activate", "Open", show=False, id="library.activate"),
        Binding("right", "unfold", "Open the folder", show=False, id="library.unfold"),
        Binding("left", "fold", "Close the folder, or go to the one around", show=False, id="library.fold"),
    ]

    cursor: reactive[int] = reactive(0)
    selection: reactive[Selection] = reactive(Selection, always_update=True)
    """What questions are restricted to."""

    class Highlighted(Message):
        """The cursor is on another node, or the node became another; None: there is none."""

        def __init__(self, node: Node | None) -> None:
            super().__init__()
            self.node = node

    class Opened(Message):
        """A document is to be shown."""

        def __init__(self, node: Node) -> None:
            super().__init__()
            self.node = node

    class Marked(Message):
        """The mark of a node was clicked."""

        def __init__(self, node: Node) -> None:
            super().__init__()
            self.node = node

    def __init__(self) -> None:
        super().__init__()
        self.busy: dict[Path, str] = {}
        """What is being done to a folder, in place of its state."""
        self._roots: Sequence[FolderNode] = ()
        self._open: set[Path] = set()
        self._known_roots: set[Path] = set()
        self._all_open = False
        self._rows: list[Row] = []

    @property
    def node(self) -> Node | None:
        """The node under the cursor."""
        return self._rows[self.cursor].node if self._rows else None

    def show(self, roots: Sequence[FolderNode], *, all_open: bool = False) -> None:
        """Other nodes, or the same as they are now. A watched folder that is new is open."""
        new = {root.path for root in roots} - self._known_roots
        self._known_roots |= new
        self._open |= new
        self._roots, self._all_open = roots, all_open
        self._rebuild()

    def go_to(self, path: Path) -> None:
        """Put the cursor on a node, opening the folders around it."""
        self._open.update(path.parents)
        self._rebuild()
        self.cursor = next((line for line, row in enumerate(self._rows) if row.node.path == path), self.cursor)

    def _rebuild(self) -> None:
        """Make the rows anew; the node under the cursor stays there, in the line of the screen where it was."""
        before, offset = self.node, self.cursor - self.scroll_offset.y
        self._rows = rows_of(self._roots, None if self._all_open else self._open)
        self.virtual_size = Size(1, len(self._rows))
        line = next((line for line, row in enumerate(self._rows) if before and row.node.path == before.path), None)
        if line is not None and line != self.cursor:
            self.set_reactive(LibraryTree.cursor, line)
            self.scroll_to(y=max(0, line - offset), animate=False, immediate=True)
        self.set_reactive(LibraryTree.cursor, self.validate_cursor(self.cursor))
        self.refresh()
        self.post_message(self.Highlighted(self.node))

    # --- drawing

    def render_line(self, y: int) -> Strip:
        line, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        if line >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        row = self._rows[line]
        mark = self.selection.mark(row.node.path) if self.selection else None
        busy_with = self.busy.get(row.node.path, "")
        text = row_text(row, width, self._row_styles(), mark=mark, busy_with=busy_with)
        text.stylize_before(self.rich_style)
        if line == self.cursor:
            text.stylize(self.get_component_rich_style("library-tree--cursor"))
        return Strip(text.render(self.app.console)).adjust_cell_length(width, self.rich_style)

    def _row_styles(self) -> RowStyles:
        stages = {stage: self._part(str(stage) if stage else "muted") for stage in _STYLED_STAGES}
        return RowStyles(stages, self._part("muted"), self._part("mark"))

    def _part(self, name: str) -> Style:
        return self.get_component_rich_style(f"library-tree--{name}")

    def watch_selection(self) -> None:
        self.refresh()

    def on_resize(self, _: Resize) -> None:
        self._scroll_to_cursor()

    # --- moving

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self._rows) - 1))

    def watch_cursor(self) -> None:
        self._scroll_to_cursor()
        self.refresh()
        self.post_message(self.Highlighted(self.node))

    def _scroll_to_cursor(self) -> None:
        line = Region(0, self.cursor, self.scrollable_content_region.width, 1)
        self.scroll_to_region(line, animate=False, force=True, immediate=True)

    def action_move(self, num_rows: int) -> None:
        self.cursor += num_rows

    def action_page(self, num_pages: int) -> None:
        self.cursor += num_pages * max(1, self.scrollable_content_region.height - 1)

    def action_first(self) -> None:
        self.cursor = 0

    def action_last(self) -> None:
        self.cursor = len(self._rows) - 1

    # --- opening

    def action_activate(self) -> None:
        """Open or close the folder; ask for the document to be shown."""
        node = self.node
        if isinstance(node, FolderNode):
            self._set_open(node, not self._rows[self.cursor].is_open)
        elif node:
            self.post_message(self.Opened(node))

    def action_unfold(self) -> None:
        if not isinstance(self.node, FolderNode):
            return
        if self._rows[self.cursor].is_open:
            self.cursor += 1
        else:
            self._set_open(self.node, True)

    def action_fold(self) -> None:
        if isinstance(self.node, FolderNode) and self._rows[self.cursor].is_open and not self._all_open:
            self._set_open(self.node, False)
            return
        depth = self._rows[self.cursor].depth if self._rows else 0
        lines_above = range(self.cursor, -1, -1)
        self.cursor = next((line for line in lines_above if self._rows and self._rows[line].depth < depth), self.cursor)

    def _set_open(self, folder: FolderNode, is_open: bool) -> None:
        if self._all_open:
            return  # a filter shows all that it found
        if is_open:
            self._open.add(folder.path)
        else:
            self._open.discard(folder.path)
        self._rebuild()

    # --- the mouse

    def on_click(self, event: Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or (line := offset.y + self.scroll_offset.y) >= len(self._rows):
            return
        event.stop()
        row = self._rows[line]
        self.cursor = line
        if offset.x < MARK_CELLS:
            self.post_message(self.Marked(row.node))
        elif event.chain == 2 or offset.x in arrow_cells(row, self.scrollable_content_region.width):
            self.action_activate()
