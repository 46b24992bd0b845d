"""What is shown instead of screens that do not fit."""

from textual.app import ComposeResult
from textual.content import Content
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widgets import Static

MIN_WIDTH, MIN_HEIGHT = 60, 16
"""Cells below which no screen can be laid out; a terminal has 80 × 24 when nobody changed it."""


class TooSmall(ModalScreen[None]):
    """Lies over everything until the window is large enough; what is below keeps its state."""

    DEFAULT_CSS = """
    TooSmall {
        background: $background;
        color: $foreground;
        align: center middle;
        & > Static { width: auto; text-align: center; }
    }
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self._size_told = size

    def compose(self) -> ComposeResult:
        yield Static(_words(self._size_told))

    def show_size(self, size: Size) -> None:
        self._size_told = size
        if self.is_mounted:
            self.query_one(Static).update(_words(size))


def is_too_small(size: Size) -> bool:
    return size.width < MIN_WIDTH or size.height < MIN_HEIGHT


def _words(size: Size) -> Content:
    return Content(f"steep needs {MIN_WIDTH} × {MIN_HEIGHT} characters,\nthe window has {size.width} × {size.height}.")
