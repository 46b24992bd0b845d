"""F1: all keys, as they are set now, and what the app's own words mean."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, cast

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Static

from app.tui.dialogs.dialog import Dialog
from app.tui.widgets.memory_bar import COMPUTED, KEPT, LOADED, RECOMPUTED, Origin

if TYPE_CHECKING:
    from app.tui.app import SteepApp

_KEY_CELLS, _ACTION_CELLS = 19, 25


def _key_line(pressed: str, description: str, identifier: str) -> Content:
    """Three columns; what does not fit into its column pushes the name to a line of its own."""
    left = pressed.ljust(_KEY_CELLS - 1) + " "
    line = left + description
    column = _KEY_CELLS + _ACTION_CELLS
    gap = "\n" + " " * column if cell_len(line) > column else " " * (column - cell_len(line))
    return Content.assemble((left, "bold"), description, gap, ("  " + identifier, "$foreground-muted"))


def _origin(origin: Origin, meaning: str) -> str:
    return f"{origin.glyph} {origin.word:<10}  {meaning}\n"


_GUIDE = (
    (
        "The memory bar below an answer",
        (
            "It tells where the model's memory of the documents came from, token by token:\n"
            + _origin(KEPT, "in this conversation's memory already: nothing to do")
            + _origin(LOADED, "read from disk, as it was steeped before")
            + _origin(RECOMPUTED, "loaded, then computed again, as the question needs it")
            + _origin(COMPUTED, "read by the model just now: no state was on disk")
            + "What is kept or loaded makes the first word of an answer come sooner; what was computed is steeped for "
            "the next time."
        ),
    ),
    (
        "How far a document is",
        (
            "found → searchable: its text is in the index, and answers may use it → steeped: what the model computed "
            "of it is on disk, and is loaded instead of computed. You can ask as soon as something is searchable."
        ),
    ),
    (
        "Keys of your own",
        'In the config file (see: steep paths), by the names above:\n[keys]\n"chat.stop" = "escape,ctrl+c"',
    ),
)


class HelpDialog(Dialog[None]):
    """See the module. `mode` is the screen that one comes from: its keys come first."""

    DEFAULT_CSS = """
    HelpDialog {
        & > .dialog-box { width: 90; height: 94%; }
        VerticalScroll { height: 1fr; }
        VerticalScroll Static { width: 1fr; height: auto; margin-bottom: 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1,q", "leave", "Close", show=False),
    ]

    def __init__(self, mode: str) -> None:
        super().__init__("Help")
        self._mode = mode

    def body(self) -> Iterable[Widget]:
        with VerticalScroll():
            for section in self._sections():
                yield Static(section)

    def buttons(self) -> Iterable[Button]:
        yield Button("Close", id="cancel", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def _sections(self) -> Iterable[Content]:
        from app.tui.keys import known_keys, shown_keys, title_of

        app, keys = cast("SteepApp", self.app), known_keys()
        areas = list(dict.fromkeys(key.area for key in keys))
        for area in sorted(areas, key=lambda area: area != self._mode):
            lines = [Content.styled(title_of(area), "bold $primary")]
            lines.extend(_key_line(shown_keys(app, key), key.description, key.id) for key in keys if key.area == area)
            yield Content("\n").join(lines)
        for title, text in _GUIDE:
            yield Content("\n").join([Content.styled(title, "bold $primary"), Content(text)])
