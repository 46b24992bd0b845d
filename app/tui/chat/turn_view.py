"""One turn of a conversation: question, answer, memory bar, the sources in a line, and what to know of it."""

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from app.conversations import account
from app.conversations.account import Account
from app.terminal import printable
from app.tui.chat.answer_view import AnswerView
from app.tui.chat.progress_line import ProgressLine
from app.tui.chat.source_words import share_of, shortened, title_of
from app.tui.widgets.memory_bar import MemoryBar
from app.wording import counted
from storage.values import Turn

_MOST_NAMED = 3
"""Sources that are named below an answer; all of them are in the list."""

_NAME_CELLS = 36
"""Of a source that is named there."""

_WAYS_ON = Content.from_markup("[@click=screen.retry]Try again[/] (ctrl+r)  ·  [@click=app.go('models')]Models[/] (F4)")


class TurnView(Vertical):
    """See the module; `turn` is None while the answer is being made, or where there is none."""

    DEFAULT_CSS = """
    TurnView {
        width: 1fr;
        height: auto;
        padding: 0 1 0 2;
        margin-bottom: 1;
        border-left: blank;
        &.-selected { border-left: outer $primary; }
        .turn-question { width: 1fr; height: auto; text-style: bold; color: $accent; margin-bottom: 1; }
        .turn-foot { width: 1fr; height: auto; }
        .turn-sources { width: 1fr; height: auto; color: $foreground-muted; }
        .turn-notice { width: 1fr; height: auto; color: $text-warning; }
        .turn-failure { width: 1fr; height: auto; color: $text-error; }
        .turn-ways-on { width: 1fr; height: auto; color: $foreground-muted; }
    }
    """
    ALLOW_SELECT: ClassVar[bool] = True

    class Chosen(Message):
        """The turn was clicked."""

        def __init__(self, turn_view: "TurnView") -> None:
            super().__init__()
            self.turn_view = turn_view

        @property
        def control(self) -> "TurnView":
            return self.turn_view

    def __init__(self, question: str, ordinal: int, turn: Turn | None = None) -> None:
        super().__init__()
        self.question, self.ordinal, self.turn = question, ordinal, turn
        self.account = _account_of(turn) if turn else None
        self.failure = ""
        self._answer = AnswerView(turn.answer if turn else "")
        self._progress = None if turn else ProgressLine()
        self._foot = Vertical(*self._foot_lines(), classes="turn-foot")

    def compose(self) -> ComposeResult:
        yield Static(Content(f"› {printable(self.question)}"), classes="turn-question")
        yield self._answer
        if self._progress:
            yield self._progress
        yield self._foot

    @property
    def answer(self) -> str:
        return self._answer.text

    @property
    def progress(self) -> ProgressLine | None:
        """Where it says what is being done; None once the answer has begun."""
        return self._progress

    def say(self, words: str) -> None:
        """What is being done for the answer, before it begins."""
        if self._progress:
            self._progress.say(words)

    def show_read(self, num_done: int, num_total: int) -> None:
        if self._progress:
            self._progress.show_read(num_done, num_total)

    async def add(self, piece: str) -> None:
        """More of the answer."""
        await self._end_progress()
        await self._answer.add(piece)

    async def finish(self, turn: Turn) -> None:
        """The answer is complete."""
        self.turn, self.account = turn, _account_of(turn)
        await self._end_progress()
        await self._answer.finish(turn.answer)
        await self._show_foot()

    async def fail(self, reason: str) -> None:
        """There is no answer."""
        self.failure = reason
        await self._end_progress()
        await self._show_foot()

    async def _end_progress(self) -> None:
        progress, self._progress = self._progress, None
        if progress:
            await progress.remove()

    async def _show_foot(self) -> None:
        await self._foot.remove_children()
        await self._foot.mount(*self._foot_lines())

    def _foot_lines(self) -> Iterator[Widget]:
        read = self.account
        if read:
            yield MemoryBar(read)
            if read.sources:
                yield Static(_sources_line(read), classes="turn-sources")
        for notice in _notices(read):
            yield Static(Content(f"! {printable(notice)}"), classes="turn-notice")
        if self.failure:
            yield Static(Content(f"✗ {printable(self.failure)}"), classes="turn-failure")
            yield Static(_WAYS_ON, classes="turn-ways-on")

    def on_click(self, event: Click) -> None:
        event.stop()
        self.post_message(self.Chosen(self))


def _account_of(turn: Turn) -> Account | None:
    try:
        return account.from_json(turn.account)
    except ValueError:  # written by another version: the words are there all the same
        return None


def _notices(read: Account | None) -> tuple[str, ...]:
    if read is None:
        return ()
    return (*(("Stopped.",) if read.stopped else ()), *read.notices)


def _sources_line(read: Account) -> Content:
    named = [
        f"{shortened(title_of(source), _NAME_CELLS)} {share_of(source)}".strip()
        for source in read.sources[:_MOST_NAMED]
    ]
    num_more = len(read.sources) - len(named)
    more = [f"{num_more} more"] if num_more else []
    return Content(f"{counted(len(read.sources), 'source')}: {' · '.join((*named, *more))}")
