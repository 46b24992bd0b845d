"""What all dialogs look like: a box over the dimmed screen, with a title, a body, and buttons in the last line.

A dialog is a function with a typed result: `await app.push_screen_wait(dialog)` in a worker, or `push_screen` with a
callback. Escape leaves it with `DISMISSED`, which each dialog sets to what means "no".
"""

from collections.abc import Iterable
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Static

from app.terminal import printable

Result = TypeVar("Result")


class Dialog(ModalScreen[Result], Generic[Result]):
    """See the module. Subclasses yield what is between title and buttons in `body`, and their buttons in `buttons`."""

    DEFAULT_CSS = """
    Dialog {
        align: center middle;

        & > .dialog-box {
            width: 72;
            max-width: 94%;
            height: auto;
            max-height: 94%;
            padding: 1 2;
            background: $panel;
            border: round $primary;
            border-title-color: $text;
            border-title-style: bold;
        }
        .dialog-detail {
            width: 1fr;
            height: auto;
            color: $text-muted;
        }
        .dialog-complaint {
            width: 1fr;
            height: auto;
            color: $text-error;
        }
        .dialog-buttons {
            width: 1fr;
            height: 1;
            margin-top: 1;
            align-horizontal: right;
        }
        .dialog-buttons Button {
            margin-left: 2;
        }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Cancel", id="dialog.cancel")]
    DISMISSED: ClassVar[object] = None

    def __init__(self, title: str) -> None:
        super().__init__()
        self.dialog_title = title

    def compose(self) -> ComposeResult:
        box = Vertical(classes="dialog-box")
        box.border_title = Content(printable(self.dialog_title))
        with box:
            yield from self.body()
            with Horizontal(classes="dialog-buttons"):
                yield from self.buttons()

    def body(self) -> Iterable[Widget]:
        raise NotImplementedError

    def buttons(self) -> Iterable[Button]:
        """What ends the dialog, the harmless way out first."""
        yield Button("Cancel", id="cancel", compact=True)

    def action_leave(self) -> None:
        self.dismiss(self.DISMISSED)  # pyright: ignore[reportArgumentType] - each dialog's value for "no"

    def on_button_pressed(self, message: Button.Pressed) -> None:
        message.stop()
        if message.button.id == "cancel":
            self.action_leave()
        else:
            self.accept()

    def accept(self) -> None:
        """The other button was pressed."""
        raise NotImplementedError


def detail(text: str) -> Static:
    """An explanation, as text: never markup."""
    return Static(Content(printable(text)), classes="dialog-detail")


class Complaint(Static):
    """What is wrong with the input; nothing at first."""

    def __init__(self) -> None:
        super().__init__(classes="dialog-complaint")
        self.display = False

    def say(self, text: str) -> None:
        self.update(Content(printable(text)))
        self.display = bool(text)
