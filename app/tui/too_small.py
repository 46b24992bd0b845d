"""What is shown instead of screens that do not fit."""

from textual.app import RenderResult
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.screen import ModalScreen

MIN_WIDTH, MIN_HEIGHT = 60, 16
"""Cells below which no screen can be laid out; a terminal has 80 × 24 when nobody changed it."""


class TooSmall(ModalScreen[None]):
    """Lies over everything until the window is large enough; what is below keeps its state."""

    DEFAULT_CSS = """
    TooSmall {
        background: $background;
        color: $foreground;
        content-align: center middle;
        text-align: center;
    }
    """
    shown: reactive[Size] = reactive(Size(0, 0))

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.set_reactive(TooSmall.shown, size)

    def show_size(self, size: Size) -> None:
        self.shown = size

    def render(self) -> RenderResult:
        width, height = self.shown
        return Content(f"steep needs {MIN_WIDTH} × {MIN_HEIGHT} characters,\nthe window has {width} × {height}.")


def is_too_small(size: Size) -> bool:
    return size.width < MIN_WIDTH or size.height < MIN_HEIGHT
