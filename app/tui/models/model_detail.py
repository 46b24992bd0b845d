"""Everything about the highlighted model: at the right where there is room, else below the list."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from app.assistant.events import ModelFailed, ModelLoading, ModelReady
from app.gate.words import standing_words
from app.terminal import printable
from app.tui.models.entry import ModelEntry, State
from app.tui.models.row_text import MARKS, Row, fit_words, kv_size
from app.wording import counted, duration, size

if TYPE_CHECKING:
    from app.settings import Settings


class ModelDetail(VerticalScroll, can_focus=False):
    """See the module."""

    DEFAULT_CSS = """
    ModelDetail {
        background: $panel;
        color: $foreground;
        padding: 0 1;

        & > Static { width: 1fr; height: auto; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Static()

    def show(self, text: Content) -> None:
        self.query_one(Static).update(text)


def detail_text(
    row: Row, model: ModelLoading | ModelReady | ModelFailed, settings: "Settings", config_file: Path
) -> Content:
    """Paths and reasons in full; `model` is what the app says of its model."""
    return Content("\n").join(_lines(row, model, settings, config_file))


def _lines(
    row: Row, model: ModelLoading | ModelReady | ModelFailed, settings: "Settings", config_file: Path
) -> Iterator[Content]:
    entry = row.entry
    yield Content.styled(printable(entry.model.name), "bold")
    yield from _state_lines(row, model)
    if entry.model.problem:
        yield _problem(entry.model.problem)
    elif entry.model.is_embedding:
        yield Content(
            "An embedding model: it makes vectors for search and cannot answer. To search with it, set "
            f'embedding_model = "{printable(entry.model.name)}" in {printable(str(config_file))}.'
        )
    else:
        yield from _answering_lines(entry, settings, is_loaded=row.state is State.ANSWERS)
    yield _muted(_facts_line(entry))
    if entry.model.path:
        yield _muted(printable(str(entry.model.path)))


def _state_lines(row: Row, model: ModelLoading | ModelReady | ModelFailed) -> Iterator[Content]:
    """What it does now, and what went wrong with it."""
    mark, style = MARKS.get(row.state, ("", ""))
    match row.state, model:
        case State.ANSWERS, ModelReady(load_ms=load_ms):
            yield Content.assemble((mark, style), f" Answers now; it was loaded in {duration(load_ms)}.")
        case State.LOADING, ModelLoading(fraction=fraction):
            done = "" if fraction is None else f": {fraction:.0%}"
            yield Content.assemble((mark, style), f" Is loaded now{done} …")
        case State.FAILED, ModelFailed(reason=reason):
            yield _problem(reason)
            return
        case _:
            pass
    if row.reason:
        yield _problem(row.reason)


def _answering_lines(entry: ModelEntry, settings: "Settings", *, is_loaded: bool) -> Iterator[Content]:
    sign, style = fit_words(entry.fit.verdict)
    need = _need(entry, settings)
    if is_loaded:
        yield Content(f"{need}.")
    else:
        yield Content.assemble((sign, style), f": {entry.fit.words.partition(': ')[2]}. {need}.")
    facts = entry.facts
    if facts is None:
        yield Content("Its parts are installed; they are joined to one file when it is used first.")
    elif facts.blendable:
        yield Content("Blended: what was steeped is loaded, and a few tokens are computed again.")
        yield _gate_line(entry, settings)
    else:
        yield Content(f"Exact only, since {facts.reason}: passages are read for each question.")


def _gate_line(entry: ModelEntry, settings: "Settings") -> Content:
    """How good its blended answers are, and what the user made of that."""
    return Content(f"Gate: {standing_words(settings, entry.verdict)}.")


def _need(entry: ModelEntry, settings: "Settings") -> str:
    """What the memory that it needs consists of."""
    facts, model_size = entry.facts, size(entry.model.num_bytes)
    if facts is None:
        return f"Takes {model_size} for the model, and more for a conversation"
    window = min(settings.window_tokens, facts.context_length or settings.window_tokens)
    per_token = f" ({kv_size(facts.kv_bytes_per_token)} each)" if facts.kv_bytes_per_token else ""
    return (
        f"Takes {model_size} for the model, {size(entry.fit.needed_bytes - entry.model.num_bytes)} for "
        f"{counted(window, 'token')} of conversation{per_token} and the program"
    )


def _facts_line(entry: ModelEntry) -> str:
    facts = entry.facts
    words = [facts.architecture if facts else "", entry.label, size(entry.model.num_bytes)]
    if facts and facts.context_length:
        words.append(f"context of {counted(facts.context_length, 'token')}")
    words.append(f"from {entry.model.source}")
    return printable(" · ".join(filter(None, words)))


def _muted(text: str) -> Content:
    return Content.styled(text, "$foreground-muted")


def _problem(reason: str) -> Content:
    return Content.styled(printable(f"! {reason}"), "$text-error")
