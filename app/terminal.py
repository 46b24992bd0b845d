"""Where commands write: data on stdout, progress and remarks on stderr.

On a terminal long work shows a bar with its rate and the remaining time; elsewhere it leaves one plain line per
stage. `NO_COLOR` and a narrow terminal are rich's business.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class _Rate(ProgressColumn):
    """Steps per second, in the bar's own unit."""

    def render(self, task: Task) -> Text:
        unit = task.fields.get("unit", "")
        return Text(f"{task.speed:,.0f} {unit}/s" if task.speed else f"– {unit}/s", style="dim")


class Terminal:
    """The two streams of a command."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.out = Console(highlight=False, soft_wrap=True, markup=False)
        self._remarks = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
        self._quiet = quiet

    @property
    def is_interactive(self) -> bool:
        return self._remarks.is_terminal

    def data(self, text: str, style: str | None = None) -> None:
        """A line of the command's result."""
        self.out.print(text, style=style)

    def piece(self, text: str) -> None:
        """A part of a line, at once."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def json(self, value: Any) -> None:
        """The command's result as one JSON object."""
        sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
        sys.stdout.flush()

    def remark(self, text: str, style: str | None = "dim") -> None:
        if not self._quiet:
            self._remarks.print(text, style=style)

    def complaint(self, text: str) -> None:
        self._remarks.print(text, style="bold red" if self.is_interactive else None)

    @contextmanager
    def progress(self, description: str, total: float, unit: str) -> Iterator[Callable[[float], None]]:
        """A bar while the block runs; call the yielded function with the amount done so far."""
        if not self.is_interactive or self._quiet:
            if not self._quiet:
                self.remark(f"{description} …")
            yield lambda _done: None
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            _Rate(),
            TimeRemainingColumn(compact=True),
        )
        with Progress(*columns, console=self._remarks, transient=True) as progress:
            task = progress.add_task(description, total=total, unit=unit)
            yield lambda done: progress.update(task, completed=done)
