"""One step of the first run: a number, a title, how far it is, what to know, and what to press."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Static

from app.terminal import printable


class StepState(StrEnum):
    """Told by sign and word."""

    TO_DO = "○"
    RUNNING = "◐"
    DONE = "●"


@dataclass(frozen=True, slots=True)
class Choice:
    """A button; `value` comes back when it is pressed."""

    label: str
    value: str


class Step(Vertical):
    """See the module. `show` may be called as often as something changes, even after the page was left; equal choices
    leave their buttons alone."""

    DEFAULT_CSS = """
    Step {
        height: auto;
        margin-bottom: 1;
        .step-title { text-style: bold; }
        .step-text { color: $text-muted; padding-left: 4; }
        .step-choices { height: auto; padding-left: 4; }
        Button { width: auto; max-width: 100%; background: transparent; color: $accent; }
        Button:hover { background: $panel; }
        Button:focus { background: $panel; }
    }
    """

    class Chosen(Message):
        """A button was pressed."""

        def __init__(self, step: "Step", value: str) -> None:
            super().__init__()
            self.step, self.value = step, value

        @property
        def control(self) -> "Step":
            return self.step

    def __init__(self, number: int, title: str, identifier: str) -> None:
        super().__init__(id=identifier)
        self._number, self._title = number, title
        self._choices: tuple[Choice, ...] = ()
        self._title_line = Static(self._heading(StepState.TO_DO), classes="step-title")
        self._text = Static(classes="step-text")
        self._holder = Vertical(classes="step-choices")

    def compose(self) -> ComposeResult:
        yield self._title_line
        yield self._text
        yield self._holder

    async def show(self, state: StepState, text: str, choices: Sequence[Choice] = ()) -> None:
        self._title_line.update(self._heading(state))
        self._text.update(Content(printable(text)))
        if tuple(choices) != self._choices:
            self._choices = tuple(choices)
            await self._show_choices()

    async def _show_choices(self) -> None:
        had_focus = any(button.has_focus for button in self._holder.query(Button))
        await self._holder.remove_children()
        if not self._holder.is_attached:
            return
        buttons = [Button(Content(f"▸ {printable(choice.label)}"), compact=True) for choice in self._choices]
        await self._holder.mount(*buttons)
        if had_focus and buttons:
            buttons[0].focus()

    def on_button_pressed(self, message: Button.Pressed) -> None:
        message.stop()
        number = list(self.query(Button)).index(message.button)
        self.post_message(self.Chosen(self, self._choices[number].value))

    def _heading(self, state: StepState) -> Content:
        style = {StepState.DONE: "$text-success", StepState.RUNNING: "$text-warning"}.get(state, "$foreground-muted")
        return Content.assemble((f"{state.value} ", style), f"{self._number}  {self._title}")
