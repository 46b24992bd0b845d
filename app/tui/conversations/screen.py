"""F5: all conversations, the newest first, or those that a search finds in; one is opened, renamed, or deleted."""

import asyncio
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer, Input, OptionList

from app.assistant.events import ConversationsChanged
from app.tui.conversations.conversation_list import ConversationList, Row
from app.tui.dialogs.confirm import ConfirmDialog
from app.tui.dialogs.text_dialog import TextDialog
from app.tui.messages import AssistantTold
from app.tui.widgets.title_bar import TitleBar
from app.wording import counted
from storage.errors import StorageError
from storage.search_words import words_of

if TYPE_CHECKING:
    from app.tui.app import SteepApp
    from app.wiring import Parts
    from storage.values import Conversation

_MOST_HITS = 100
"""Conversations that a search lists; whoever does not find it among them knows another word."""

_TYPING_SECONDS = 0.12
"""A pause in typing as long as this starts a search."""

_MAX_TITLE = 200


class ConversationsScreen(Screen[None]):
    """See the module."""

    TITLE = "Conversations"
    DEFAULT_CSS = """
    ConversationsScreen {
        #search { margin: 1 1 0 1; width: 1fr; background: $surface; padding: 0 1; }
        ConversationList { height: 1fr; margin: 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "rename", "Rename", id="conversations.rename"),
        Binding("d,delete", "delete", "Delete", id="conversations.delete"),
        Binding("e", "export", "Export", id="conversations.export"),
        Binding("n", "app.new_conversation", "New", show=False, id="conversations.new"),
        Binding("slash", "search", "Search", key_display="/", id="conversations.search"),
        Binding("escape", "leave_search", "To the list", show=False, id="conversations.leave"),
    ]

    @property
    def steep(self) -> "SteepApp":
        return cast("SteepApp", self.app)

    def compose(self) -> ComposeResult:
        yield TitleBar("Conversations")
        yield Input(placeholder="Search in questions and answers", compact=True, id="search")
        yield ConversationList()
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one(ConversationList).focus()
        self._list()

    def on_screen_resume(self) -> None:
        self._list()

    def on_assistant_told(self, message: AssistantTold) -> None:
        if isinstance(message.event, ConversationsChanged):
            self._list()

    # --- what is listed

    @on(Input.Changed, "#search")
    def _search_for_it(self) -> None:
        self._list(_TYPING_SECONDS)

    @work(exclusive=True, group="list")
    async def _list(self, delay_seconds: float = 0.0) -> None:
        await asyncio.sleep(delay_seconds)
        text = self.query_one("#search", Input).value
        try:
            rows = await self.steep.look(lambda parts: _rows(parts, text))
        except StorageError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        self.query_one(ConversationList).show(rows, self.steep.now(), words_of(text))

    # --- what is done with one

    @on(OptionList.OptionSelected)
    @on(Input.Submitted, "#search")
    def _open(self) -> None:
        if chosen := self._chosen():
            self.steep.open_conversation(chosen.id)

    @work
    async def action_rename(self) -> None:
        if not (chosen := self._chosen()):
            return
        title = await self.app.push_screen_wait(
            TextDialog("Rename the conversation", chosen.title, check=_complaint_about_title, yes="Rename")
        )
        if title is None:
            return
        try:
            await self.steep.look(lambda parts: parts.index.rename_conversation(chosen.id, title))
        except StorageError as error:
            self.notify(str(error), severity="error", markup=False)
        self.steep.tell(ConversationsChanged())

    @work
    async def action_delete(self) -> None:
        if not (chosen := self._chosen()):
            return
        detail = f"{counted(chosen.num_turns, 'turn')}, and what the model remembers of them, are gone for good."
        if await self.app.push_screen_wait(ConfirmDialog(f"Delete “{chosen.title}”?", detail, "Delete", True)):
            self.steep.delete_conversation(chosen.id)

    @work
    async def action_export(self) -> None:
        from app.tui.exporting import export_conversation

        if chosen := self._chosen():
            await export_conversation(self.steep, chosen)

    def action_search(self) -> None:
        self.query_one("#search").focus()

    def action_leave_search(self) -> None:
        search = self.query_one("#search", Input)
        if search.value:
            search.value = ""
        self.query_one(ConversationList).focus()

    def _chosen(self) -> "Conversation | None":
        return self.query_one(ConversationList).chosen


def _rows(parts: "Parts", text: str) -> list[Row]:
    sizes = dict(parts.index.remembered_conversations())
    if terms := words_of(text):
        hits = parts.index.search_conversations(terms, _MOST_HITS)
        return [Row(hit.conversation, sizes.get(hit.conversation.id, 0), hit.excerpt) for hit in hits]
    listed = parts.index.conversations()
    return [Row(conversation, sizes.get(conversation.id, 0)) for conversation in listed]


def _complaint_about_title(text: str) -> str | None:
    if not text:
        return "A title cannot be empty."
    return None if len(text) <= _MAX_TITLE else f"A title has {_MAX_TITLE} characters at most."
