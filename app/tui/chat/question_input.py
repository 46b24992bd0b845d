"""Where questions are typed: grows with its lines, Enter sends, arrows at its edges walk through earlier questions.

A pause in the typing is told, so that what the question will need can be looked for meanwhile.
"""

from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.timer import Timer
from textual.widgets import TextArea

from app.tui.chat.question_history import QuestionHistory

_PLACEHOLDER = "Ask your documents"

_PAUSE_SECONDS = 0.3
"""Longer than between two keys of who types steadily; the rest of a question takes seconds more."""


class QuestionInput(TextArea):
    """See the module."""

    DEFAULT_CSS = """
    QuestionInput {
        width: 1fr;
        height: auto;
        min-height: 1;
        max-height: 10;
        padding: 0 1;
        background: $surface;
        border: round $border-blurred;
        &:focus { border: round $primary; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "Send", show=False, priority=True, id="chat.send"),
        Binding("shift+enter,ctrl+j,alt+enter", "newline", "New line", show=False, priority=True, id="chat.newline"),
    ]

    class Sent(Message):
        """A question is to be asked; the input keeps it until it is taken."""

        def __init__(self, control: "QuestionInput", text: str) -> None:
            super().__init__()
            self.question_input, self.text = control, text

        @property
        def control(self) -> "QuestionInput":
            return self.question_input

    class HistoryWanted(Message):
        """The first step back; earlier questions may be asked for now."""

    class Paused(Message):
        """The text was changed, and has not been for a moment."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__(
            soft_wrap=True,
            placeholder=_PLACEHOLDER,
            highlight_cursor_line=False,
            show_line_numbers=False,
            id="question",
        )
        self.history_of_questions = QuestionHistory()
        self._has_asked_for_history = False
        self._pause: Timer | None = None

    def take(self) -> str:
        """The question is asked: the input is empty again."""
        text = self.text
        self.history_of_questions.add(text.strip())
        self.clear()
        return text

    def show(self, text: str) -> None:
        """Put a question into the input, the cursor behind it."""
        self.text = text
        self.move_cursor(self.document.end)

    @on(TextArea.Changed)
    def _wait_for_pause(self) -> None:
        if self._pause:
            self._pause.stop()
        self._pause = self.set_timer(_PAUSE_SECONDS, self._tell_pause)

    def _tell_pause(self) -> None:
        self.post_message(self.Paused(self.text.strip()))

    def action_send(self) -> None:
        if self.text.strip():
            self.post_message(self.Sent(self, self.text.strip()))

    def action_newline(self) -> None:
        self.insert("\n")

    def action_cursor_up(self, select: bool = False) -> None:
        if select or not self.navigator.is_first_wrapped_line(self.cursor_location):
            super().action_cursor_up(select)
            return
        if not self._has_asked_for_history:
            self._has_asked_for_history = True
            self.post_message(self.HistoryWanted())
        self._show_step(self.history_of_questions.back(self.text))

    def action_cursor_down(self, select: bool = False) -> None:
        if select or not self.navigator.is_last_wrapped_line(self.cursor_location):
            super().action_cursor_down(select)
            return
        self._show_step(self.history_of_questions.forward())

    def _show_step(self, text: str | None) -> None:
        if text is not None:
            self.show(text)
