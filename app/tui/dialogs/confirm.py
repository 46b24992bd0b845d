"""Asks before something is done: True only when it was confirmed."""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Button

from app.tui.dialogs.dialog import Dialog, detail


class ConfirmDialog(Dialog[bool]):
    """See the module. What is `dangerous` is not done by pressing Enter at once: the way out has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "Yes", id="dialog.yes"),
        Binding("n", "leave", "No", id="dialog.no"),
        Binding("left,right", "app.focus_next", "Other button", show=False),
    ]
    DISMISSED = False

    def __init__(self, question: str, detail: str = "", yes: str = "Yes", dangerous: bool = False) -> None:
        super().__init__(question)
        self._detail, self._yes, self._dangerous = detail, yes, dangerous

    def body(self) -> Iterable[Widget]:
        if self._detail:
            yield detail(self._detail)

    def buttons(self) -> Iterable[Button]:
        yield from super().buttons()
        yield Button(self._yes, id="yes", variant="error" if self._dangerous else "primary", compact=True)

    def on_mount(self) -> None:
        self.query_one("#cancel" if self._dangerous else "#yes").focus()

    def action_yes(self) -> None:
        self.accept()

    def accept(self) -> None:
        self.dismiss(True)
