"""An answer as it comes and when it is there: Markdown, without flicker; its links do nothing by themselves."""

from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.widgets import Markdown
from textual.widgets.markdown import MarkdownStream

from app.terminal import printable

_WEB = ("http://", "https://")


class AnswerView(Markdown):
    """See the module. Pieces that come faster than they can be shown are shown together."""

    DEFAULT_CSS = """
    AnswerView { width: 1fr; height: auto; padding: 0; margin: 0; background: transparent; }
    AnswerView > MarkdownBlock:last-child { margin-bottom: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, text: str = "") -> None:
        super().__init__(printable(text), open_links=False)
        self.text = text
        self._stream: MarkdownStream | None = None

    async def add(self, piece: str) -> None:
        """Some more of it."""
        self.text += piece
        if self._stream is None:
            self._stream = Markdown.get_stream(self)
        await self._stream.write(printable(piece))

    async def finish(self, text: str) -> None:
        """All of it."""
        if self._stream:
            await self._stream.stop()
            self._stream = None
        if text != self.text:
            self.text = text
            await self.update(printable(text))

    @on(Markdown.LinkClicked)
    def _open_link(self, message: Markdown.LinkClicked) -> None:
        message.stop()
        if message.href.startswith(_WEB):
            self.app.open_url(message.href)
        else:
            self.notify(f"Only web pages are opened from answers, not {message.href}", markup=False)
