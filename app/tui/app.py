"""The terminal app: four screens over one assistant. UI thread only; whatever may take time runs on the assistant's.

The app owns what all screens share: the assistant, which model there is (`model`), which documents questions are
restricted to (`scope`), the open conversation, what goes on behind (`activity`), and who watches the folders. Events of
the assistant arrive as `AssistantTold`, change these, and go on to every screen. Screens ask for things through the app
or its assistant; none knows another one.
"""

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.events import Resize
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import MountError
from textual.worker import WorkerFailed

from app.assistant.events import (
    AnswerFailed,
    AnswerFinished,
    AnswerStarted,
    AssistantEvent,
    ConversationOpened,
    ConversationsChanged,
    ModelFailed,
    ModelLoading,
    ModelReady,
    UpkeepTold,
    WatchingElsewhere,
    WatchingHere,
)
from app.assistant.port import AssistantPort
from app.errors import AppError, message_of
from app.gate.events import GateMeasured, GateTrouble
from app.gate.words import verdict_words
from app.tui.activity import Activity
from app.tui.chat.screen import ChatScreen
from app.tui.conversations.screen import ConversationsScreen
from app.tui.library.screen import LibraryScreen
from app.tui.messages import AssistantTold
from app.tui.models.aside import aside
from app.tui.models.screen import ModelsScreen
from app.tui.palette import ActionProvider, ConversationProvider
from app.tui.themes import OWN_THEMES
from app.tui.too_small import TooSmall, is_too_small
from storage.errors import StorageError

if TYPE_CHECKING:
    from app.tui.quiet_streams import QuietStreams
    from app.wiring import Parts
    from storage.values import Conversation

T = TypeVar("T")

_MODEL_VARIABLE = "STEEP_MODEL"

_logger = logging.getLogger(__name__)


class SteepApp(App[None], inherit_bindings=False):
    """See the module."""

    TITLE = "steep"
    MODES: ClassVar = {
        "chat": ChatScreen,
        "library": LibraryScreen,
        "models": ModelsScreen,
        "conversations": ConversationsScreen,
    }
    DEFAULT_MODE = "chat"
    CSS = """
    * { scrollbar-size-vertical: 1; }
    """
    COMMANDS: ClassVar = App.COMMANDS | {ActionProvider, ConversationProvider}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "help", "Help", id="app.help"),
        Binding("f2", "go('chat')", "Chat", id="app.chat"),
        Binding("f3", "go('library')", "Library", id="app.library"),
        Binding("f4", "go('models')", "Models", id="app.models"),
        Binding("f5", "go('conversations')", "History", tooltip="All conversations", id="app.conversations"),
        Binding("ctrl+n", "new_conversation", "New", tooltip="New conversation", id="app.new"),
        Binding("ctrl+q", "quit", "Quit", priority=True, id="app.quit"),
        Binding("ctrl+p", "command_palette", "Palette", show=False, priority=True, id="app.palette"),
        Binding("ctrl+c", "help_quit", show=False, system=True),
    ]
    COMMAND_PALETTE_BINDING = "ctrl+p"

    model: reactive[ModelLoading | ModelReady | ModelFailed] = reactive[ModelLoading | ModelReady | ModelFailed](
        ModelLoading("")
    )
    scope: reactive[tuple[Path, ...]] = reactive[tuple[Path, ...]](())
    """Files and folders that questions are restricted to; empty: all documents."""
    conversation_id: reactive[int | None] = reactive[int | None](None, always_update=True)
    """The open conversation; None: a new one, which begins with its first question."""
    conversation_title: reactive[str] = reactive("")
    watches_here: reactive[bool | None] = reactive[bool | None](None)
    activity: reactive[str] = reactive("")
    """What goes on behind, in a few words."""

    def __init__(
        self,
        assistant: AssistantPort,
        *,
        streams: "QuietStreams | None" = None,
        welcomes: bool = False,
        continues: bool = False,
    ) -> None:
        """`streams`: who keeps the screen clean; `welcomes`: newcomers are taken by the hand; `continues`: it begins
        with the conversation that changed last."""
        super().__init__()
        self.assistant = assistant
        self.now: Callable[[], float] = time.time
        """Seconds since 1970, for ages."""
        self.is_answering = False
        """Whether an answer is being made."""
        self._chosen_model: Path | None = None
        self._streams = streams
        self._activity = Activity()
        self._loop_of_ui: asyncio.AbstractEventLoop | None = None
        self._shall_end = False
        self._may_welcome = welcomes
        self._continues = continues
        for theme in OWN_THEMES:
            self.register_theme(theme)
        self.theme = self._remembered_theme = assistant.settings.theme
        self.set_keymap(dict(assistant.settings.keys))

    # --- beginning and end

    def on_ready(self) -> None:
        self._loop_of_ui = asyncio.get_running_loop()
        if self._shall_end:
            self.exit()
        self.call_after_refresh(self._start)

    def _start(self) -> None:
        """Once there is something to see: what is imported and loaded now would make the first picture wait for it."""
        self.assistant.start(self.tell)
        if self._may_welcome:
            self._welcome_newcomer()
        if self._continues:
            self._continue_last()

    def end(self) -> None:
        """End in order; from any thread, and from the handler of a signal."""
        self._shall_end = True
        if self._loop_of_ui:
            self._loop_of_ui.call_soon_threadsafe(self.exit)

    def _handle_exception(self, error: Exception) -> None:
        """Textual's. From `exit` on nothing can be mounted: who is about to, having waited for something, fails, and
        that is no mistake."""
        cause = error.error if isinstance(error, WorkerFailed) else error
        if self._exit and isinstance(cause, MountError | NoMatches):
            _logger.info("Too late to be shown: %s", cause)
        else:
            super()._handle_exception(error)

    @contextmanager
    def suspend(self) -> Iterator[None]:
        with super().suspend(), ExitStack() as stack:
            if self._streams:
                stack.enter_context(self._streams.loud())
            yield

    # --- the assistant

    def tell(self, event: AssistantEvent) -> None:
        """The assistant's callback; from any thread."""
        self.post_message(AssistantTold(event))

    def on_assistant_told(self, message: AssistantTold) -> None:
        self._note(message.event)
        for mode in self.MODES:
            for screen in self._screen_stacks.get(mode, ()):
                screen.post_message(AssistantTold(message.event))

    def _note(self, event: AssistantEvent) -> None:
        match event:
            case ModelLoading() | ModelReady() | ModelFailed():
                self._note_model(event)
            case WatchingHere() | WatchingElsewhere():
                self.watches_here = isinstance(event, WatchingHere)
            case AnswerStarted() | AnswerFinished() | AnswerFailed():
                self.is_answering = isinstance(event, AnswerStarted)
            case ConversationOpened(conversation):
                self.follow_conversation(conversation)
            case ConversationsChanged():
                self._look_at_title()
            case UpkeepTold(GateMeasured(model_name, verdict)):
                self.notify(f"{model_name} {verdict_words(verdict)}.", title="Measured", markup=False)
            case UpkeepTold(GateTrouble(reason)):
                self.notify(reason, severity="warning", markup=False)
            case _:
                pass
        self._activity.note(event)
        self.activity = str(self._activity)

    def use_model(self, path: Path) -> None:
        """Answer with it from now on; the next time, too, once it was ready. From any thread."""
        self._chosen_model = path
        self.assistant.use_model(path)

    def _note_model(self, event: ModelLoading | ModelReady | ModelFailed) -> None:
        self.model = event
        if isinstance(event, ModelFailed):
            self._offer_way_on(event)
        elif isinstance(event, ModelReady) and event.path == self._chosen_model:
            self._chosen_model = None
            self._remember_model(event)

    @work(exclusive=True, group="model")
    async def _remember_model(self, ready: ModelReady) -> None:
        from app.tui.models.remembering import remember_model

        try:
            await aside(partial(remember_model, self.assistant.locations, ready.path), "steep-remember")
        except (AppError, OSError) as error:
            self.notify(message_of(error), severity="error", markup=False)
            return
        later = f"next time {_MODEL_VARIABLE} decides" if os.environ.get(_MODEL_VARIABLE) else "and next time"
        self.notify(f"{ready.name} answers now, {later}.", markup=False)

    async def look(self, work: "Callable[[Parts], T]") -> T:
        """Run something short on the index and wait for it without blocking the screen; raises what it raises."""
        return await asyncio.wrap_future(self.assistant.run(work))

    def _offer_way_on(self, failed: ModelFailed) -> None:
        """Newcomers are led to a model; others are told what is wrong, and where to choose another."""
        if self._may_welcome and not failed.name:
            self._welcome()
        elif not self._is_welcoming:
            reason = f"{failed.reason}\nF4: choose another model."
            self.notify(reason, title="There is no model to answer", severity="error", markup=False)

    # --- conversations

    def follow_conversation(self, conversation: "Conversation") -> None:
        """It is the open one from now on."""
        self.conversation_id, self.conversation_title = conversation.id, conversation.title

    def open_conversation(self, conversation_id: int) -> None:
        """Read it and show it; what the model remembers of it follows."""
        self.assistant.open_conversation(conversation_id)
        self.switch_mode("chat")

    @work(exclusive=True, group="continue")
    async def _continue_last(self) -> None:
        try:
            listed = await self.look(lambda parts: parts.index.conversations())
        except StorageError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        if listed:
            self.open_conversation(listed[0].id)
        else:
            self.notify("There is no conversation to continue yet.", markup=False)

    def action_new_conversation(self) -> None:
        self.conversation_id, self.conversation_title = None, ""
        self.switch_mode("chat")

    def delete_conversation(self, conversation_id: int) -> None:
        if conversation_id == self.conversation_id:
            self.conversation_id, self.conversation_title = None, ""
        self.assistant.delete_conversation(conversation_id)

    @work(exclusive=True, group="title")
    async def _look_at_title(self) -> None:
        """It may have been renamed."""
        identifier = self.conversation_id
        if identifier is None:
            return
        try:
            conversation = await self.look(lambda parts: parts.index.conversation(identifier))
        except StorageError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        if conversation and self.conversation_id == identifier:
            self.conversation_title = conversation.title

    # --- what works everywhere

    def action_go(self, mode: str) -> None:
        self.switch_mode(mode)

    def action_help(self) -> None:
        from app.tui.dialogs.help import HelpDialog

        self.push_screen(HelpDialog(self.current_mode))

    def action_welcome(self) -> None:
        self._welcome()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:  # noqa: ARG002 - Textual's
        """Textual's own that make sense here; ours come from `app.tui.palette`."""
        yield SystemCommand("Theme", "Change how the app looks", self.action_change_theme)
        yield SystemCommand("First steps", "A model, a folder, a first question", self.action_welcome)

    async def run_in(self, mode: str, action: str) -> None:
        """Go to a screen and do something there."""
        if mode != self.current_mode:
            await self.switch_mode(mode)
        await self.screen.run_action(action)

    def watch_theme(self, theme: str) -> None:
        if self.is_running and theme != self._remembered_theme:
            self._remembered_theme = theme
            self._remember_theme(theme)

    @work(thread=True, exclusive=True, group="theme")
    def _remember_theme(self, theme: str) -> None:
        from app.remembered import remember_setting

        try:
            remember_setting(self.assistant.locations.config_file, "theme", theme)
        except (AppError, OSError) as error:
            self.call_from_thread(self.notify, message_of(error), severity="error", markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The way to where one is already is not offered."""
        return action != "go" or parameters != (self.current_mode,)

    def copy_to_clipboard(self, text: str) -> None:
        super().copy_to_clipboard(text)
        if not self.is_headless:
            self._copy_with_program(text)

    @work(thread=True, group="clipboard")
    def _copy_with_program(self, text: str) -> None:
        from app.clipboard import clipboard_command, copy_with

        command = clipboard_command(os.environ, shutil.which)
        if command:
            try:
                copy_with(command, text)
            except OSError as error:
                self.call_from_thread(self.notify, message_of(error), severity="warning", markup=False)

    # --- newcomers, and windows that are too small

    @work(exclusive=True, group="welcome")
    async def _welcome_newcomer(self) -> None:
        """Who has no folder yet is taken by the hand."""
        try:
            has_folders = await self.look(lambda parts: bool(parts.index.folders()))
        except StorageError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        if not has_folders and self._may_welcome:
            self._welcome()

    def _welcome(self) -> None:
        from app.tui.welcome.screen import WelcomeScreen

        self._may_welcome = False
        if not self._is_welcoming:
            self.push_screen(WelcomeScreen())

    @property
    def _is_welcoming(self) -> bool:
        from app.tui.welcome.screen import WelcomeScreen

        return any(isinstance(screen, WelcomeScreen) for screen in self.screen_stack)

    def on_resize(self, event: Resize) -> None:
        if is_too_small(event.size) and not isinstance(self.screen, TooSmall):
            self.push_screen(TooSmall())
