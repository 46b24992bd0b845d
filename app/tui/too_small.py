"""What is shown instead of screens that do not fit."""

from textual.app import ComposeResult
from textual.content import Content
from textual.events import Resize
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widgets import Static

MIN_WIDTH, MIN_HEIGHT = 60, 16
"""Cells below which no screen can be laid out; a terminal has 80 × 24 when nobody changed it."""


class TooSmall(ModalScreen[None]):
    """Lies over everything until the window is large enough; what is below keeps its state.

    It goes by itself, at the latest when what was opened above it has gone.
    """

    DEFAULT_CSS = """
    TooSmall {
        background: $background;
        color: $foreground;
        align: center middle;
        & > Static { width: auto; text-align: center; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Static(_words(self.app.size))

    def on_resize(self, event: Resize) -> None:
        self._look_at(event.size)

    def on_screen_resume(self) -> None:
        self._look_at(self.app.size)

    def _look_at(self, size: Size) -> None:
        if is_too_small(size):
            self.query_one(Static).update(_words(size))
        elif self.app.screen is self:
            self.dismiss()


def is_too_small(size: Size) -> bool:
    return size.width < MIN_WIDTH or size.height < MIN_HEIGHT


def _words(size: Size) -> Content:
    return Content(f"steep needs {MIN_WIDTH} × {MIN_HEIGHT} characters,\nthe window has {size.width} × {size.height}.")
