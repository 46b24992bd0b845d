"""Asks for one line of text: the text, or None when it was left."""

from collections.abc import Callable, Iterable

from textual.widget import Widget
from textual.widgets import Button, Input

from app.tui.dialogs.dialog import Complaint, Dialog

Check = Callable[[str], str | None]
"""Takes what was typed; returns what is wrong with it, or None."""


class TextDialog(Dialog[str | None]):
    """See the module. The text comes without blanks around it, and has passed the check."""

    DEFAULT_CSS = """
    TextDialog Input { width: 1fr; background: $surface; padding: 0 1; }
    """

    def __init__(
        self, title: str, value: str = "", placeholder: str = "", check: Check = lambda _: None, yes: str = "OK"
    ) -> None:
        super().__init__(title)
        self._value, self._placeholder, self._check, self._yes = value, placeholder, check, yes

    def body(self) -> Iterable[Widget]:
        yield Input(self._value, placeholder=self._placeholder, compact=True)
        yield Complaint()

    def buttons(self) -> Iterable[Button]:
        yield from super().buttons()
        yield Button(self._yes, id="yes", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_changed(self) -> None:
        self.query_one(Complaint).say("")

    def on_input_submitted(self) -> None:
        self.accept()

    def accept(self) -> None:
        text = self.query_one(Input).value.strip()
        if complaint := self._check(text):
            self.query_one(Complaint).say(complaint)
        else:
            self.dismiss(text)
