"""The line above the input: what the next question is about, and how full the conversation's memory is."""

from collections.abc import Sequence
from pathlib import Path

from textual.content import Content
from textual.widgets import Static

from app.terminal import printable
from app.wording import counted

_WHOLE_LIBRARY = Content.from_markup("([@click=screen.all_documents]ctrl+g: from all[/])")


class ContextRow(Static):
    """See the module; nothing to say takes no room."""

    DEFAULT_CSS = """
    ContextRow { width: 1fr; height: auto; max-height: 2; padding: 0 2; color: $foreground-muted; }
    """

    def show(self, scope: Sequence[Path], editing: int | None, memory: tuple[int, int] | None, notice: str) -> None:
        """`editing`: the number of the question that is replaced; `memory`: tokens, and how many fit."""
        words: list[Content] = []
        if editing is not None:
            words.append(Content.assemble((f"editing question {editing + 1}", "bold $warning"), " (esc leaves it)"))
        if scope:
            words.append(Content.assemble("only from ", (scope_words(scope), "bold $accent"), " ", _WHOLE_LIBRARY))
        if memory:
            words.append(Content(f"memory {memory[0]:,} of {memory[1]:,} tokens"))
        if notice:
            words.append(Content(printable(notice)))
        self.update(Content(" · ").join(words))
        self.display = bool(words)


def scope_words(scope: Sequence[Path]) -> str:
    """One name as it is, or how many there are."""
    if len(scope) == 1:
        return " ".join(printable(scope[0].name or str(scope[0])).split())
    return counted(len(scope), "place")
