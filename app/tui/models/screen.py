"""F4, the models: which there are, what they need and whether they fit; one is chosen to answer, or downloaded.

The list is read again when the screen comes to the front, when a model was loaded or failed, and on request. A model
that was chosen here is written into the config file once it is ready, so a model that cannot be loaded is never what
the app begins with. One model at a time is on its way here (a download, or a starter model that is joined); it goes on
while another screen is in front, and ends with the app.
"""

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Input, OptionList, Static
from textual.worker import Worker, get_current_worker

from app.assistant.events import ModelFailed, ModelReady, UpkeepTold
from app.errors import AppError, DownloadStopped, message_of
from app.gate.events import GateMeasured
from app.tui.dialogs.confirm import ConfirmDialog
from app.tui.dialogs.text_dialog import TextDialog
from app.tui.library.filter_input import FilterInput
from app.tui.messages import AssistantTold
from app.tui.models.arrival import Arrival
from app.tui.models.arrival_line import ArrivalLine
from app.tui.models.aside import aside
from app.tui.models.catalogue import Catalogue, read_catalogue, with_verdicts
from app.tui.models.entry import ModelEntry, State, key_of
from app.tui.models.filter_input import ModelFilter
from app.tui.models.hub_name import HubName, complaint_about, hub_name
from app.tui.models.model_detail import ModelDetail, detail_text
from app.tui.models.model_list import ModelColumns, ModelList
from app.tui.models.nothing_found import NothingFound
from app.tui.models.row_text import Row
from app.tui.opening import open_document
from app.tui.widgets.notice import Notice
from app.tui.widgets.title_bar import TitleBar
from app.wording import counted, size
from storage.errors import StorageError

if TYPE_CHECKING:
    from app.models.hub import Hub
    from app.models.repository import HubFile, Offer
    from app.tui.app import SteepApp


class Chosen(NamedTuple):
    """The model that somebody chose here, and that is not ready yet."""

    name: str
    path: Path

    def is_called(self, name: str) -> bool:
        return name in (self.name, self.path.stem)


class ModelsScreen(Screen[None]):
    """See the module."""

    TITLE = "Models"
    CSS_PATH = "models.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - an instance variable of Textual's
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "download", "Download", tooltip="Get one from the Hugging Face hub", id="models.download"),
        Binding("x", "stop", "Stop", tooltip="Stop the download; d goes on with it", id="models.stop"),
        Binding(
            "slash", "filter", "Filter", show=False, tooltip="Only models with words in their name", id="models.filter"
        ),
        Binding("r", "refresh", "Refresh", show=False, tooltip="Look for models again", id="models.refresh"),
        Binding("o", "open_folder", "Folder", show=False, tooltip="Open the folder it lies in", id="models.open"),
        Binding("escape", "dismiss_notice", "Dismiss", show=False, id="models.dismiss"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.catalogue: Catalogue | None = None
        """What is shown; None: nobody has looked yet."""
        self._chosen: Chosen | None = None
        self._failures: dict[str, str] = {}
        """Why models could not be loaded, by key."""
        self._arrival: Arrival | None = None
        self._asking: Worker[object] | None = None
        """Whoever waits for the hub to say what it has."""
        self._last_download = ""
        """What did not arrive yet, as it is asked for."""
        self._in_front = asyncio.Event()

    @property
    def steep(self) -> "SteepApp":
        return cast("SteepApp", self.app)

    def compose(self) -> ComposeResult:
        yield TitleBar("Models")
        yield Static(id="models-summary")
        yield Notice()
        yield ModelFilter()
        with Container(id="models-body"):
            with Vertical(id="models-list"):
                yield ModelColumns()
                yield ModelList()
                yield NothingFound()
            yield ModelDetail()
        yield ArrivalLine()
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.watch(self.app, "model", self._show_rows, init=False)
        self.query_one(ModelList).focus()
        self._summarize("Looking for models …")

    def on_unmount(self) -> None:
        if self._arrival:
            self._arrival.stopped.set()

    # --- what is shown

    def on_screen_resume(self) -> None:
        self._in_front.set()
        self._read()

    def on_screen_suspend(self) -> None:
        self._in_front.clear()

    def on_assistant_told(self, message: AssistantTold) -> None:
        match message.event:
            case ModelReady():
                self._note_ready(message.event)
            case ModelFailed():
                self._note_failure(message.event)
            case UpkeepTold(GateMeasured()) if self._in_front.is_set():
                self._read()
            case _:
                pass

    def action_refresh(self) -> None:
        self._read()

    @work(exclusive=True, group="models.read")
    async def _read(self) -> None:
        model, assistant = self.steep.model, self.steep.assistant
        loaded = model.path if isinstance(model, ModelReady) else None
        reading = partial(read_catalogue, assistant.locations, assistant.settings, loaded)
        self.catalogue = await self._with_verdicts(await aside(reading, "steep-models"))
        self._show_catalogue(self.catalogue)

    async def _with_verdicts(self, catalogue: Catalogue) -> Catalogue:
        """What is known of the models besides, if the index can be read."""
        try:
            return await self.steep.look(lambda parts: with_verdicts(catalogue, parts.index, parts.settings))
        except StorageError as error:
            self._complain(error)
            return catalogue

    def _show_catalogue(self, catalogue: Catalogue) -> None:
        num_answering = sum(entry.can_answer for entry in catalogue.entries)
        memory = catalogue.memory
        self._summarize(
            f"{counted(len(catalogue.entries), 'model')}, {num_answering:,} can answer · "
            f"{size(memory.available_bytes)} of {size(memory.total_bytes)} of RAM free"
        )
        has_models = bool(catalogue.entries)
        for kind in (ModelColumns, ModelList, ModelDetail):
            self.query_one(kind).display = has_models
        nothing = self.query_one(NothingFound)
        nothing.set_class(not has_models, "-shown")
        nothing.show(catalogue.looked_in, self.steep.assistant.locations.models_dir)
        self._show_rows()

    def _show_rows(self) -> None:
        if self.catalogue:
            text = self.query_one(FilterInput).value
            entries = (entry for entry in self.catalogue.entries if entry.has_words(text))
            self.query_one(ModelList).show([self._row(entry) for entry in entries])
            self._show_detail()

    def _row(self, entry: ModelEntry) -> Row:
        return Row(entry, entry.state(self.steep.model), self._failures.get(entry.key, ""))

    @on(OptionList.OptionHighlighted)
    def _show_detail(self) -> None:
        row, steep = self.query_one(ModelList).row, self.steep
        assistant = steep.assistant
        text = detail_text(row, steep.model, assistant.settings, assistant.locations.config_file) if row else Content()
        self.query_one(ModelDetail).show(text)

    def _summarize(self, text: str) -> None:
        self.query_one("#models-summary", Static).update(Content(text))

    def _say(self, text: str) -> None:
        self.query_one(Notice).say(text)

    def _complain(self, error: Exception) -> None:
        self.query_one(Notice).say(message_of(error), is_error=True)

    def action_dismiss_notice(self) -> None:
        self._say("")

    # --- choosing one

    @on(OptionList.OptionSelected)
    def _choose(self) -> None:
        entry = self.query_one(ModelList).entry
        if entry and self._is_usable(entry):
            self._use(entry)

    def _is_usable(self, entry: ModelEntry) -> bool:
        """If it is not, that is said."""
        complaint = ""
        if entry.model.problem:
            complaint = entry.model.problem
        elif entry.model.is_embedding:
            complaint = f"{entry.model.name} cannot answer: it is an embedding model, which makes vectors for search."
        elif entry.state(self.steep.model) is State.ANSWERS:
            complaint = f"{entry.model.name} answers already."
        self._say(complaint)
        return not complaint

    @work(exclusive=True, group="models.use")
    async def _use(self, entry: ModelEntry) -> None:
        doubts = self._doubts(entry)
        if doubts and not await self.app.push_screen_wait(
            ConfirmDialog(f"Use {entry.model.name}?", "\n\n".join(doubts), yes="Use it", dangerous=True)
        ):
            return
        path = entry.model.path or await self._join(entry)
        if path:
            self._failures.pop(key_of(path), None)
            self._chosen = Chosen(entry.model.name, path)
            self.steep.use_model(path)

    def _doubts(self, entry: ModelEntry) -> list[str]:
        """What speaks against using it, as sentences."""
        doubts: list[str] = []
        if entry.is_too_large:
            doubts.append(f"It is {entry.fit.words}. It may be very slow, or fail to load.")
        if self.steep.is_answering:
            doubts.append("An answer is being made; it is stopped.")
        return doubts

    async def _join(self, entry: ModelEntry) -> Path | None:
        """The file of a starter model, made from its parts; None where that did not work, which is said."""
        from app.models.choice import choose_model

        if self._is_busy():
            return None
        arrival = Arrival("Joining", entry.model.name)
        joining = partial(choose_model, entry.model.name, self.steep.assistant.locations, arrival.note)
        self._follow(arrival)
        try:
            return await aside(joining, "steep-join")
        except DownloadStopped:
            self._say(f"{entry.model.name} was not joined.")
        except (AppError, OSError) as error:
            self._complain(error)
        finally:
            self._follow(None)
        return None

    def _note_ready(self, ready: ModelReady) -> None:
        self._failures.pop(key_of(ready.path), None)
        if self._chosen and ready.path == self._chosen.path:
            self._chosen = None
        self._read()

    def _note_failure(self, failed: ModelFailed) -> None:
        """It stays with the model: the one before is loaded again at once."""
        if self._chosen and self._chosen.is_called(failed.name):
            self._failures[key_of(self._chosen.path)] = failed.reason
            self._chosen = None
        self._read()

    # --- downloading one

    def action_download(self) -> None:
        if not self._is_busy():
            self._download()

    @work(group="models.download")
    async def _download(self) -> None:
        """From the name to the file; each step may end it."""
        name = await self._ask_for_name()
        if name is None:
            return
        self._last_download = str(name)
        self._say("")
        try:
            offer = await self._find_offer(name)
            if offer:
                await self._bring(name.repository, offer)
        except DownloadStopped:
            self._say(f"{self._last_download}: stopped. What has arrived is kept; d goes on with it.")
        except (AppError, OSError) as error:
            self._complain(error)

    async def _ask_for_name(self) -> HubName | None:
        dialog = TextDialog(
            "Download a model from the Hugging Face hub",
            self._last_download,
            "OWNER/NAME or OWNER/NAME/FILE.gguf",
            complaint_about,
            yes="Download",
        )
        text = await self.app.push_screen_wait(dialog)
        return hub_name(text) if text else None

    async def _find_offer(self, name: HubName) -> "Offer | None":
        """The model that is meant; None where the user did not say which."""
        from app.models.fit import memory_now
        from app.models.repository import offers
        from app.tui.models.meant import meant
        from app.tui.models.offer_dialog import OfferDialog

        offered = offers(await self._ask_hub(name.repository))
        offer = meant(name, offered)
        if not isinstance(offer, str):
            return offer
        await self._in_front.wait()
        dialog = OfferDialog(name.repository, offer, offered, self.steep.assistant.settings, memory_now())
        return await self.app.push_screen_wait(dialog)

    async def _ask_hub(self, repository: str) -> "list[HubFile]":
        self._asking = get_current_worker()
        self._follow(Arrival("Asking the hub for", repository))
        try:
            return await aside(partial(self._hub().files, repository), "steep-hub")
        finally:
            self._asking = None
            self._follow(None)

    async def _bring(self, repository: str, offer: "Offer") -> None:
        self._last_download = f"{repository}/{offer.name}"
        arrival = Arrival("Downloading", self._last_download)
        self._follow(arrival)
        bringing = partial(self._hub().download, repository, offer, arrival.note, arrival.stopped)
        try:
            path = await aside(bringing, "steep-download")
        finally:
            arrival.stopped.set()  # whoever waits no longer, because the app ends, does not want it either
            self._follow(None)
        self._last_download = ""
        self.query_one(ModelList).go_to(key_of(path))
        self._say(f"{offer.name} is here: enter uses it.")
        self._read()

    def _hub(self) -> "Hub":
        from app.models.hub import Hub

        return Hub(self.steep.assistant.locations.downloads_dir)

    def action_stop(self) -> None:
        """Who brings a model looks whether it is still wanted; the hub cannot be told, so nobody waits for it."""
        if self._arrival:
            self._arrival.stopped.set()
            self.query_one(ArrivalLine).show_anew()
        if self._asking:
            self._asking.cancel()

    def _is_busy(self) -> bool:
        """Whether a model is on its way here already, which is said."""
        if self._arrival:
            self._say(f"{self._arrival.name} is on its way: x stops that.")
        return self._arrival is not None

    def _follow(self, arrival: Arrival | None) -> None:
        self._arrival = arrival
        if self.is_attached:
            self.query_one(ArrivalLine).follow(arrival)
            self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """Only what is on its way can be stopped."""
        return action != "stop" or self._arrival is not None

    # --- the rest

    def action_open_folder(self) -> None:
        entry = self.query_one(ModelList).entry
        if entry and entry.model.path:
            folder = entry.model.path.parent
            complaint = open_document(self.app, folder)
            self._say(f"The folder is {folder}. {complaint}" if complaint else "")

    def action_filter(self) -> None:
        self.query_one(FilterInput).begin()

    @on(Input.Changed)
    def _filter(self) -> None:
        self._show_rows()

    @on(FilterInput.Kept)
    def _leave_filter(self) -> None:
        self.query_one(ModelList).focus()

    @on(FilterInput.Ended)
    def _end_filter(self) -> None:
        self.query_one(FilterInput).end()
        self._show_rows()
        self.query_one(ModelList).focus()
