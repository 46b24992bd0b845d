"""Narrows the list to the models with words in their name, label or source."""

from typing import ClassVar

from textual.binding import Binding, BindingType

from app.tui.library import filter_input


class ModelFilter(filter_input.FilterInput):
    """Like the library's; Escape ends it, Enter and Down go back to the list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "end_filter", "End the filter", id="models.end_filter"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.placeholder = "words of a name, a program, a quantisation"
