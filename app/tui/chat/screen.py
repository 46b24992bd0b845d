"""F2, the chat: the open conversation, the sources of its answers, and the input.

One answer is made at a time. A question is shown at once and waits where it has to: for the model, for its passages,
for the prompt to be read. If there is no answer in the end, the question is back in the input. An edited question
replaces its turn, and whatever followed would go with it: where something follows, a branch is made first, so nothing
is lost. An answer goes on when another conversation is looked at, and is there when one comes back to it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static

from app.assistant.events import (
    AnswerFailed,
    AnswerFinished,
    AnswerPiece,
    AnswerStarted,
    ConversationOpened,
    ConversationRecalled,
    LibraryChanged,
    ModelReady,
    PassagesFound,
    PromptRead,
    Trouble,
    UpkeepTold,
)
from app.conversations.account import Source
from app.tui.chat.answer_in_making import AnswerInMaking
from app.tui.chat.context_row import ContextRow
from app.tui.chat.passage_screen import PassageScreen
from app.tui.chat.question_input import QuestionInput
from app.tui.chat.source_list import SourceList
from app.tui.chat.source_words import shortened
from app.tui.chat.start_page import StartPage, read_beginning
from app.tui.chat.transcript import Transcript
from app.tui.chat.turn_view import TurnView
from app.tui.messages import AssistantTold
from app.tui.widgets.title_bar import TitleBar
from app.wording import counted
from storage.errors import StorageError
from storage.values import Conversation, Turn

if TYPE_CHECKING:
    from app.tui.app import SteepApp

_NUM_REMEMBERED_QUESTIONS = 500
_NOTED_CELLS = 40
"""Of a question that a notice is about."""

_FIRST_LOOK_SECONDS = 0.5
"""The first key of a user comes before: looking through 10,000 documents for something to suggest takes 0.3 s."""
_LOOK_SECONDS = 2.0
"""At most so often is the start page brought up to date while documents are read."""


def _binding(keys: str, action: str, label: str, tooltip: str = "", *, name: str = "", show: bool = False) -> Binding:
    """A key that works while a question is typed."""
    return Binding(keys, action, label, show=show, priority=True, tooltip=tooltip, id=f"chat.{name or action}")


class ChatScreen(Screen[None]):
    """See the module."""

    CSS_PATH = "chat.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - an instance variable of Textual's
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "Stop", id="chat.stop"),
        _binding("ctrl+s", "sources", "Sources", "The passages behind the answer", show=True),
        _binding("ctrl+r", "retry", "Retry", "Another answer to the last question"),
        _binding("ctrl+e", "edit", "Edit", "Ask the question in other words"),
        _binding("ctrl+b", "branch", "Branch", "Go on in a new conversation from here"),
        _binding("ctrl+y", "copy", "Copy", "Copy the answer"),
        _binding("ctrl+x", "export", "Export", "To Markdown or JSON"),
        _binding("ctrl+g", "all_documents", "All documents", "Ask all documents again", name="all"),
        _binding("alt+up,ctrl+up", "select(-1)", "Earlier turn", name="earlier"),
        _binding("alt+down,ctrl+down", "select(1)", "Later turn", name="later"),
        _binding("pageup", "page(-1)", "Scroll up", name="page_up"),
        _binding("pagedown", "page(1)", "Scroll down", name="page_down"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._making: AnswerInMaking | None = None
        self._editing: int | None = None
        self._wants_in_input = ""
        """A question to put into the input when its conversation is open."""
        self._wants_to_edit: int | None = None
        """The number of the turn that it is to replace, if any."""
        self._memory: tuple[int, int] | None = None
        self._notice = ""
        self._failed_at_once = False
        """The first question of a new conversation failed: it stays on the screen with the reason."""
        self._is_looking = False
        self._suggested: tuple[str, ...] = ()
        self._shown_conversation: int | None = None
        self._foreseen: tuple[object, ...] = ()
        """The question in the making that was looked up last, and where it belongs."""

    @property
    def steep(self) -> "SteepApp":
        return cast("SteepApp", self.app)

    def compose(self) -> ComposeResult:
        yield TitleBar("Chat")
        with Horizontal(id="chat-body"):
            with Vertical(id="chat-main"):
                yield StartPage()
                yield Transcript()
                yield ContextRow()
                yield QuestionInput()
            with Vertical(id="chat-sources"):
                yield Static("Sources", id="sources-title")
                yield SourceList()
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self._input.focus()
        self.watch(self.app, "scope", self._show_context, init=False)
        self.watch(self.app, "conversation_id", self._follow_conversation, init=False)
        self.watch(self.app, "model", self._show_waiting, init=False)
        self._show_conversation_or_start()
        self.set_timer(_FIRST_LOOK_SECONDS, self._look_at_beginning)

    @property
    def _input(self) -> QuestionInput:
        return self.query_one(QuestionInput)

    @property
    def _transcript(self) -> Transcript:
        return self.query_one(Transcript)

    # --- what the assistant tells

    async def on_assistant_told(self, message: AssistantTold) -> None:
        match message.event:
            case AnswerStarted(conversation, ordinal, question):
                await self._start(conversation, ordinal, question)
            case PassagesFound(num_passages, num_kept):
                self._say(_passages_words(num_passages, num_kept))
            case PromptRead(num_done, num_total):
                if self._making:
                    self._making.show_read(num_done, num_total)
            case AnswerPiece(text):
                if self._making:
                    await self._making.add(text)
            case AnswerFinished():
                await self._finish(message.event)
            case AnswerFailed():
                await self._fail(message.event)
            case ConversationOpened(conversation, turns):
                await self._open(conversation, turns)
            case ConversationRecalled():
                self._recalled(message.event)
            case LibraryChanged() | ModelReady() | UpkeepTold():
                self._look_soon()
            case Trouble(reason):
                self.notify(reason, severity="warning", markup=False)
            case _:
                pass

    async def _start(self, conversation: Conversation, ordinal: int, question: str) -> None:
        """The assistant has begun with a question: one from here, or one that was asked on another screen."""
        making = self._making
        if making is None or making.question != question:
            if conversation.id != self._shown_conversation:
                await self._transcript.empty()
            making = await self._begin(question, ordinal, conversation.id)
        making.view.ordinal, making.conversation_id = ordinal, conversation.id
        if making.is_shown:
            self._shown_conversation = conversation.id
            self.steep.follow_conversation(conversation)
        making.say("looking for passages")

    async def _begin(
        self, question: str, ordinal: int, conversation_id: int | None, *, replaces: bool = False, varies: bool = False
    ) -> AnswerInMaking:
        """Show a question whose answer is to come."""
        view = await self._transcript.begin(question, ordinal)
        self._making = AnswerInMaking(view, conversation_id, replaces, varies)
        self._show_all()
        return self._making

    async def _finish(self, event: AnswerFinished) -> None:
        making, self._making = self._making, None
        if making and making.is_shown:
            await making.view.finish(event.turn)
        elif making:
            self.notify(f"“{event.conversation.title}” has its answer (F5).", markup=False)
        if event.conversation.id == self._shown_conversation:
            self._memory = (event.memory.num_tokens, event.memory.capacity) if event.memory else None
            self._notice = ""
        self._show_all()

    async def _fail(self, event: AnswerFailed) -> None:
        making, self._making = self._making, None
        if making and making.is_shown:
            await self._fail_here(making, event)
        elif event.reason:
            self.notify(f"{_shortly(event.question)}: {event.reason}", severity="error", markup=False)
        self._show_all()

    async def _fail_here(self, making: AnswerInMaking, event: AnswerFailed) -> None:
        if making.replaces and event.conversation:
            if event.reason:
                self.notify(event.reason, severity="error", markup=False)
            self._bring_back(making, event.conversation.id)
        elif not self._input.text.strip():
            self._input.show(event.question)
        if event.reason:
            await making.view.fail(event.reason)
        else:
            await making.view.remove()
        if event.conversation is None and not any(view.turn for view in self._transcript.views):
            self._failed_at_once = bool(event.reason)
            self._shown_conversation = None
            self.steep.conversation_id = None

    def _bring_back(self, making: AnswerInMaking, conversation_id: int) -> None:
        """The turn that was to be replaced; its question is being edited again, if it was."""
        if not making.varies and not self._input.text.strip():
            self._wants_in_input, self._wants_to_edit = making.question, making.ordinal
        self.steep.assistant.open_conversation(conversation_id)

    async def _open(self, conversation: Conversation, turns: Sequence[Turn]) -> None:
        self._editing, self._memory, self._notice = None, None, ""
        self._shown_conversation = conversation.id
        await self._transcript.show(turns)
        making = self._making
        if making and making.conversation_id == conversation.id:
            await making.move_to(await self._transcript.begin(making.question, making.ordinal))
        self.steep.scope = conversation.scope
        if self._wants_in_input:
            self._input.show(self._wants_in_input)
            self._editing = self._wants_to_edit
            self._wants_in_input, self._wants_to_edit = "", None
        self._show_all()

    def _recalled(self, event: ConversationRecalled) -> None:
        if event.conversation_id != self.steep.conversation_id:
            return
        self._memory = (event.memory.num_tokens, event.memory.capacity) if event.memory else None
        self._notice = "" if event.memory else f"nothing is remembered: {event.reason}"
        self._show_context()

    # --- what is shown

    async def _follow_conversation(self, conversation_id: int | None) -> None:
        """A new conversation begins empty; another one comes with `ConversationOpened`."""
        failed_at_once, self._failed_at_once = self._failed_at_once, False
        if conversation_id is None and not failed_at_once:
            self._editing, self._memory, self._notice, self._shown_conversation = None, None, "", None
            await self._transcript.empty()
            self._show_all()
            self._look_at_beginning()

    def _show_all(self) -> None:
        """Everything around the turns follows them."""
        self._show_conversation_or_start()
        self._show_context()
        self._show_sources()
        self.refresh_bindings()

    def _show_conversation_or_start(self) -> None:
        has_turns = bool(self._transcript.views)
        self._transcript.display = has_turns
        self.query_one(StartPage).display = not has_turns
        self.set_class(not has_turns, "-empty")

    def _show_context(self) -> None:
        self.query_one(ContextRow).show(self.steep.scope, self._editing, self._memory, self._notice)

    def _show_sources(self) -> None:
        view = self._transcript.selected
        sources = view.account.sources if view and view.account else ()
        self.query_one(SourceList).show(sources)
        title = counted(len(sources), "source") if sources else "Sources"
        self.query_one("#sources-title", Static).update(title)

    def _show_waiting(self) -> None:
        if self._making and not isinstance(self.steep.model, ModelReady):
            self._say("waiting for the model")

    def _say(self, words: str) -> None:
        if self._making:
            self._making.say(words)

    def _look_soon(self) -> None:
        if self.has_class("-empty") and not self._is_looking:
            self._is_looking = True
            self.set_timer(_LOOK_SECONDS, self._look_at_beginning)

    @work(exclusive=True, group="chat.beginning")
    async def _look_at_beginning(self) -> None:
        model = self.steep.model
        fingerprint = model.fingerprints[0] if isinstance(model, ModelReady) else None
        try:
            beginning = await self.steep.look(lambda parts: read_beginning(parts, fingerprint, self._suggested))
        except StorageError as error:
            self.notify(str(error), severity="error", markup=False)
        else:
            self._suggested = beginning.questions
            await self.query_one(StartPage).show(beginning)
        finally:
            self._is_looking = False

    # --- asking

    @on(QuestionInput.Sent)
    async def _send(self, message: QuestionInput.Sent) -> None:
        if self._making:
            place = "" if self._making.is_shown else " in another conversation"
            self.notify(f"One answer at a time: Esc stops the one that is being made{place}.", markup=False)
            return
        ordinal, self._editing = self._editing, None
        self._input.take()
        await self._ask(message.text, ordinal)

    @on(StartPage.Suggested)
    async def _ask_suggested(self, message: StartPage.Suggested) -> None:
        if not self._making:
            self._input.focus()
            await self._ask(message.question, None)

    async def _ask(self, question: str, ordinal: int | None, *, vary: bool = False) -> None:
        """`ordinal`: in place of that turn."""
        last = self._transcript.last
        if last and last.turn is None:  # an answer that failed
            await last.remove()
            last = self._transcript.last
        number = ordinal if ordinal is not None else last.ordinal + 1 if last else 0
        conversation_id = self.steep.conversation_id
        await self._begin(question, number, conversation_id, replaces=ordinal is not None, varies=vary)
        self._show_waiting()
        self.steep.assistant.ask(
            question, conversation_id=conversation_id, ordinal=ordinal, scope=self.steep.scope, vary=vary
        )

    @on(QuestionInput.Paused)
    def _foresee(self, message: QuestionInput.Paused) -> None:
        """Let what the question will need begin to load."""
        draft = message.text, self.steep.conversation_id, self._editing, self.steep.scope
        if message.text and draft != self._foreseen:
            self._foreseen = text, conversation_id, ordinal, scope = draft
            self.steep.assistant.prefetch(text, conversation_id=conversation_id, ordinal=ordinal, scope=scope)

    def action_all_documents(self) -> None:
        self.steep.scope = ()

    @on(QuestionInput.HistoryWanted)
    @work(exclusive=True, group="chat.history")
    async def _remember_questions(self) -> None:
        try:
            questions = await self.steep.look(lambda parts: parts.index.questions(_NUM_REMEMBERED_QUESTIONS))
        except StorageError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        history = self._input.history_of_questions
        history.extend(questions)
        if not self._input.text:
            self._input.show(history.back("") or "")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        return action != "stop" or (self.is_mounted and self._has_something_to_leave)

    @property
    def _has_something_to_leave(self) -> bool:
        is_elsewhere = self._transcript.has_selection or self.has_class("-sources") or not self._input.has_focus
        return self._making is not None or self._editing is not None or is_elsewhere

    def action_stop(self) -> None:
        """Escape stops the answer, ends editing, or leaves turns and sources: the first that can be."""
        if self._making:
            self._say("stopping")
            self.steep.assistant.stop()
        elif self._editing is not None:
            self._editing = None
            self._input.clear()
        else:
            self._transcript.select(None)
            self._leave_sources()
        self._show_all()

    def action_retry(self) -> None:
        """Later: what is clicked for it is removed, and would wait for itself."""
        self.call_later(self._retry)

    async def _retry(self) -> None:
        view = self._transcript.last
        if self._making or view is None:
            return
        if view.turn is None:
            await self._ask(view.question, None)
        else:
            await self._ask(view.question, view.ordinal, vary=True)

    def action_edit(self) -> None:
        view, last = self._transcript.selected, self._transcript.last
        if self._making or view is None or last is None:
            return
        if view is last or view.turn is None:
            self._editing = view.ordinal if view.turn else None
            self._input.show(view.question)
        else:
            self._branch_before(view)
        self._input.focus()
        self._show_all()

    def action_branch(self) -> None:
        """Go on in a new conversation from the selected turn."""
        view, conversation_id = self._transcript.selected, self.steep.conversation_id
        if self._making or view is None or view.turn is None or conversation_id is None:
            return
        self.steep.assistant.branch(conversation_id, view.ordinal + 1)
        self._input.focus()

    def _branch_before(self, view: TurnView) -> None:
        conversation_id = self.steep.conversation_id
        if view.ordinal == 0 or conversation_id is None:
            self.steep.action_new_conversation()
            self._input.show(view.question)
        else:
            self._wants_in_input = view.question
            self.steep.assistant.branch(conversation_id, view.ordinal)

    # --- turns and their sources

    async def action_select(self, step: int) -> None:
        await self._transcript.select_by(step)
        self._show_all()

    @on(TurnView.Chosen)
    def _choose(self, message: TurnView.Chosen) -> None:
        self._transcript.select(message.turn_view)
        self._show_all()

    def action_page(self, direction: int) -> None:
        self._transcript.page(direction)

    def action_sources(self) -> None:
        listed = self.query_one(SourceList)
        if listed.has_focus:
            self._leave_sources()
        elif listed.sources:
            self.add_class("-sources")
            listed.focus()
        else:
            self.notify("This turn has no sources.", markup=False)

    @on(SourceList.Left)
    def _leave_sources(self) -> None:
        self.remove_class("-sources")
        self._input.focus()

    @on(OptionList.OptionSelected)
    def _show_passage(self, message: OptionList.OptionSelected) -> None:
        message.stop()
        sources = self.query_one(SourceList).sources
        if sources:
            self.app.push_screen(PassageScreen(sources, message.option_index), self._open_source)

    @on(SourceList.Opened)
    def _open_listed(self, message: SourceList.Opened) -> None:
        self._open_source(message.source)

    def _open_source(self, source: Source | None) -> None:
        if source is None:
            return
        from app.tui.opening import open_document

        words = source.quote.text if source.quote else ""
        if complaint := open_document(self.app, source.path, page=source.page, words=words):
            self.notify(complaint, severity="error", markup=False)

    # --- taking answers elsewhere

    def action_copy(self) -> None:
        view = self._transcript.selected
        if view and view.answer:
            self.app.copy_to_clipboard(view.answer)
            self.notify("The answer is in the clipboard.", timeout=2, markup=False)

    @work
    async def action_export(self) -> None:
        conversation = await self._conversation()
        if conversation is None:
            self.notify("There is nothing to export yet.", markup=False)
            return
        from app.tui.exporting import export_conversation

        await export_conversation(self.steep, conversation)

    async def _conversation(self) -> Conversation | None:
        conversation_id = self._shown_conversation
        if conversation_id is None:
            return None
        return await self.steep.look(lambda parts: parts.index.conversation(conversation_id))


def _passages_words(num_passages: int, num_kept: int) -> str:
    kept = f", {num_kept} of them remembered" if num_kept else ""
    return f"{counted(num_passages, 'passage')} found{kept}"


def _shortly(question: str) -> str:
    return f"“{shortened(' '.join(question.split()), _NOTED_CELLS)}”"
