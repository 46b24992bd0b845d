"""The list of conversations: title and age, below it turns, size, and where a search found its words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from app.terminal import printable
from app.wording import ago, counted, size
from storage.values import Conversation


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation as it is listed."""

    conversation: Conversation
    num_state_bytes: int = 0
    """Of its memory on disk; 0: none is kept."""
    excerpt: str = ""


class ConversationList(OptionList):
    """Keeps the highlighted conversation when the list changes."""

    DEFAULT_CSS = """
    ConversationList {
        border: none;
        padding: 0;
        background: $background;
        & > .option-list--option { padding: 0 1; }
        &, &:focus {
            border: none;
            background-tint: transparent;
            & > .option-list--option-highlighted { background: $panel; color: $foreground; text-style: none; }
        }
        &:focus > .option-list--option-highlighted { background: $primary 30%; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select", "Open", id="conversations.open")]

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._rows: list[Row] = []

    @property
    def chosen(self) -> Conversation | None:
        """The highlighted one."""
        number = self.highlighted
        return self._rows[number].conversation if number is not None and number < len(self._rows) else None

    def show(self, rows: list[Row], now: float, words: Sequence[str]) -> None:
        chosen = self.chosen
        self._rows = rows
        self.set_options(_option(row, now, words) for row in rows)
        if not rows:
            nothing = "Nothing was found." if words else "No conversation yet. Ask something: F2."
            self.add_option(Option(Content.styled(nothing, "$foreground-muted"), disabled=True))
            return
        identifiers = [row.conversation.id for row in rows]
        self.highlighted = identifiers.index(chosen.id) if chosen and chosen.id in identifiers else 0


def _option(row: Row, now: float, words: Sequence[str]) -> Option:
    conversation = row.conversation
    facts = [ago(now - conversation.changed_at), counted(conversation.num_turns, "turn")]
    if row.num_state_bytes:
        facts.append(f"{size(row.num_state_bytes)} of memory kept")
    if conversation.scope:
        facts.append(f"only in {counted(len(conversation.scope), 'place')}")
    if conversation.branched_from is not None:
        facts.append("a branch")
    lines = [_line(conversation.title, words).stylize("bold"), Content.styled(" · ".join(facts), "$foreground-muted")]
    if row.excerpt:
        lines.append(_line(row.excerpt, words))
    return Option(Content("\n").join(lines))


def _line(text: str, words: Sequence[str]) -> Content:
    """Text on one line, with the words that were searched for marked."""
    content = Content(" ".join(printable(text).split()))
    for word in words:
        for found in re.finditer(re.escape(word), content.plain, re.IGNORECASE):
            content = content.stylize("bold underline $text-accent", *found.span())
    return content
