"""The passages behind an answer, those first that the question attended to most: share, file, place, quote, tokens."""

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from app.conversations.account import Source
from app.tui.chat.source_words import name_of, origins_of, place_of, quote_of, share_of, shortened

_SHARE_CELLS = 6
_MOST_QUOTES = 3
_SHORTEST_NAME = 12


class SourceList(OptionList):
    """See the module."""

    DEFAULT_CSS = """
    SourceList {
        width: 1fr;
        height: 1fr;
        padding: 0;
        border: none;
        background: transparent;
        &:focus { border: none; }
        & > .option-list--option { padding: 0 1; }
        & > .option-list--option-highlighted { background: $boost; color: $foreground; text-style: none; }
        &:focus > .option-list--option-highlighted { background: $primary 25%; color: $foreground; text-style: none; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Passage", id="sources.passage"),
        Binding("o", "open", "Open", tooltip="Open the document at its place", id="sources.open"),
        Binding("escape", "leave", "Back", tooltip="Back to the question", id="sources.back"),
    ]

    class Opened(Message):
        """The document of a source is to be opened at its place."""

        def __init__(self, control: "SourceList", source: Source) -> None:
            super().__init__()
            self.source_list, self.source = control, source

        @property
        def control(self) -> "SourceList":
            return self.source_list

    class Left(Message):
        """Back to where one came from."""

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.sources: tuple[Source, ...] = ()

    def show(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        highlighted = self.highlighted
        width = max(self.size.width - 3, _SHARE_CELLS + _SHORTEST_NAME)
        self.clear_options()
        self.add_options(
            Option(source_option(source, width, with_quote=number < _MOST_QUOTES))
            for number, source in enumerate(self.sources)
        )
        if self.sources:
            self.highlighted = min(highlighted or 0, len(self.sources) - 1)

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def action_open(self) -> None:
        if self.highlighted is not None and self.sources:
            self.post_message(self.Opened(self, self.sources[self.highlighted]))


def source_option(source: Source, width: int, *, with_quote: bool) -> Content:
    """A source on two lines or more of `width` cells."""
    indent = " " * _SHARE_CELLS
    name = shortened(name_of(source), width - _SHARE_CELLS)
    lines = [Content.assemble((share_of(source).rjust(_SHARE_CELLS - 1) + " ", "$accent"), (name, "bold"))]
    if place := place_of(source):
        lines.append(Content.assemble(indent, shortened(place, width - _SHARE_CELLS)))
    if with_quote:
        wrapped = textwrap.wrap(quote_of(source), width - _SHARE_CELLS)
        lines += [Content.styled(indent + line, "italic") for line in wrapped]
    lines.append(Content.assemble(indent, origins_of(source)))
    return Content("\n").join(lines)
