"""An answer as it comes and when it is there: Markdown, without flicker; its links do nothing by themselves.

While it grows it takes a quarter of the screen's time at most, so that typing goes on beside it: pieces that come
faster than that are shown together.
"""

import asyncio
from time import perf_counter
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.widgets import Markdown

from app.terminal import printable
from app.tui.chat.code_block import CodeBlock

_WEB = ("http://", "https://")

_REST_SHARE = 3.0
"""Time without updates, as a multiple of the time that the last one took, drawing it included."""


class AnswerView(Markdown):
    """See the module.

    No rule of any style sheet may ask for the order of its blocks (`:last-child`): all of them would be styled again
    whenever one is added, which was most of the work in a long answer.
    """

    DEFAULT_CSS = """
    AnswerView { width: 1fr; height: auto; padding: 0; margin: 0; background: transparent; }
    """
    BINDINGS: ClassVar[list[BindingType]] = []
    BLOCKS = {**Markdown.BLOCKS, "fence": CodeBlock, "code_block": CodeBlock}  # noqa: RUF012 - Textual's

    def __init__(self, text: str = "") -> None:
        super().__init__(printable(text), open_links=False)
        self.text = text
        self._waiting: list[str] = []
        self._has_more = asyncio.Event()
        self._growing: asyncio.Task[None] | None = None

    @property
    def is_growing(self) -> bool:
        return self._growing is not None

    async def add(self, piece: str) -> None:
        """Some more of it."""
        self.text += piece
        self._waiting.append(printable(piece))
        self._has_more.set()
        if self._growing is None:
            self._growing = asyncio.create_task(self._grow())

    async def finish(self, text: str) -> None:
        """All of it."""
        await self._stop_growing()
        if text != self.text:
            self.text = text
            await self.update(printable(text))
        for block in self.query(CodeBlock):
            block.colour()

    async def on_unmount(self) -> None:
        if self._growing:
            self._growing.cancel()

    async def _stop_growing(self) -> None:
        growing, self._growing = self._growing, None
        if growing:
            growing.cancel()
            await asyncio.wait([growing])
            if not growing.cancelled():
                growing.result()
            await self._show_waiting()

    async def _grow(self) -> None:
        while True:
            await self._has_more.wait()
            started = perf_counter()
            # What has begun is completed, or else a piece would be lost when the answer ends meanwhile.
            await asyncio.shield(self._show_waiting())
            await self._drawn()
            await asyncio.sleep(_REST_SHARE * (perf_counter() - started))

    async def _show_waiting(self) -> None:
        text = "".join(self._waiting)
        self._waiting.clear()
        self._has_more.clear()
        if text:
            await self.append(text)

    async def _drawn(self) -> None:
        """The screen has been brought up to date."""
        is_drawn = asyncio.Event()
        if self.call_after_refresh(is_drawn.set):
            await is_drawn.wait()

    @on(Markdown.LinkClicked)
    def _open_link(self, message: Markdown.LinkClicked) -> None:
        message.stop()
        if message.href.startswith(_WEB):
            self.app.open_url(message.href)
        else:
            self.notify(f"Only web pages are opened from answers, not {message.href}", markup=False)
