"""The list of models: one line each, as many columns as fit. Enter or a double click chooses one."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Click
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from app.tui.models.entry import ModelEntry
from app.tui.models.row_text import Row, header_text, row_text


class ModelColumns(Static):
    """What the columns are."""

    DEFAULT_CSS = """
    ModelColumns { height: 1; padding: 0; color: $text-muted; background: $panel; }
    """

    def on_resize(self) -> None:
        self.update(header_text(_line_cells(self.size.width)))


class ModelList(OptionList):
    """Keeps the highlighted model when the list changes, and its place where that one is gone."""

    DEFAULT_CSS = """
    ModelList {
        height: 1fr;
        border: none;
        padding: 0;
        background: $surface;
        scrollbar-gutter: stable;
        & > .option-list--option { padding: 0; }
        &, &:focus {
            border: none;
            background-tint: transparent;
            & > .option-list--option-highlighted { background: $panel; color: $foreground; text-style: none; }
        }
        &:focus > .option-list--option-highlighted { background: $primary 30%; text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Use", tooltip="Answer with this model from now on", id="models.use"),
    ]

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._rows: Sequence[Row] = ()
        self._wanted_key = ""

    @property
    def row(self) -> Row | None:
        """The highlighted one."""
        number = self.highlighted
        return self._rows[number] if number is not None and number < len(self._rows) else None

    @property
    def entry(self) -> ModelEntry | None:
        return self.row.entry if self.row else None

    def show(self, rows: Sequence[Row]) -> None:
        place, entry = self.highlighted or 0, self.entry
        self._rows = rows
        self.set_options(self._lines_of_rows())
        keys = [row.entry.key for row in rows]
        wanted = (self._wanted_key, entry.key if entry else "")
        found = next((keys.index(key) for key in wanted if key in keys), min(place, len(rows) - 1))
        self.highlighted = found if rows else None
        if self._wanted_key in keys:
            self._wanted_key = ""

    def go_to(self, key: str) -> None:
        """Highlight that model as soon as it is listed."""
        self._wanted_key = key
        self.show(self._rows)

    def _lines_of_rows(self) -> list[Option]:
        if not self._rows:
            return [Option(Content.styled("No model has these words.", "$foreground-muted"), disabled=True)]
        width = _line_cells(self.size.width)
        return [Option(row_text(row, width)) for row in self._rows]

    def on_resize(self) -> None:
        self.show(self._rows)

    def on_click(self, event: Click) -> None:
        """A single click only highlights: changing the model takes seconds, and stops what runs."""
        number = event.style.meta.get("option")
        if event.chain < 2 and number is not None and self._rows:
            event.prevent_default()
            self.highlighted = number


def _line_cells(width: int) -> int:
    """The last column is the scrollbar's."""
    return max(1, width - 1)
