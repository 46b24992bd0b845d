"""What is seen before the first question of a conversation: what there is to ask about, and how."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Static

from app.terminal import printable
from app.wording import counted, stages_line

if TYPE_CHECKING:
    from app.wiring import Parts
    from storage.values import DocumentStage

_NUM_SUGGESTED = 3


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a start page shows."""

    stages: "Mapping[DocumentStage, int]"
    questions: tuple[str, ...]

    @property
    def num_documents(self) -> int:
        return sum(self.stages.values())


def read_beginning(parts: "Parts", fingerprint: str | None, suggested: tuple[str, ...] = ()) -> Beginning:
    """For the model with that fingerprint, or any. What was suggested before is suggested again: looking through
    10,000 documents for questions keeps the interpreter busy for 0.3 s, in which keys would wait."""
    from app.suggestions import suggested_questions

    stages = parts.index.stage_counts(fingerprint)
    return Beginning(stages, suggested or tuple(suggested_questions(parts, _NUM_SUGGESTED)))


class StartPage(Vertical):
    """See the module."""

    DEFAULT_CSS = """
    StartPage {
        width: 1fr;
        height: 1fr;
        padding: 1 3;
        align: center middle;
        & > Static { width: 1fr; max-width: 72; height: auto; margin-bottom: 1; }
        & > Button { width: 1fr; max-width: 72; margin-bottom: 0; text-align: left; content-align: left middle; }
        .start-title { text-style: bold; color: $primary; }
        .start-keys { color: $foreground-muted; margin-top: 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = []

    class Suggested(Message):
        """One of the questions was chosen."""

        def __init__(self, question: str) -> None:
            super().__init__()
            self.question = question

    def compose(self) -> ComposeResult:
        yield Static("Steep your documents once; pour answers at once.", classes="start-title", markup=False)
        yield Static(id="start-documents")
        yield Static(_KEYS, classes="start-keys")

    async def show(self, beginning: Beginning) -> None:
        """What there is now; nothing once the app is being closed. Questions that stay keep the focus."""
        if not self.query("#start-documents"):
            return
        documents = self.query_one("#start-documents", Static)
        documents.update(Content(_documents_line(beginning)))
        shown = self.query(_Suggestion)
        if tuple(each.question for each in shown) == beginning.questions:
            return
        # Both begin before either is awaited: meanwhile the page can be taken down.
        removed = shown.remove()
        mounted = self.mount(*map(_Suggestion, beginning.questions), after=documents)
        await removed
        await mounted

    def on_button_pressed(self, message: Button.Pressed) -> None:
        message.stop()
        if isinstance(message.button, _Suggestion):
            self.post_message(self.Suggested(message.button.question))


class _Suggestion(Button):
    def __init__(self, question: str) -> None:
        super().__init__(Content(f"› {printable(question)}"), compact=True)
        self.question = question


_KEYS = Content(
    "Enter sends, alt+enter begins a new line, ↑ brings back earlier questions.\n"
    "F3 library · F4 models · F5 conversations · F1 all keys"
)


def _documents_line(beginning: Beginning) -> str:
    if not beginning.num_documents:
        return "There are no documents yet: add a folder in the library (F3)."
    return f"{counted(beginning.num_documents, 'document')}: {stages_line(beginning.stages)}."
