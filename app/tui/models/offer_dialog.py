"""Asks which model of a repository is meant: one of its offers, or None when it was left."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, OptionList
from textual.widgets.option_list import Option

from app.models.repository import Offer
from app.terminal import printable
from app.tui.dialogs.dialog import Dialog, detail
from app.tui.library.row_text import shortened
from app.tui.models.row_text import fit_words
from app.wording import size

if TYPE_CHECKING:
    from app.models.fit import Memory, Verdict
    from app.settings import Settings

_USUAL = "Q4_K_M"
"""What most people take: a quarter of the size, and hardly worse."""

_NAME_CELLS, _SIZE_CELLS = 40, 8


class OfferDialog(Dialog[Offer | None]):
    """See the module."""

    DEFAULT_CSS = """
    OfferDialog OptionList {
        height: auto;
        max-height: 14;
        margin-top: 1;
        border: none;
        padding: 0;
        background: $surface;
        &:focus { border: none; background-tint: transparent; }
        & > .option-list--option { padding: 0 1; }
        &:focus > .option-list--option-highlighted { background: $primary 30%; color: $foreground; text-style: bold; }
    }
    """

    def __init__(
        self, repository: str, why: str, offers: Sequence[Offer], settings: "Settings", memory: "Memory"
    ) -> None:
        """`why` it is asked, as a sentence."""
        super().__init__(f"Which model of {repository}?")
        self._why, self._offers, self._settings, self._memory = why, offers, settings, memory

    def body(self) -> Iterable[Widget]:
        yield detail(self._why)
        yield OptionList(*map(self._option, self._offers), markup=False)

    def buttons(self) -> Iterable[Button]:
        yield from super().buttons()
        yield Button("Download", id="yes", variant="primary", compact=True)

    def on_mount(self) -> None:
        offered = self.query_one(OptionList)
        usual = (number for number, offer in enumerate(self._offers) if offer.quantisation == _USUAL)
        offered.highlighted = next(usual, 0)
        offered.focus()

    def _option(self, offer: Offer) -> Option:
        name = shortened(printable(offer.name), _NAME_CELLS)
        gap = " " * (_NAME_CELLS - cell_len(name) + 1)
        facts = f"{name}{gap}{size(offer.num_bytes):>{_SIZE_CELLS}}  "
        return Option(Content.assemble(facts, fit_words(self._verdict(offer))))

    def _verdict(self, offer: Offer) -> "Verdict":
        """Without its conversation: what a token takes is not known before the file is here."""
        from app.models.fit import fit_of

        return fit_of(offer.num_bytes, None, self._settings, self._memory).verdict

    def on_option_list_option_selected(self) -> None:
        self.accept()

    def accept(self) -> None:
        number = self.query_one(OptionList).highlighted
        self.dismiss(self._offers[number] if number is not None else None)
