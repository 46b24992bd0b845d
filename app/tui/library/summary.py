"""The lines above the tree: what there is, what it takes of the disk, what goes on, what questions are limited to."""

from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

from app.assistant.events import ModelFailed, ModelLoading, ModelReady
from app.library.background import Background
from app.library.overview import Overview
from app.library.selection import Selection
from app.library.tree import folders_below
from app.terminal import printable
from app.tui.library.row_text import shortened
from app.tui.library.state_words import GLYPHS, percent
from app.tui.widgets.bar import bar
from app.wording import about, counted, display_path, size
from storage.values import DocumentStage

_BAR_CELLS = 16
_NEARLY_FULL = 0.9
_SHORTEST_PATH = 12
_MOST_DONE_FIRST = (DocumentStage.STEEPED, DocumentStage.SEARCHABLE, DocumentStage.FOUND, DocumentStage.UNREADABLE)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the lines depend on besides the library itself."""

    model: ModelLoading | ModelReady | ModelFailed
    watches_here: bool | None
    selection: Selection


class Summary(Static):
    """See the module."""

    DEFAULT_CSS = """
    Summary {
        height: auto;
        padding: 0 1;
        background: $surface;
        color: $foreground;
    }
    """

    def show(self, overview: Overview, background: Background, around: Surroundings) -> None:
        width = self.content_size.width or self.app.size.width - 2
        lines = [documents_line(overview, width), disk_line(overview)]
        lines.append(steeping_line(overview, background, around, width))
        if around.selection:
            lines.append(scope_line(overview, around.selection))
        if background.trouble:
            lines.append(_line("Trouble", Content.styled(f"! {printable(background.trouble)}", "$text-warning")))
        self.update(Content("\n").join(lines))


def documents_line(overview: Overview, width: int) -> Content:
    """How many are at which stage, with the glyphs that the tree has for them."""
    folders = counted(len(overview.folders), "folder")
    if not overview.folders:
        return _line("Documents", Content("no folder is watched yet: a adds one"))
    counts = [(stage, overview.stages[stage]) for stage in _MOST_DONE_FIRST]
    shown = [Content(f"{GLYPHS[stage]} {number:,} {stage}") for stage, number in counts if number]
    total = f"{overview.totals.num_documents:,} in {folders}"
    line = _line("Documents", Content("  ").join([*shown, Content(total)]))
    return line if line.cell_length <= width else _line("Documents", Content("  ").join(shown))


def disk_line(overview: Overview) -> Content:
    """What all states take, against what they may."""
    used, budget = overview.num_used_bytes, overview.num_budget_bytes
    share = used / budget if budget else 1.0
    words = f" {size(used)} of {size(budget)}"
    if share < _NEARLY_FULL:
        return _line("On disk", Content.assemble((bar(share, _BAR_CELLS), "$text-success"), words))
    state = "full" if share >= 1 else "nearly full"
    colour = "$text-error" if share >= 1 else "$text-warning"
    return _line(
        "On disk", Content.assemble((bar(share, _BAR_CELLS), colour), f"{words} · {state} (budget_gb sets it)")
    )


def steeping_line(overview: Overview, background: Background, around: Surroundings, width: int) -> Content:
    """The most important of what goes on; a path fills what is left of the line."""
    if around.watches_here is False:
        return _elsewhere(overview)
    if background.reading:
        path, num_done, num_total = background.reading
        return _with_path("Reading", _share(num_done, num_total), path_text=display_path(path), width=width)
    if background.embedding:
        return _line("Vectors", _share(*background.embedding))
    return _line_of_steeping(background, around, width)


def scope_line(overview: Overview, selection: Selection) -> Content:
    """What questions are restricted to, and how to end it."""
    known = {node.path for node in folders_below(overview.roots)}
    num_folders = len(selection.paths & known)
    parts = [counted(num_folders, "folder")] if num_folders else []
    if num_files := len(selection.paths) - num_folders:
        parts.append(counted(num_files, "file"))
    return _line("Questions", Content.assemble("only in ", (" and ".join(parts), "bold"), " · c asks, x clears"))


def _elsewhere(overview: Overview) -> Content:
    totals = overview.totals
    state = Content.assemble((bar(totals.steeped_share, _BAR_CELLS), "$text-success"))
    return _line("Steeping", Content.assemble(state, f" {percent(totals.steeped_share)} · watched by another process"))


def _line_of_steeping(background: Background, around: Surroundings, width: int) -> Content:
    match around.model:
        case ModelLoading():
            return _line("Steeping", Content("waits for the model"))
        case ModelFailed():
            return _line("Steeping", Content("needs a model: F4"))
        case ModelReady(blendable=False, reason=reason):
            return _line("Steeping", Content(printable(f"not with this model: {reason}")))
        case _:
            pass
    progress = background.progress
    if background.rest:
        return _line("Steeping", Content.styled(printable(f"rests: {background.rest}"), "$text-warning"))
    if not progress.is_known:
        return _line("Steeping", Content("looking through the folders …"))
    if progress.is_complete:
        return _line("Steeping", Content.styled("all done", "$text-success"))
    pieces = [percent(progress.share)]
    if progress.seconds_left is not None:
        pieces += [f"{progress.tokens_per_second:,.0f} tokens/s", f"{about(progress.seconds_left)} left"]
    state = Content.assemble((bar(progress.share, _BAR_CELLS), "$text-success"), f" {' · '.join(pieces)}")
    return _with_path("Steeping", state, display_path(progress.path) if progress.path else "", width)


def _share(num_done: int, num_total: int) -> Content:
    return Content.assemble(
        (bar(num_done / num_total if num_total else 1.0, _BAR_CELLS), "$text-success"),
        f" {num_done:,} of {num_total:,}",
    )


def _with_path(label: str, state: Content, path_text: str, width: int) -> Content:
    line = _line(label, state)
    room = width - line.cell_length - 3
    if not path_text or room < min(_SHORTEST_PATH, cell_len(path_text)):
        return line
    return Content.assemble(
        line, " · ", (shortened(printable(path_text).replace("\n", "�"), room), "$foreground-muted")
    )


def _line(label: str, content: Content) -> Content:
    return Content.assemble((f"{label:<11}", "bold"), content)
