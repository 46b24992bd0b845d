"""Narrows the tree to the documents with words in their path; not there until it is asked for."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class FilterInput(Input):
    """See the module. Escape ends the filter, Enter and Down go back to the tree and keep it."""

    DEFAULT_CSS = """
    FilterInput {
        height: 1;
        padding: 0 1;
        border: none;
        display: none;

        &:focus { border: none; }
        &.-shown { display: block; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "end_filter", "End the filter", id="library.end_filter"),
        Binding("down", "keep", "To the tree", show=False),
    ]

    class Kept(Message):
        """The tree is wanted, as it is narrowed now."""

    class Ended(Message):
        """The whole tree is wanted."""

    def __init__(self) -> None:
        super().__init__(placeholder="words of a name or folder; ! for unreadable documents", compact=True)

    def begin(self) -> None:
        self.add_class("-shown")
        self.focus()

    def end(self) -> None:
        """Empty it and take it away; posts nothing."""
        self.remove_class("-shown")
        with self.prevent(Input.Changed):
            self.value = ""

    def action_keep(self) -> None:
        self.post_message(self.Kept())

    async def action_submit(self) -> None:
        self.post_message(self.Kept())

    def action_end_filter(self) -> None:
        self.post_message(self.Ended())
