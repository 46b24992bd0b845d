"""What is being done for an answer that has not begun yet."""

from textual.content import Content
from textual.widgets import Static

from app.tui.widgets.bar import bar

_BAR_CELLS = 20


class ProgressLine(Static):
    """One line, in words, with a bar where it is known how far things are."""

    DEFAULT_CSS = """
    ProgressLine { width: 1fr; height: 1; color: $foreground-muted; }
    """

    def say(self, words: str) -> None:
        self.update(Content(f"… {words}"))

    def show_read(self, num_done: int, num_total: int) -> None:
        share = num_done / num_total if num_total else 0.0
        self.update(
            Content.assemble((bar(share, _BAR_CELLS), "$primary"), f"  reading {num_done:,} of {num_total:,} tokens")
        )
