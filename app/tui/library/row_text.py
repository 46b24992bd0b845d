"""One line of the library's tree as text of a given width: mark, name, and columns for state and size. Pure.

[x] ▾ notes (12)                                        ○ searchable  40 % !1   3.4 MB
cells 0-3: chosen for questions; then the depth, the arrow of a folder, its name; the columns stand at the right
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text

from app.library.selection import Mark
from app.library.tree import FolderNode, Node, Row
from app.terminal import printable
from app.tui.library.state_words import StateWords, state_of
from app.wording import size
from storage.values import DocumentStage

MARK_CELLS = 4
_INDENT_CELLS = 2
_STATE_CELLS = 24
_SIZE_CELLS = 8
_SHORTEST_NAME = 12

_PINNED = " ★"


@dataclass(frozen=True, slots=True)
class RowStyles:
    """The colours of a line."""

    stages: Mapping[DocumentStage | None, Style]
    muted: Style
    mark: Style


def header_text(width: int) -> Text:
    """What the columns are, without the cells of the mark."""
    line = Text(set_cell_size("Name", _name_width(width) - MARK_CELLS))
    line.append(set_cell_size("State", _STATE_CELLS))
    line.append(_to_right("On disk", _SIZE_CELLS))
    return line


def row_text(row: Row, width: int, styles: RowStyles, *, mark: Mark | None, busy_with: str = "") -> Text:
    """`mark` is None while nothing is chosen; `busy_with` stands in place of the state."""
    state = StateWords("…", busy_with, None) if busy_with else state_of(row.node)
    line = Text(no_wrap=True, end="")
    line.append("    " if mark is None else f"[{mark}] ", styles.mark if mark == Mark.ALL else styles.muted)
    _append_name(line, row, _name_width(width) - MARK_CELLS, styles)
    line.append(set_cell_size(str(state), _STATE_CELLS), styles.stages[state.stage])
    num_bytes = _num_state_bytes(row.node)
    line.append(_to_right(size(num_bytes) if num_bytes else "", _SIZE_CELLS), styles.muted)
    return line


def arrow_cells(row: Row, width: int) -> range:
    """Where a click opens or closes the folder."""
    start = MARK_CELLS + _indent(row, _name_width(width) - MARK_CELLS)
    return range(start, start + _INDENT_CELLS)


def shortened(text: str, width: int) -> str:
    """The text within that many cells: the middle gives way, for the beginning and the end of names tell most."""
    if cell_len(text) <= width:
        return text
    head = (width - 1) // 2
    tail = text
    while cell_len(tail) > width - 1 - head:
        tail = tail[1:]
    return set_cell_size(text, head).rstrip() + "…" + tail if width > 1 else "…"[:width]


def _append_name(line: Text, row: Row, width: int, styles: RowStyles) -> None:
    arrow = ("▾ " if row.is_open else "▸ ") if isinstance(row.node, FolderNode) else "  "
    indent = _indent(row, width)
    line.append(" " * indent + arrow, styles.muted)
    count, pinned = _count(row.node), _PINNED if _is_pinned(row.node) else ""
    room = width - indent - len(arrow) - 1
    if room - cell_len(count) < _SHORTEST_NAME:
        count = ""
    name = shortened(printable(_name(row.node)).replace("\n", "�"), room - cell_len(count) - cell_len(pinned))
    line.append(name, Style(bold=isinstance(row.node, FolderNode)))
    line.append(count, styles.muted)
    line.append(pinned, styles.mark)
    line.append(" " * (room + 1 - cell_len(name) - cell_len(count) - cell_len(pinned)))


def _name(node: Node) -> str:
    return node.name if isinstance(node, FolderNode) else node.path.name


def _count(node: Node) -> str:
    return f" ({node.totals.num_documents:,})" if isinstance(node, FolderNode) else ""


def _is_pinned(node: Node) -> bool:
    if isinstance(node, FolderNode):
        return 0 < node.totals.num_documents == node.totals.num_pinned
    return node.is_pinned


def _num_state_bytes(node: Node) -> int:
    return node.totals.num_state_bytes if isinstance(node, FolderNode) else node.num_state_bytes


def _indent(row: Row, width: int) -> int:
    """Levels stand below each other once there is no more room for names."""
    return min(_INDENT_CELLS * row.depth, max(0, width - _INDENT_CELLS - _SHORTEST_NAME - 1))


def _name_width(width: int) -> int:
    return max(MARK_CELLS + _SHORTEST_NAME, width - _STATE_CELLS - _SIZE_CELLS - 1)


def _to_right(text: str, width: int) -> str:
    return " " * max(0, width - cell_len(text)) + text
