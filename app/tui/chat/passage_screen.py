"""One passage behind an answer, as the model read it: what the question attended to, and what supports the answer.

A dialog: the source to open in its own program, or None. The passage comes from the index; where its document has
changed since, what was kept with the answer is shown instead, and it says so.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from app.conversations.account import Source
from app.terminal import printable
from app.tui.chat.passage_text import passage_content
from app.tui.chat.source_words import origins_of, place_of, quote_of, share_of
from app.wording import display_path
from storage.errors import StorageError

if TYPE_CHECKING:
    from app.tui.app import SteepApp
    from app.wiring import Parts
    from storage.values import ChunkText


class PassageScreen(ModalScreen[Source | None]):
    """See the module."""

    DEFAULT_CSS = """
    PassageScreen {
        background: $background;
        #passage-head { width: 1fr; height: auto; padding: 0 2; background: $panel; }
        #passage-body { height: 1fr; padding: 1 2; }
        #passage-text { width: 1fr; max-width: 100; height: auto; }
        #passage-notice { width: 1fr; height: auto; color: $text-warning; display: none; margin-bottom: 1; }
        #passage-legend { height: 1; padding: 0 2; color: $foreground-muted; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "Back", id="passage.back"),
        Binding("n,right", "step(1)", "Next", id="passage.next"),
        Binding("p,left", "step(-1)", "Previous", id="passage.previous"),
        Binding("o", "open", "Open", tooltip="Open the document at its place", id="passage.open"),
    ]

    def __init__(self, sources: Sequence[Source], number: int) -> None:
        super().__init__()
        self._sources, self._number = sources, number

    @property
    def source(self) -> Source:
        return self._sources[self._number]

    def compose(self) -> ComposeResult:
        yield Static(id="passage-head")
        with VerticalScroll(id="passage-body"):
            yield Static(id="passage-notice")
            yield Static(id="passage-text")
        yield Static(_LEGEND, id="passage-legend")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one("#passage-body").focus()
        self._show()

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_open(self) -> None:
        self.dismiss(self.source)

    def action_step(self, step: int) -> None:
        self._number = (self._number + step) % len(self._sources)
        self._show()

    @work(exclusive=True)
    async def _show(self) -> None:
        source = self.source
        self.query_one("#passage-head", Static).update(_head(source, self._number, len(self._sources)))
        notice = ""
        try:
            chunk = await cast("SteepApp", self.app).look(lambda parts: _chunk_of(parts, source))
        except StorageError as error:
            chunk, notice = None, str(error)
        if chunk:
            text = passage_content(chunk.text, chunk.start, source)
        else:
            notice = notice or "The document was changed or removed since: this is what was kept with the answer."
            text = Content(quote_of(source) or "Nothing of it was quoted.")
        self.query_one("#passage-text", Static).update(text)
        shown = self.query_one("#passage-notice", Static)
        shown.update(Content(printable(notice)))
        shown.display = bool(notice)
        self.query_one("#passage-body").scroll_home(animate=False)


_LEGEND = Content.assemble(
    (" warm ", "$foreground on $warning 20%"),
    (" hot ", "bold $foreground on $warning 62%"),
    " attended to by the question  ",
    ("underlined", "underline"),
    " supports the answer",
)


def _head(source: Source, number: int, total: int) -> Content:
    place = " · ".join(filter(None, (f"{number + 1} of {total}", share_of(source), place_of(source))))
    path = printable(display_path(source.path)).replace("\n", "\ufffd")
    return Content("\n").join([Content.styled(path, "bold"), Content.assemble(place, "    ", origins_of(source))])


def _chunk_of(parts: "Parts", source: Source) -> "ChunkText | None":
    """The passage, if its document still has it at that place."""
    for stored in parts.index.chunks_with_ids([source.chunk_id]):
        chunk = stored.chunk
        if stored.document_path == source.path and (chunk.start, chunk.end) == (source.start, source.end):
            return chunk
    return None
