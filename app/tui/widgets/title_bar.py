"""The first line of every screen: where one is, which conversation is open, the model, and what goes on behind."""

from typing import TYPE_CHECKING, cast

from textual.app import RenderResult
from textual.content import Content
from textual.widget import Widget

from app.assistant.events import ModelFailed, ModelLoading, ModelReady
from app.terminal import printable

if TYPE_CHECKING:
    from app.tui.app import SteepApp

_GAP = 2
_SHORTEST_TITLE = 8
"""Cells of a conversation's title that are worth showing."""


class TitleBar(Widget):
    """Follows `model`, `conversation_title` and `activity` of the app."""

    DEFAULT_CSS = """
    TitleBar {
        dock: top;
        width: 100%;
        height: 1;
        padding: 0 1;
        background: $panel;
        color: $foreground;
    }
    """

    def __init__(self, place: str) -> None:
        super().__init__()
        self._place = place

    def on_mount(self) -> None:
        for name in ("model", "conversation_title", "activity"):
            self.watch(self.app, name, self._show_anew, init=False)

    def _show_anew(self) -> None:
        self.refresh()

    def render(self) -> RenderResult:
        app = cast("SteepApp", self.app)
        return title_line(self.size.width, self._place, app.conversation_title, app.model, app.activity)


def title_line(
    width: int, place: str, title: str, model: ModelLoading | ModelReady | ModelFailed, activity: str
) -> Content:
    """One line of that many cells: the title of the conversation gives way first, then the activity, then the model."""
    left = Content.assemble(("steep", "bold $primary"), " · ", (place, "bold"))
    right = [model_state(model)]
    if activity:
        right.insert(0, Content.styled(printable(activity), "$foreground-muted"))
    while right and left.cell_length + sum(part.cell_length + _GAP for part in right) > width:
        right.pop(0)
    tail = Content("  ").join(right)
    room = width - left.cell_length - tail.cell_length - 2 * _GAP
    if title and room >= _SHORTEST_TITLE:
        shown = Content(" ".join(printable(title).split())).truncate(room - 1, ellipsis=True)
        left = Content.assemble(left, " · ", shown)
    return Content.assemble(left, " " * max(0, width - left.cell_length - tail.cell_length), tail)


def model_state(model: ModelLoading | ModelReady | ModelFailed) -> Content:
    """A dot and words: no state is told by its colour alone."""
    name = printable(model.name)
    match model:
        case ModelReady():
            return Content.assemble(("● ", "$text-success"), name)
        case ModelLoading(fraction=None):
            return Content.assemble(("◐ ", "$text-warning"), f"loading {name}" if name else "loading the model")
        case ModelLoading(fraction=fraction):
            return Content.assemble(("◐ ", "$text-warning"), f"preparing {name} {fraction:.0%}")
        case ModelFailed():
            return Content.assemble(("○ ", "$text-error"), f"{name} failed" if name else "no model")
