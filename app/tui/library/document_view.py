"""What the index has of one document: its text, as answers are made from it, with pages and headings.

A dialog: True when the file itself is to be opened.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Static, TextArea

from app.terminal import printable
from app.wording import counted
from storage.values import StoredChunk

_MOST_CHUNKS = 200
"""That is a book of 300 pages; wrapping more of it makes the screen wait for longer than 0.2 s."""


class DocumentView(ModalScreen[bool]):
    """See the module. Shows the beginning of very long documents."""

    DEFAULT_CSS = """
    DocumentView {
        & > .document-path {
            dock: top;
            height: auto;
            padding: 0 1;
            background: $panel;
            text-style: bold;
        }
        & > TextArea { padding: 0 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "Back", id="library.leave_document"),
        Binding("o", "open", "Open the file", id="library.open_document"),
    ]

    def __init__(self, path: Path, chunks: Sequence[StoredChunk]) -> None:
        super().__init__()
        self._path, self._chunks = path, chunks

    def compose(self) -> ComposeResult:
        yield Static(Content(printable(str(self._path))), classes="document-path")
        yield TextArea(document_text(self._chunks), read_only=True, show_cursor=False, compact=True)
        yield Footer(show_command_palette=False)

    def action_leave(self) -> None:
        self.dismiss(False)

    def action_open(self) -> None:
        self.dismiss(True)


def document_text(chunks: Sequence[StoredChunk]) -> str:
    """The chunks in their order; a line above those where a page or a section begins."""
    parts: list[str] = []
    place: tuple[int | None, str | None] = (None, None)
    for stored in chunks[:_MOST_CHUNKS]:
        chunk = stored.chunk
        if (chunk.page, chunk.heading) != place:
            place = (chunk.page, chunk.heading)
            parts.append(_place_line(*place))
        parts.append(chunk.text)
    if (num_left := len(chunks) - _MOST_CHUNKS) > 0:
        parts.append(f"[{counted(num_left, 'more chunk')}: open the file itself]")
    return printable("\n\n".join(part for part in parts if part)) or "There is no text in this document."


def _place_line(page: int | None, heading: str | None) -> str:
    pieces = [f"page {page}"] if page is not None else []
    pieces += [heading] if heading else []
    return f"── {' · '.join(pieces)} ──" if pieces else ""
