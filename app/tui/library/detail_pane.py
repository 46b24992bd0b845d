"""Everything about the node under the cursor: at the right where there is room, else below the tree."""

import time

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from app.library.tree import FolderNode, Node
from app.terminal import printable
from app.tui.library.state_words import percent, state_of
from app.wording import ago, counted, size
from storage.values import DocumentStanding


class DetailPane(VerticalScroll, can_focus=False):
    """See the module."""

    DEFAULT_CSS = """
    DetailPane {
        background: $panel;
        color: $foreground;
        padding: 0 1;

        & > Static { width: 1fr; height: auto; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Static()

    def show(self, node: Node | None, *, problem: str = "", last_used_at: int | None = None) -> None:
        """`problem` completes "<path> ..."; `last_used_at` is None while it is not known."""
        self.query_one(Static).update(detail_text(node, problem, last_used_at, time.time()))


def detail_text(node: Node | None, problem: str, last_used_at: int | None, now: float) -> Content:
    """Path and reasons in full; times seen from `now`, in seconds since 1970."""
    if node is None:
        return Content.styled("Nothing is selected.", "$foreground-muted")
    lines = [Content.styled(printable(str(node.path)), "bold")]
    if isinstance(node, FolderNode):
        lines += _folder_lines(node, problem)
    else:
        lines += _document_lines(node, last_used_at, now)
    return Content("\n").join(lines)


def _folder_lines(folder: FolderNode, problem: str) -> list[Content]:
    totals = folder.totals
    lines = [_problem(problem)] if problem else []
    if not totals.num_documents:
        return [*lines, Content("No document was found in it yet.")]
    documents = counted(totals.num_documents, "document")
    lines.append(Content(f"{_state(folder)} · {documents} · {size(totals.num_bytes)}"))
    lines.append(_memory(totals.num_steeped_chunks, totals.num_chunks, totals.num_state_bytes))
    beside = []
    if totals.num_waiting:
        beside.append(f"{totals.num_waiting:,} waiting to be read")
    if totals.num_unreadable:
        beside.append(f"{totals.num_unreadable:,} unreadable (/ then ! lists them)")
    if totals.num_pinned:
        beside.append(f"{totals.num_pinned:,} pinned")
    if beside:
        lines.append(Content(" · ".join(beside)))
    return [*lines, _keys("p pins, r steeps again, d removes the watched folder")]


def _document_lines(document: DocumentStanding, last_used_at: int | None, now: float) -> list[Content]:
    pinned = " · ★ pinned" if document.is_pinned else ""
    lines = [Content(f"{_state(document)} · {size(document.num_bytes)}{pinned}")]
    if document.error is not None:
        return [*lines, _problem(document.error)]
    lines.append(_memory(document.num_steeped_chunks, document.num_chunks, document.num_state_bytes))
    if last_used_at is not None:
        used = ago(now - last_used_at) if last_used_at else "not yet"
        lines.append(Content(f"used for an answer: {used}"))
    return [*lines, _keys("enter shows its text, o opens the file, p pins, r steeps again")]


def _state(node: Node) -> str:
    """Without the blanks that make columns."""
    return " ".join(str(state_of(node)).split())


def _memory(num_steeped_chunks: int, num_chunks: int, num_state_bytes: int) -> Content:
    if not num_chunks:
        return Content.styled("no text in the index", "$foreground-muted")
    share = percent(num_steeped_chunks / num_chunks)
    on_disk = f" · {size(num_state_bytes)} on disk" if num_state_bytes else ""
    return Content(f"steeped {num_steeped_chunks:,} of {counted(num_chunks, 'chunk')} ({share}){on_disk}")


def _keys(text: str) -> Content:
    return Content.styled(text, "$foreground-muted")


def _problem(reason: str) -> Content:
    return Content.styled(printable(f"! {reason}"), "$text-error")
