"""The first run: from nothing to a first answer in four steps, each of which may be done elsewhere or left out.

Shown over the chat while there is no model or no folder, and again from the palette. What is true is asked for anew
whenever the assistant tells something, twice a second at most, and never on this thread.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Button, Footer, Static

from app.assistant.events import ModelFailed, ModelLoading, ModelReady
from app.errors import AppError, message_of
from app.tui.dialogs.folder_dialog import FolderDialog
from app.tui.messages import AssistantTold
from app.tui.welcome.step import Choice, Step, StepState
from app.tui.widgets.title_bar import TitleBar
from app.wording import counted, display_path, stages_line
from storage.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.tui.app import SteepApp
    from app.wiring import Parts
    from storage.values import DocumentStage

_LOOK_SECONDS = 0.5
_MOST_MODELS = 4
_MOST_FOLDERS = 3

_MODELS, _OTHER_FOLDER, _DEMO = "models", "folder", "demo"

_INTRODUCTION = (
    "steep reads your documents once with a local model, keeps what the model computed, and answers from it at once. "
    "Nothing leaves this machine."
)


@dataclass(frozen=True, slots=True)
class Library:
    """What there is to ask about."""

    folders: tuple[Path, ...]
    stages: "Mapping[DocumentStage, int]"
    questions: tuple[str, ...]

    @property
    def num_searchable(self) -> int:
        from storage.values import DocumentStage

        return self.stages[DocumentStage.SEARCHABLE] + self.stages[DocumentStage.STEEPED]

    @property
    def num_steeped(self) -> int:
        from storage.values import DocumentStage

        return self.stages[DocumentStage.STEEPED]


class _Page(VerticalScroll, can_focus=False, inherit_bindings=False):
    """Leaves the arrow keys to the screen: they go from choice to choice, and the page follows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "page_up", "Scroll up", show=False),
        Binding("pagedown", "page_down", "Scroll down", show=False),
    ]


class WelcomeScreen(Screen[None]):
    """See the module."""

    TITLE = "First steps"
    DEFAULT_CSS = """
    WelcomeScreen {
        VerticalScroll { padding: 1 3; }
        #introduction { margin-bottom: 1; max-width: 90; }
        Step { max-width: 90; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Skip", id="welcome.skip"),
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._models: list[Choice] = []
        self._library: Library | None = None
        self._soon: Timer | None = None
        self._steps = {
            "model": Step(1, "A model", "model"),
            "folder": Step(2, "A folder of documents", "folder"),
            "reading": Step(3, "Reading and steeping", "reading"),
            "question": Step(4, "A first question", "question"),
        }

    @property
    def steep(self) -> "SteepApp":
        return cast("SteepApp", self.app)

    def compose(self) -> ComposeResult:
        yield TitleBar("First steps")
        with _Page():
            yield Static(Content(_INTRODUCTION), id="introduction")
            yield from self._steps.values()
        yield Footer(show_command_palette=False)

    async def on_mount(self) -> None:
        self.watch(self.app, "model", self._show_model, init=False)
        self.watch(self.app, "activity", self._show_reading, init=False)
        self._find_models()
        self._look()

    def on_assistant_told(self, message: AssistantTold) -> None:
        if isinstance(message.event, ModelReady | ModelFailed):
            self._find_models()
        if self._soon is None:
            self._soon = self.set_timer(_LOOK_SECONDS, self._look)

    # --- what is true now

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        self._soon = None
        try:
            self._library = await self.steep.look(_library)
        except StorageError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        await self._show_folder(self._library)
        await self._show_reading()
        await self._show_questions(self._library)
        if self.focused is None:
            self._focus_first()

    @work(exclusive=True, group="models", thread=True)
    def _find_models(self) -> None:
        from app.models.discovery import list_models

        try:
            listed = list_models(self.steep.assistant.locations)
        except OSError as error:
            self.app.call_from_thread(self.notify, message_of(error), severity="error", markup=False)
            return
        self._models = [
            Choice(f"Use {model.name}", str(model.path or model.name))
            for model in listed
            if not model.is_embedding and not model.problem
        ]
        self.app.call_from_thread(self._show_model)

    def _focus_first(self) -> None:
        for button in self.query(Button):
            button.focus()
            return

    # --- the steps

    async def _show_model(self) -> None:
        match self.steep.model:
            case ModelReady(name=name):
                await self._show("model", StepState.DONE, f"{name} answers.")
            case ModelLoading(name=name, fraction=fraction):
                words = "is prepared" if fraction is not None else "is loaded"
                done = "" if fraction is None else f": {fraction:.0%}"
                await self._show("model", StepState.RUNNING, f"{name or 'The model'} {words}{done} …")
            case ModelFailed(reason=reason):
                choices = [*self._models[:_MOST_MODELS], Choice("Choose or download another", _MODELS)]
                await self._show("model", StepState.TO_DO, f"{reason[:1].upper()}{reason[1:]}", choices)

    async def _show_folder(self, library: Library) -> None:
        choices = [Choice("Choose a folder …", _OTHER_FOLDER)]
        if not library.folders:
            if demo_folder():
                choices.append(Choice("Try it with the twelve documents of the demo", _DEMO))
            text = "Documents, notes, mail, source code: what is in it is read, and stays where it is."
            await self._show("folder", StepState.TO_DO, text, choices)
            return
        names = [display_path(path) for path in library.folders[:_MOST_FOLDERS]]
        if more := len(library.folders) - len(names):
            names.append(f"{more} more")
        await self._show(
            "folder", StepState.DONE, f"Watched: {', '.join(names)}.", [Choice("Add another folder …", _OTHER_FOLDER)]
        )

    async def _show_reading(self) -> None:
        library = self._library
        if library is None or not library.folders:
            await self._show("reading", StepState.TO_DO, "Each document is found, then searchable, then steeped.")
            return
        num_documents = sum(library.stages.values())
        state = StepState.DONE if library.num_steeped and library.num_steeped == num_documents else StepState.RUNNING
        lines = [f"{counted(num_documents, 'document')}: {stages_line(library.stages)}."]
        if self.steep.activity:
            lines.append(self.steep.activity)
        if state is StepState.RUNNING and library.num_searchable:
            lines.append(
                "You need not wait: what is searchable can be asked about; steeping makes answers come sooner."
            )
        await self._show("reading", state, "\n".join(lines))

    async def _show_questions(self, library: Library) -> None:
        if not library.num_searchable:
            await self._show(
                "question", StepState.TO_DO, "As soon as something is searchable, some questions are suggested here."
            )
            return
        choices = [Choice(question, question) for question in library.questions]
        await self._show(
            "question", StepState.RUNNING, "Ask one of these, or leave this page (esc) and ask your own.", choices
        )

    async def _show(self, name: str, state: StepState, text: str, choices: "Sequence[Choice]" = ()) -> None:
        await self._steps[name].show(state, text, choices)

    # --- what is pressed

    @on(Step.Chosen, "#model")
    def _choose_model(self, message: Step.Chosen) -> None:
        if message.value == _MODELS:
            self.steep.action_go("models")
        else:
            self._use_model(message.value)

    @work(thread=True, exclusive=True, group="use")
    def _use_model(self, name: str) -> None:
        """A starter model is joined from its parts first, which takes seconds."""
        from app.models.choice import choose_model

        def tell(num_done: int, num_total: int) -> None:
            self.steep.tell(ModelLoading(name, num_done / num_total))

        try:
            path = choose_model(name, self.steep.assistant.locations, tell)
        except (AppError, OSError) as error:
            self.steep.tell(ModelFailed("", message_of(error)))
            return
        self.steep.use_model(path)

    @on(Step.Chosen, "#folder")
    def _choose_folder(self, message: Step.Chosen) -> None:
        self._add_folder(demo_folder() if message.value == _DEMO else None)

    @work
    async def _add_folder(self, folder: Path | None) -> None:
        path = folder or await self.app.push_screen_wait(FolderDialog(Path.home(), "A folder of documents"))
        if path is None:
            return
        try:
            await self.steep.look(lambda parts: parts.index.add_folder(path.resolve()))
        except (StorageError, AppError) as error:
            self.notify(message_of(error), severity="error", markup=False)
        self._look()

    @on(Step.Chosen, "#question")
    def _ask(self, message: Step.Chosen) -> None:
        self.steep.assistant.ask(message.value)
        self.action_leave()

    def action_leave(self) -> None:
        self.dismiss()


def demo_folder() -> Path | None:
    """The demo's documents, where the program was installed with them."""
    folder = Path(__file__).resolve().parents[3] / "assets" / "demo"
    return folder if folder.is_dir() else None


def _library(parts: "Parts") -> Library:
    from app.suggestions import suggested_questions

    folders = tuple(folder.path for folder in parts.index.folders())
    return Library(folders, parts.index.stage_counts(), tuple(suggested_questions(parts)))
