"""Where commands write: data on stdout, progress and remarks on stderr.

On a terminal long work shows a bar with its rate and the remaining time; elsewhere it leaves one plain line per
stage. `NO_COLOR` is rich's business. Control characters of documents and answers never reach a terminal: a document
could otherwise repaint the screen. Links are made here, from addresses that cannot hold any.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console, RichCast
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.style import Style
from rich.text import Text

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but tab and newline, and the halves of characters that file names without an encoding have."""

_ADDRESS = re.compile("[!-~]+")
"""Printable ASCII: what a percent-encoded address consists of."""

ShowProgress = Callable[[float, float | None], None]
"""Takes the amount done and the amount in all; None: nobody knows how much."""


def printable(text: str) -> str:
    """The text with what a terminal would obey, or could not show, replaced by U+FFFD."""
    return _UNPRINTABLE.sub("\ufffd", text)


@dataclass(frozen=True, slots=True)
class Link:
    """Characters [start, end) of a line, and the address that a click on them opens."""

    start: int
    end: int
    uri: str

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.uri):
            raise ValueError(f"the address of a link must be percent-encoded, got {self.uri!r}")


class _Rate(ProgressColumn):
    """Steps per second, in the bar's own unit."""

    def render(self, task: Task) -> Text:
        unit, speed = task.fields.get("unit", ""), task.speed
        if not speed or task.total is None:
            return Text()
        return Text(f"{speed:,.{0 if speed >= 10 else 1}f} {unit}/s", style="dim")


class Terminal:
    """The two streams of a command."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
        self._remarks = Console(stderr=True, highlight=False, markup=False, emoji=False)
        # Lines are broken between words for people; whoever reads a file or a pipe wants them whole.
        self._remarks.soft_wrap = not self._remarks.is_terminal
        self._quiet = quiet

    @property
    def is_interactive(self) -> bool:
        return self._remarks.is_terminal

    @property
    def is_quiet(self) -> bool:
        return self._quiet

    @property
    def width(self) -> int | None:
        """Columns that a line of data should fit; None where nobody looks."""
        return self.out.width if self.out.is_terminal else None

    def data(self, text: str, style: str | None = None, links: Sequence[Link] = ()) -> None:
        """A line of the command's result; links can be clicked on terminals that show colours."""
        line = Text(printable(text), style=style or "")
        if self.out.is_terminal and not self.out.is_dumb_terminal and not self.out.no_color:
            for link in links:
                line.stylize(Style(link=link.uri), link.start, link.end)
        self.out.print(line)

    def piece(self, text: str) -> None:
        """A part of a line, at once."""
        sys.stdout.write(printable(text))
        sys.stdout.flush()

    def json(self, value: Any) -> None:
        """The command's result as one JSON object."""
        is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        text = json.dumps(value, ensure_ascii=not is_unicode, indent=2)
        # A lone surrogate (in a file name) cannot be encoded; its JSON escape can.
        sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
        sys.stdout.flush()

    def remark(self, text: str, style: str | None = "dim") -> None:
        if not self._quiet:
            self._remarks.print(printable(text), style=style)

    def complaint(self, text: str) -> None:
        self._remarks.print(printable(text), style="bold red")

    @contextmanager
    def live(self, board: RichCast) -> Iterator[None]:
        """Show a board on stderr while the block runs, and leave its last state there."""
        with Live(board, console=self._remarks, refresh_per_second=4):
            yield

    @contextmanager
    def progress(self, description: str, unit: str) -> Iterator[ShowProgress]:
        """A bar while the block runs; call the yielded function with the amounts done and in all."""
        if not self.is_interactive or self._quiet:
            self.remark(f"{description} …")
            yield lambda _done, _total: None
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn("{task.percentage:>3.0f} %"),
            _Rate(),
            TimeRemainingColumn(compact=True),
        )
        with Progress(*columns, console=self._remarks, transient=True, expand=True) as progress:
            number = progress.add_task(description, total=None, unit=unit)
            (task,) = progress.tasks

            def show(done: float, total: float | None) -> None:
                task.total = total
                progress.update(number, completed=done)

            yield show


class _WarningLines(logging.Handler):
    """Log records as lines on the stderr of the moment: while a bar shows, rich has put its own there."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(printable(self.format(record)) + "\n")


def show_warnings() -> None:
    """Let the parts' warnings reach the user."""
    handler = _WarningLines(logging.WARNING)  # remarks of app and storage are for the log (`app.kept_log`)
    handler.setFormatter(logging.Formatter("warning: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def encode_anything() -> None:
    """Let stdout escape what its encoding lacks (an old Windows console, LANG=C) instead of failing."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure:
        reconfigure(errors="backslashreplace")
